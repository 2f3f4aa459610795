import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sitenet_sklearn import (
    DisorderedRegressor,
    SiteNetClassifier,
    SiteNetEnsemble,
    SiteNetRegressor,
    SupercellFeaturizer,
)
from sitenet_sklearn._validation import (
    check_groups,
    check_sample_weight,
    check_target,
    check_widths,
    validate_parameters,
)
from sitenet_sklearn.estimators.parameters import SIZES

REAL = ("lr", "weight_decay", "cutoff", "dropout", "validation_fraction", "symprec", "tol")


@pytest.mark.parametrize("y", [[1.0, 2.0], (1, 2), pd.Series([1, 2]), np.array([[1], [2]]), np.array([1, 2], object)])
def test_targets_become_one_float_array(y):
    np.testing.assert_array_equal(check_target(y, np.ones(2, bool)), [1.0, 2.0])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y is None"),
        ([1.0], r"one target for each of 2 crystals, got shape \(1,\)"),
        ([[1.0, 2.0]], r"one target for each of 2 crystals, got shape \(1, 2\)"),
        ([["a", 1.0], [2.0, 3.0]], "y must hold numbers"),
        ([1.0, np.nan], "y must hold finite numbers, got nan at index 1"),
        ([np.inf, 1.0], "finite numbers, got inf at index 0"),
        (["a", "b"], "finite numbers, got 'a' at index 0"),
        ([1j, 2.0], r"finite numbers, got 1j at index 0"),
        ([[1.0, 2.0], [3.0, np.inf]], "finite numbers or NaN, got inf at index 1"),
        ([[np.nan, np.nan]] * 2, "all are NaN"),
    ],
)
def test_wrong_targets_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        check_target(y, np.ones(2, bool))


@pytest.mark.parametrize("y", [[1.0, np.nan], [1, None], [[1.0], [np.inf]], pd.Series([1, "unknown"])])
def test_targets_that_are_not_used_may_be_anything(y):
    np.testing.assert_array_equal(check_target(y, np.array([True, False])), [1.0, np.nan])


def test_several_targets_that_are_not_used_may_be_anything():
    y = [[1.0, np.nan], ["?", np.inf]]
    np.testing.assert_array_equal(
        check_target(np.array(y, object), np.array([True, False])), [[1, np.nan], [np.nan] * 2]
    )
    with pytest.raises(ValueError, match="all are NaN"):
        check_target(np.array(y, object), np.array([False, False]))


@pytest.mark.parametrize(
    ("estimator", "names"),
    [
        (SiteNetRegressor(), [*SIZES, "batch_size", "max_epochs", "patience", "gradient_accumulation"]),
        (SiteNetClassifier(), REAL[:5]),
        (SupercellFeaturizer(), ["max_atoms", "n_jobs", *REAL[5:]]),
        (SiteNetEnsemble(), ["n_members", "n_jobs"]),
        (DisorderedRegressor(SiteNetRegressor()), ["n_approximants", "max_sites"]),
    ],
)
def test_truth_values_are_no_numbers(estimator, names):
    for name in names:
        for value in (True, False):
            with pytest.raises(ValueError, match=f"The '{name}' parameter .* Got {value} instead"):
                validate_parameters(clone(estimator).set_params(**{name: value}))
        validate_parameters(clone(estimator).set_params(**{name: np.float64(0.5) if name in REAL else np.int64(1)}))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([None], r"one group for each of 3 crystals, got shape \(1,\)"),
        ([1, None, 2], "groups holds None at index 1: give every crystal a group"),
        ([1.0, 2.0, np.nan], "groups holds nan at index 2"),
    ],
)
def test_wrong_groups_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        check_groups(groups, 3)


def test_groups_may_be_of_several_types():
    np.testing.assert_array_equal(check_groups(np.array(["a", 1, "a"], object), 3), [1, 0, 1])
    np.testing.assert_array_equal(check_groups(["b", "a", "b"], 3), ["b", "a", "b"])


@pytest.mark.parametrize("weight", [["a"], ["a", "b"], [1j, 2], [[1], [1, 2]], np.array([1j, 2])])
def test_weights_must_be_numbers(weight):
    with pytest.raises(ValueError, match=r"sample_weight must hold one (number|weight) for each of 2 crystals"):
        check_sample_weight(weight, 2)


def test_widths_must_be_positive_integers():
    with pytest.raises(ValueError, match=r"pre_pool_layers must hold the width of every layer.*got \(94, 0\)"):
        check_widths(SiteNetRegressor(pre_pool_layers=(94, 0)), ("pre_pool_layers",))
    with pytest.raises(ValueError, match=r"positive integers, got \[True\]"):
        check_widths(SiteNetRegressor(pre_pool_layers=[True]), ("pre_pool_layers",))
