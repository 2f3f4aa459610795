import numpy as np
import pytest

from sitenet_sklearn import RaggedCrystals, SupercellFeaturizer
from sitenet_sklearn.crystals.store import read_store, write_store
from sitenet_sklearn.crystals.stored_crystals import check_values
from sitenet_sklearn.exceptions import StoreError


@pytest.fixture
def parts(featurized, tmp_path):
    featurized.save(tmp_path / "good")
    arrays, metadata = read_store(tmp_path / "good")
    return {name: np.array(array) for name, array in arrays.items()}, metadata


def put(name, value, row=5):
    def edit(arrays, _):
        arrays[name][row] = value

    return edit


def replace(name, change):
    return lambda arrays, _: arrays.update({name: change(arrays[name])})


def describe(**changes):
    return lambda _, metadata: metadata.update(changes)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda arrays, _: arrays.pop("pair_count"), "does not hold the fields of crystals"),
        (replace("pair_count", lambda a: a[:-1]), "pair_count has .* entries, its crystals have"),
        (replace("pair_count", lambda a: a.astype(float)), "pair_count has shape .* and type float64"),
        (replace("pair_distance", lambda a: a.astype(int)), "pair_distance has shape .* and type int64"),
        (replace("multiplicity", lambda a: a[:, None]), "multiplicity has shape"),
        (replace("site_sizes", lambda a: a[:-1]), "the sizes of crystals contradict each other"),
        (put("site_sizes", -1), "the sizes of crystals contradict each other"),
        (put("site_sizes", 2**62), "has .* entries, its crystals have"),
        (replace("pair_distance", lambda a: a.astype(np.float16)), "pair_distance has shape .* and type float16"),
        pytest.param(
            replace("site_features", lambda a: a.astype(np.longdouble)),
            "site_features has shape .* and type",
            marks=pytest.mark.skipif(np.longdouble().nbytes == 8, reason="long double is double here"),
        ),
        (replace("multiplicity", lambda a: a.astype(np.uint64)), "multiplicity has shape .* and type uint64"),
        (replace("multiplicity", lambda a: a.astype(np.int64) + 2**31), "numbers that no crystal has"),
        (replace("pair_count", lambda a: a.astype(np.uint32) + 2**31), "numbers that no crystal has"),
        (replace("pair_distance", lambda a: a.astype(float) + 1e300), "numbers that no crystal has"),
        (replace("site_features", lambda a: a.astype(float) - 1e300), "numbers that no crystal has"),
        (describe(max_atoms="many"), "max_atoms is 'many', a positive integer or null is expected"),
        (describe(max_atoms=-5), "max_atoms is -5, a positive integer"),
        (describe(max_atoms=0), "max_atoms is 0, a positive integer"),
        (describe(max_atoms=True), "max_atoms is True, a positive integer"),
        (describe(more=1), "the metadata is not that of crystals"),
        (describe(site_feature_names=["Number"]), "there are not as many features as names"),
        (describe(site_feature_names="Number"), "site_feature_names names no features"),
        (describe(interaction_feature_names=["os.system"]), "interaction_feature_names names no known features"),
        (describe(interaction_feature_names=[]), "there are not as many features as names"),
        (put("atomic_numbers", 119), "numbers that no crystal has, among crystals 0 to 39"),
        (put("atomic_numbers", -1), "numbers that no crystal has"),
        (put("site_features", np.nan), "numbers that no crystal has"),
        (put("multiplicity", 0), "numbers that no crystal has"),
        (put("pair_count", -3), "numbers that no crystal has"),
        (put("pair_distance", np.inf), "numbers that no crystal has"),
        (put("pair_distance", -1.0), "numbers that no crystal has"),
        (put("pair_neighbor", 10**6), "numbers that no crystal has"),
        (put("pair_neighbor", -1), "numbers that no crystal has"),
        (put("pair_site", 10**6), "numbers that no crystal has"),
        (put("pair_site", 1, row=0), "numbers that no crystal has"),
        (replace("pair_site", np.zeros_like), "numbers that no crystal has"),
    ],
)
def test_what_cannot_be_crystals_is_refused_whoever_wrote_it(parts, tmp_path, edit, message):
    arrays, metadata = parts
    edit(arrays, metadata)
    write_store(tmp_path / "bad", arrays, metadata)
    with pytest.raises(StoreError, match=message):
        RaggedCrystals.open(tmp_path / "bad")


def test_numbers_of_other_sizes_are_accepted_where_they_mean_the_same(parts, tmp_path):
    arrays, metadata = parts
    wider = {name: a.astype(float if a.dtype.kind == "f" else np.int64) for name, a in arrays.items()}
    write_store(tmp_path / "wide", wider, metadata)
    np.testing.assert_array_equal(RaggedCrystals.open(tmp_path / "wide").field("pair_count"), arrays["pair_count"])


@pytest.mark.parametrize("block", [1, 50, 10**6])
def test_good_crystals_are_accepted_in_blocks_of_any_size(parts, tmp_path, monkeypatch, block):
    monkeypatch.setattr("sitenet_sklearn.crystals.stored_crystals._BLOCK", block)
    arrays, _ = parts
    check_values(tmp_path, arrays)
    arrays["pair_count"][-1] = 0
    with pytest.raises(StoreError, match=r"to 39$"):
        check_values(tmp_path, arrays)


@pytest.mark.parametrize("rows", [[], [1], [0, 1], [1, 2, 1]])
def test_masked_and_no_crystals_are_accepted(structures, tmp_path, rows):
    with pytest.warns(UserWarning, match="masked"):
        X = SupercellFeaturizer(max_atoms=20, on_error="mask").transform([structures[0], "none", structures[1]])
    X[rows].save(tmp_path / "store")
    assert len(RaggedCrystals.open(tmp_path / "store")) == len(rows)
