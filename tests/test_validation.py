import numpy as np
import pandas as pd
import pytest
from pymatgen.core import DummySpecies, Lattice, Structure

from sitenet_sklearn._validation import FeaturizationError, check_structures, check_target, check_widths
from sitenet_sklearn.regressor import SiteNetRegressor

CUBE = Lattice.cubic(4.0)
GOOD = Structure(CUBE, ["Po"], [[0, 0, 0]])
DISORDERED = Structure(CUBE, [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]])
DUMMY = Structure(CUBE, [DummySpecies("X")], [[0, 0, 0]])
FLAT = Structure(Lattice([[1, 0, 0], [0, 1, 0], [1, 1, 1e-9]]), ["Po"], [[0, 0, 0]])
LOST = Structure(CUBE, ["Po"], [[np.nan, 0, 0]])


@pytest.mark.parametrize("make", [list, tuple, pd.Series, iter])
def test_every_sequence_of_structures_becomes_a_list(make):
    assert check_structures(make([GOOD, GOOD]), SiteNetRegressor()) == [GOOD, GOOD]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "at least one crystal, got an empty list"),
        (GOOD, TypeError, r"got a single one: pass \[structure\]"),
        ("a.cif", TypeError, "expects a list of pymatgen Structures, got str: 'a.cif'"),
        (7, TypeError, "expects a list of pymatgen Structures, got int"),
        ([GOOD, "a.cif"], TypeError, "got str at index 1: 'a.cif'; read files with pymatgen's Structure.from_file"),
    ],
)
def test_what_is_no_list_of_structures_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        check_structures(X, SiteNetRegressor())


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (DISORDERED, r"index 1 \(Fe0.5Co0.5\): the structure is disordered .*: choose ordered approximants first"),
        (DUMMY, r"index 1 .*: species X0\+ is no chemical element"),
        (FLAT, r"index 1 \(Po1\): the cell has no volume"),
        (LOST, r"index 1 \(Po1\): lattice or coordinates are not finite"),
        (Structure(CUBE, [], []), "index 1 .*: the structure has no sites"),
    ],
)
def test_crystals_that_cannot_be_featurized_are_named(structure, message):
    with pytest.raises(FeaturizationError, match=message):
        check_structures([GOOD, structure], SiteNetRegressor())


def test_all_failures_are_listed_at_once():
    with pytest.raises(FeaturizationError) as caught:
        check_structures([DISORDERED, GOOD, DUMMY], SiteNetRegressor())
    assert [index for index, _, _ in caught.value.failures] == [0, 2]
    assert str(caught.value).startswith("2 of the crystals cannot be featurized")
    assert not isinstance(caught.value, ValueError)


@pytest.mark.parametrize("y", [[1.0, 2.0], (1, 2), pd.Series([1, 2]), np.array([[1], [2]]), np.array([1, 2], object)])
def test_targets_become_one_float_array(y):
    np.testing.assert_array_equal(check_target(y, 2), [1.0, 2.0])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y is None"),
        ([1.0], r"one target for each of 2 crystals, got shape \(1,\)"),
        ([[1.0, 2.0], [1.0, 2.0]], r"one target for each of 2 crystals, got shape \(2, 2\)"),
        ([1.0, np.nan], "finite numbers, got .*nan.* at index 1"),
        ([np.inf, 1.0], "finite numbers, got .*inf.* at index 0"),
        (["a", "b"], "finite numbers, got .*'a'.* at index 0"),
    ],
)
def test_wrong_targets_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        check_target(y, 2)


def test_widths_must_be_positive_integers():
    with pytest.raises(ValueError, match=r"pre_pool_layers must hold the width of every layer.*got \(94, 0\)"):
        check_widths(SiteNetRegressor(pre_pool_layers=(94, 0)), ("pre_pool_layers",))
