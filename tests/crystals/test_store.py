import json
import os

import numpy as np
import pytest

from sitenet_sklearn import RaggedCrystals
from sitenet_sklearn.crystals.store import concatenate_stores, read_store, write_store
from sitenet_sklearn.exceptions import StoreError


@pytest.fixture
def store(featurized, tmp_path):
    featurized.save(tmp_path / "crystals")
    return tmp_path / "crystals"


def test_opened_crystals_are_the_saved_ones(featurized, store):
    opened = RaggedCrystals.open(store)
    assert opened.metadata == featurized.metadata
    assert isinstance(opened._fields["pair_distance"], np.memmap)
    assert not opened._fields["pair_distance"].flags.writeable
    for a, b in zip(opened, featurized, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
            assert x.dtype == y.dtype


def test_view_saves_its_rows_only(featurized, tmp_path):
    featurized[3:5].save(tmp_path / "two")
    np.testing.assert_array_equal(RaggedCrystals.open(tmp_path / "two")[1].pair_distance, featurized[4].pair_distance)


def test_equal_crystals_make_equal_files(featurized, store, tmp_path):
    featurized.save(tmp_path / "again")
    for file in store.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_nothing_is_overwritten_or_left_behind(featurized, store):
    with pytest.raises(FileExistsError, match="exists: choose another name or remove it"):
        featurized.save(store)
    assert [path.name for path in store.parent.iterdir()] == ["crystals"]


def test_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_store(tmp_path / "a", {"x": np.zeros((2, 3))}, {"k": object()})
    assert list(tmp_path.iterdir()) == []


def test_stores_that_do_not_fit_are_not_joined(tmp_path):
    write_store(tmp_path / "a", {"x": np.zeros((2, 3))}, {})
    write_store(tmp_path / "b", {"x": np.zeros((2, 4))}, {})
    with pytest.raises(StoreError, match=r"b holds other arrays or metadata than .*a"):
        concatenate_stores(tmp_path / "c", [tmp_path / "a", tmp_path / "b"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_files_are_those_of_numpy(tmp_path):
    for values in (np.arange(6.0, dtype=np.float32).reshape(2, 3), np.zeros((0, 3), np.int16)):
        np.save(tmp_path / "x.npy", values)
        write_store(tmp_path / str(len(values)), {"x": values}, {})
        assert (tmp_path / str(len(values)) / "x.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()


def test_empty_arrays_are_kept(tmp_path):
    write_store(tmp_path / "a", {"x": np.zeros((0, 3), np.float32)}, {"k": [1]})
    arrays, metadata = read_store(tmp_path / "a")
    assert arrays["x"].shape == (0, 3)
    assert metadata == {"k": [1]}


def damage_byte(store):
    data = bytearray((store / "pair_distance.npy").read_bytes())
    data[-1] ^= 1
    (store / "pair_distance.npy").write_bytes(data)


def truncate(store):
    data = (store / "pair_distance.npy").read_bytes()
    (store / "pair_distance.npy").write_bytes(data[: len(data) // 2])


def pickle_inside(store):
    np.save(store / "pair_distance.npy", np.array([{}], dtype=object))


def savez(path):
    with path.open("wb") as file:
        np.savez(file, x=np.zeros(3))


def lead_out(name):
    def edit(store):
        (store / name).rename(store.parent / name)
        (store / name).symlink_to(store.parent / name)

    return edit


def wait_for_ever(store):
    (store / "pair_count.npy").unlink()
    os.mkfifo(store / "pair_count.npy")


def edit_index(**changes):
    def edit(store):
        index = json.loads((store / "index.json").read_text())
        (store / "index.json").write_text(json.dumps(index | changes))

    return edit


@pytest.mark.parametrize(
    ("damage", "verify", "message"),
    [
        (damage_byte, True, r"pair_distance\.npy is damaged: its checksum differs"),
        (truncate, True, r"pair_distance\.npy is damaged: its checksum differs"),
        (truncate, False, r"pair_distance\.npy is missing or damaged"),
        (pickle_inside, False, r"pair_distance\.npy is missing or damaged"),
        (lambda store: (store / "pair_count.npy").unlink(), True, r"pair_count\.npy is missing or damaged"),
        (
            lambda store: (store / "index.json").unlink(),
            True,
            r"not a store of crystals: index\.json is missing or",
        ),
        (lambda store: (store / "index.json").write_text("["), True, "not a store of crystals"),
        (edit_index(schema="sitenet_sklearn crystals 0"), True, r"was written as .* 0', this version reads"),
        (edit_index(sha256={}), True, "does not hold the fields of crystals"),
        (edit_index(sha256={"../../secret.npy": ""}), False, r"crystals.secret\.npy is missing or damaged"),
        (edit_index(sha256={"/etc/passwd": ""}), False, r"crystals.passwd is missing or damaged"),
        (edit_index(sha256=[1]), True, "not a store of crystals"),
        (edit_index(metadata=7), True, "not a store of crystals"),
        (lambda store: (store / "index.json").write_text("[" * 100_000), True, "not a store of crystals"),
        (lambda store: savez(store / "pair_count.npy"), False, "it holds no rows of numbers"),
        (lambda store: (store / "pair_count.npy").write_bytes(b""), False, r"pair_count\.npy is missing or damaged"),
        (lead_out("pair_count.npy"), True, r"pair_count\.npy is missing or damaged: it is a link or no regular file"),
        (lead_out("index.json"), True, "not a store of crystals"),
        (wait_for_ever, False, r"pair_count\.npy is missing or damaged: it is a link or no regular file"),
    ],
)
def test_damage_is_found(store, damage, verify, message):
    damage(store)
    with pytest.raises(StoreError, match=message):
        RaggedCrystals.open(store, verify=verify)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        RaggedCrystals.open(tmp_path / "nowhere")
