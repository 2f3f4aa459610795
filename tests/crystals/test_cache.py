import hashlib
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.crystals.cache import CrystalCache, _encode, content_of


def identical(a, b):
    return all(np.array_equal(a.field(name), b.field(name)) for name in a[0]._fields)


def refuse_work(*_):
    pytest.fail("featurized although the cache has it")


def test_cached_records_are_the_computed_ones(structures, featurized, tmp_path, monkeypatch):
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=50, cache=tmp_path / "cache")
    assert identical(featurizer.transform(structures), featurized)
    monkeypatch.setattr("sitenet_sklearn.featurization.records.featurize", refuse_work)
    copies = [structure.copy() for structure in structures]
    assert identical(featurizer.set_params(verbose=0, n_jobs=1).transform(copies[::-1]), featurized[::-1])


@pytest.mark.parametrize(
    "change", [{"max_atoms": 60}, {"shape": "compact"}, {"symprec": 0.1}, {"compress": False}, {"tol": 0.01}]
)
def test_other_parameters_meet_no_old_record(structures, tmp_path, change):
    SupercellFeaturizer.from_preset("paper", max_atoms=50, cache=tmp_path / "cache").transform(structures[:5])
    changed = SupercellFeaturizer.from_preset("paper", **({"max_atoms": 50} | change))
    expected = changed.transform(structures[:5])
    assert identical(changed.set_params(cache=tmp_path / "cache").transform(structures[:5]), expected)


def transform(arguments):
    structures, path = arguments
    return SupercellFeaturizer.from_preset("paper", max_atoms=50, cache=path).transform(structures)


@pytest.mark.parametrize("n", [2, 4])
def test_several_processes_share_a_cache(structures, featurized, tmp_path, n):
    with ProcessPoolExecutor(n) as pool:
        for result in pool.map(transform, [(structures, tmp_path / "cache")] * n):
            assert identical(result, featurized)
    cache = CrystalCache(tmp_path / "cache", SupercellFeaturizer.from_preset("paper", max_atoms=50).record_parameters())
    assert all(record is not None for record in cache.get(structures))


def test_failures_are_not_remembered(tmp_path):
    featurizer = SupercellFeaturizer(on_error="mask", cache=tmp_path / "cache")
    with pytest.warns(UserWarning, match="no such file"):
        featurizer.transform([str(tmp_path / "a.cif")])
    assert CrystalCache(tmp_path / "cache", featurizer.record_parameters()).get([str(tmp_path / "a.cif")]) == [None]


def test_damaged_cache_is_named(structures, tmp_path):
    (tmp_path / "cache").write_bytes(b"no database" * 100)
    with pytest.raises(RuntimeError, match=r"cache is no usable cache of crystals \(.*\): name another file"):
        SupercellFeaturizer(cache=tmp_path / "cache").transform(structures[:1])


@pytest.mark.parametrize("damage", [lambda record: record[:-1] + b"x", lambda _: b"", lambda record: record[:100]])
def test_damaged_records_are_computed_again(structures, featurized, tmp_path, damage):
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=50, cache=tmp_path / "cache")
    featurizer.transform(structures)
    with closing(sqlite3.connect(tmp_path / "cache")) as connection, connection:
        for key, record in connection.execute("SELECT key, record FROM crystals").fetchall():
            connection.execute("UPDATE crystals SET record = ? WHERE key = ?", (damage(record), key))
    cache = CrystalCache(tmp_path / "cache", featurizer.record_parameters())
    assert cache.get(structures) == [None] * len(structures)
    assert identical(featurizer.transform(structures), featurized)
    assert None not in cache.get(structures)


def test_content_of_a_crystal_is_that_of_its_copies(structures):
    structure = structures[0]
    before = content_of(structure)
    structure.distance_matrix  # noqa: B018
    assert content_of(structure.copy()) == content_of(structure.as_dict()) == content_of(structure) == before
    moved = structure.copy()
    moved.translate_sites([0], [0, 0, 0.001], frac_coords=False)
    assert content_of(moved) != before
    assert content_of("no.cif") == b"no such file"


@pytest.mark.parametrize("record", ["text", 5, b"", b"x" * 40, hashlib.sha256(b"").digest()])
def test_records_of_others_are_computed_again(crystals, tmp_path, record):
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=20, cache=tmp_path / "cache")
    expected = featurizer.transform([crystals["NaCl"]])
    with closing(sqlite3.connect(tmp_path / "cache")) as connection, connection:
        connection.execute("UPDATE crystals SET record = ?", (record,))
    again = featurizer.transform([crystals["NaCl"]])
    np.testing.assert_array_equal(again.field("pair_distance"), expected.field("pair_distance"))


DAMAGES = {
    "other numbers": lambda record: {"pair_neighbor": record.pair_neighbor + 7},
    "fewer site features": lambda record: {"site_features": record.site_features[:, :3]},
    "no table of site features": lambda record: {"site_features": record.site_features[:, 0]},
    "fewer sites": lambda record: {"atomic_numbers": record.atomic_numbers[:1]},
    "fewer pairs": lambda record: {"pair_distance": record.pair_distance[:-1]},
    "nothing": lambda record: {name: array[:0] for name, array in record._asdict().items()},
    "a column": lambda record: {"pair_count": record.pair_count[:, None]},
    "half precision": lambda record: {"pair_distance": record.pair_distance.astype(np.float16)},
    "no integers": lambda record: {"multiplicity": record.multiplicity.astype(float)},
    "text": lambda record: {"pair_count": record.pair_count.astype(str)},
    "another order of bytes": lambda record: {"pair_count": record.pair_count.astype(">i4")},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_records_that_cannot_be_of_the_crystal_are_computed_again(crystals, tmp_path, damage):
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=20, cache=tmp_path / "cache")
    expected = featurizer.transform([crystals["NaCl"]])
    bad = expected[0]._replace(**DAMAGES[damage](expected[0]))
    with closing(sqlite3.connect(tmp_path / "cache")) as connection, connection:
        ((key,),) = connection.execute("SELECT key FROM crystals").fetchall()
        connection.execute("UPDATE crystals SET record = ?", (_encode(bad, key),))
    assert identical(featurizer.transform([crystals["NaCl"], crystals["Po"]])[:1], expected)


@pytest.mark.filterwarnings("ignore:masked")
def test_a_slab_is_no_copy_of_a_crystal(tmp_path):
    crystal, slab = (Structure(Lattice.cubic(4, pbc=(True, True, p)), ["Po"], [[0, 0, 0]]) for p in (True, False))
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=10, cache=tmp_path / "cache", on_error="mask")
    assert featurizer.fit_transform([crystal]).valid.all()
    assert not featurizer.fit_transform([slab]).valid.any()


def test_records_of_another_crystal_are_computed_again(crystals, tmp_path):
    featurizer, items = (
        SupercellFeaturizer.from_preset("paper", max_atoms=20, cache=tmp_path / "cache"),
        [crystals["NaCl"], crystals["Po"]],
    )
    expected = featurizer.transform(items)
    with closing(sqlite3.connect(tmp_path / "cache")) as connection, connection:
        (first, _), (_, second) = connection.execute("SELECT key, record FROM crystals ORDER BY key").fetchall()
        connection.execute("UPDATE crystals SET record = ? WHERE key = ?", (second, first))
    again = featurizer.transform(items)
    np.testing.assert_array_equal(again.field("pair_distance"), expected.field("pair_distance"))
