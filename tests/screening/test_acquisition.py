import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from sitenet_sklearn.screening.acquisition import expected_improvement, order_of_improvement


@pytest.mark.parametrize("mean", [-2.0, 0.3, 5.0])
@pytest.mark.parametrize("std", [0.1, 1.5])
@pytest.mark.parametrize("sign", [1, -1])
def test_it_is_the_mean_of_the_improvement(mean, std, sign):
    best = 0.5

    def improvement(value):
        return max(sign * (value - best), 0.0) * norm.pdf(value, mean, std)

    expected, _ = quad(improvement, mean - 12 * std, mean + 12 * std, points=[best] if abs(best - mean) < std else None)
    found = expected_improvement([mean], [std], best, maximize=sign > 0)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_limits():
    found = expected_improvement([1.0, 3.0, np.nan, 3.0], [0.0, 0.0, np.nan, 1e-200], 2.0)
    np.testing.assert_array_equal(found, [0, 1, np.nan, 1])
    assert expected_improvement([0.0], [1e-3], 1e6) == 0
    with pytest.raises(ValueError, match="std must not be negative, got -1"):
        expected_improvement([0.0], [-1.0], 0.0)


@pytest.mark.parametrize("maximize", [True, False])
def test_the_order_is_that_of_the_improvement(rng, maximize):
    mean, std = rng.normal(size=500), rng.uniform(1, 2, size=500)
    for best in (-1.0, 0.0, 3.0):
        worth = expected_improvement(mean, std, best, maximize=maximize)
        assert (worth > 0).all()
        found = order_of_improvement(mean, std, best, maximize=maximize)
        np.testing.assert_allclose(worth[found], np.sort(worth)[::-1], rtol=1e-9)


def test_the_order_holds_where_the_improvement_underflows():
    for distance in (1e2, 1e4, 1e9):
        assert order_of_improvement([0.0, 1.0, 0.5], [0.1, 0.1, 0.1], distance).tolist() == [1, 2, 0]
        assert order_of_improvement([0.0, 0.0, 0.0], [0.1, 0.3, 0.2], distance).tolist() == [1, 2, 0]
    found = order_of_improvement([0.0, 1.0, np.nan, 0.0, 3.0], [0.0, 0.0, np.nan, 1e-3, 0.0], 2.0)
    assert found.tolist() == [4, 3, 1, 0, 2]
