import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitenet_sklearn.estimators.conformal import fit_conformal


@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.8, 0.9]))
def test_intervals_hold_as_often_as_they_say(seed, level):
    random = np.random.RandomState(seed)
    signs = random.gamma(2.0, size=(4000, 2))
    errors = np.abs(random.normal(size=4000)) * (0.1 + signs @ [0.5, 0.0])
    scale = fit_conformal(errors[:2000], np.zeros(2000), signs[:2000])
    inside = errors[2000:] <= scale.factor(level) * scale.expected_error(signs[2000:])
    assert abs(inside.mean() - level) < 4 * np.sqrt(2 * level * (1 - level) / 2000)


def test_what_does_not_go_with_errors_gets_no_weight():
    random = np.random.RandomState(0)
    signs = random.gamma(2.0, size=(5000, 2))
    scale = fit_conformal(0.2 + signs[:, 0], np.zeros(5000), signs)
    np.testing.assert_allclose(scale.weights, [0.2, 1.0, 0.0], atol=1e-9)
    against = fit_conformal(5.0 - np.minimum(signs[:, 0], 4.0), np.zeros(5000), signs)
    assert (against.weights >= 0).all()


@pytest.mark.parametrize(("level", "rank"), [(0.5, 10), (0.9, 18), (0.95, 19)])
def test_the_factor_is_the_rank_of_conformal_prediction(level, rank):
    scale = fit_conformal(np.ones(19), np.zeros(19), np.zeros((19, 1)))._replace(scores=np.arange(1.0, 20.0))
    assert scale.factor(level) == rank
    assert scale.factor(0.96) == np.inf
    assert scale.factor(1e-13) == 1
    nothing = scale._replace(exchanged=np.zeros(0)).half_width(1e-13, np.zeros((1, 1)), np.array([True]))
    assert nothing == np.inf


def test_no_crystal_gets_an_interval_without_width():
    scale = fit_conformal(np.arange(5.0), np.zeros(5), np.arange(5.0)[:, None])
    assert scale.expected_error(np.zeros((1, 1)))[0] == pytest.approx(0.05 * 2.0)


def test_with_unknown_elements_a_prediction_is_worth_as_little_as_that_of_another_crystal():
    random = np.random.RandomState(0)
    true = random.normal(size=4000)
    signs, unknown = np.ones((2000, 1)), np.array([False, True] * 1000)
    scale = fit_conformal(true[:2000] + 0.01, true[:2000], signs)
    width = scale.half_width(0.9, signs, unknown)
    np.testing.assert_allclose(width[~unknown], 0.01)
    of_others = np.abs(random.permutation(true[2000:]) - true[2000:])  # predictions that know nothing of a crystal
    assert abs((of_others <= width[1]).mean() - 0.9) < 4 * np.sqrt(2 * 0.09 / 2000)
    wrong = fit_conformal(true[:2000] + 50.0, true[:2000], signs)
    assert wrong.half_width(0.9, signs, unknown).min() >= 50  # never narrower than for known elements
