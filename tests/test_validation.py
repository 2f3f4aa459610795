import numpy as np
import pandas as pd
import pytest

from sitenet_sklearn._validation import check_target, check_widths
from sitenet_sklearn.estimators.regressor import SiteNetRegressor


@pytest.mark.parametrize("y", [[1.0, 2.0], (1, 2), pd.Series([1, 2]), np.array([[1], [2]]), np.array([1, 2], object)])
def test_targets_become_one_float_array(y):
    np.testing.assert_array_equal(check_target(y, 2), [1.0, 2.0])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y is None"),
        ([1.0], r"one target for each of 2 crystals, got shape \(1,\)"),
        ([[1.0, 2.0]], r"one target for each of 2 crystals, got shape \(1, 2\)"),
        ([["a", 1.0], [2.0, 3.0]], "y must hold numbers"),
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
