import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sitenet_sklearn import SupercellFeaturizer, filter_structures

CUBE = Lattice.cubic(4.0)
DISORDERED = Structure(CUBE, [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]])
OVERLAP = Structure(CUBE, ["Fe", "Co"], [[0, 0, 0], [0.001, 0, 0]])


def test_kept_crystals_stay_aligned_with_their_targets(crystals):
    X = [DISORDERED, crystals["NaCl"], OVERLAP, crystals["CsCl"]]
    kept, y, failures = filter_structures(iter(X), np.arange(8).reshape(4, 2))
    assert kept == [crystals["NaCl"], crystals["CsCl"]]
    np.testing.assert_array_equal(y, [[2, 3], [6, 7]])
    assert [failure.index for failure in failures] == [0, 2]
    assert "disordered" in failures[0].reason
    SupercellFeaturizer(max_atoms=20).transform(kept)


def test_targets_are_optional(crystals):
    assert filter_structures([crystals["NaCl"]])[1:] == (None, [])


def test_targets_of_another_length_are_refused(crystals):
    with pytest.raises(ValueError, match="one target for each of 1 crystals, got 2"):
        filter_structures([crystals["NaCl"]], [1, 2])


def test_the_cache_of_the_user_is_left_alone(crystals, tmp_path):
    featurizer = SupercellFeaturizer(max_atoms=20, cache=tmp_path / "cache.sqlite")
    filter_structures([crystals["NaCl"]], featurizer=featurizer)
    assert not list(tmp_path.iterdir())
