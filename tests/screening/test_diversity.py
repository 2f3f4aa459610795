from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import CalibratedRegressor, SiteNetEnsemble, SiteNetRegressor
from sitenet_sklearn.screening.diversity import farthest_points, representation

SMALL = {"max_epochs": 1, "site_dim": 4, "attention_hidden_layers": (5,), "random_state": 0}


def radius(points, chosen):
    return cdist(points, points[list(chosen)]).min(axis=1).max()


def test_the_greedy_choice_is_at_most_twice_as_wide_as_the_best_one(rng):
    for _ in range(20):
        points = rng.normal(size=(12, 2))
        best = min(radius(points, some) for some in combinations(range(12), 3))
        assert radius(points, farthest_points(points, 3)) <= 2 * best + 1e-12


def test_every_point_is_the_farthest_from_those_before(rng):
    points, known = rng.normal(size=(40, 3)), rng.normal(size=(5, 3))
    chosen = farthest_points(points, 10, known=known)
    for k, row in enumerate(chosen):
        distance = cdist(points, np.concatenate([known, points[chosen[:k]]])).min(axis=1)
        assert distance[row] == pytest.approx(distance.max())
    assert len(set(farthest_points(points, 40, first=7).tolist())) == 40
    assert farthest_points(points, 99).size == 40


def test_without_known_points_it_begins_far_from_the_mean():
    assert farthest_points(np.array([[0.0], [1.0], [10.0]]), 1).tolist() == [2]
    assert sorted(farthest_points(np.zeros((3, 2)), 3).tolist()) == [0, 1, 2]


def test_the_representation_is_where_novelty_is_measured(featurized, band_gaps):
    network = SiteNetRegressor(**SMALL).fit(featurized, band_gaps)
    np.testing.assert_array_equal(representation(network, featurized), network.transform(featurized))
    ensemble = SiteNetEnsemble(network, n_members=2, random_state=0).fit(featurized, band_gaps)
    first = ensemble.estimators_[0]
    np.testing.assert_array_equal(representation(make_pipeline(ensemble), featurized), first.transform(featurized))
    calibrated = CalibratedRegressor(network, calibration_fraction=0.5, random_state=0).fit(featurized, band_gaps)
    known = calibrated.calibration_.known
    rest = np.array(known.labels, int)
    np.testing.assert_allclose(representation(calibrated, featurized[rest]), known.vectors, atol=2e-2)  # float16
