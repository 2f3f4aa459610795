import numpy as np
import pytest
import torch

from sitenet_sklearn.crystals.interaction_features import (
    GAUSSIAN_CENTRES,
    INTERACTION_FEATURES,
    interaction_feature_names,
    interaction_features,
)


def test_log_coulomb_of_caesium_chloride_by_hand():
    distance, z_i, z_j = np.array([[0.0, 55, 55], [3.57, 55, 17], [0.0, 17, 17]]).T
    expected = [np.log(0.5 * 55**2.4), np.log(55 * 17 / (3.57 / 0.529177)), np.log(0.5 * 17**2.4)]
    np.testing.assert_allclose(interaction_features(distance, z_i, z_j)[:, 1], expected, atol=3e-5)


def test_log_coulomb_is_clipped():
    one, heavy = np.ones(1), np.full(1, 118.0)
    assert interaction_features(np.zeros(1), heavy, heavy)[0, 1] == 10
    assert interaction_features(np.full(1, 1e9), one, one)[0, 1] == -10


def test_inverse_distances_are_zero_for_the_site_itself():
    z = np.full(2, 55.0)
    names = ["inverse_distance", "inverse_square_distance", "distance"]
    assert interaction_features(np.array([0, 2.0]), z, z, names).tolist() == [[0, 0, 0], [0.5, 0.25, 2]]


def test_gaussians_tell_shells_of_neighbours_apart():
    z = np.full(4, 55.0)
    features = interaction_features(np.array([0, 2, 2.5, 9]), z, z, ["gaussian_1.5", "gaussian_2.0", "gaussian_7.0"])
    near = np.exp(-1)
    expected = [[np.exp(-9), np.exp(-16), 0], [near, 1, 0], [np.exp(-4), near, 0], [0, 0, np.exp(-16)]]
    np.testing.assert_allclose(features, expected, atol=1e-6)
    assert list(GAUSSIAN_CENTRES.values()) == np.linspace(1.5, 7, 12).tolist()


def test_numpy_and_torch_compute_the_same(rng):
    arrays = (
        rng.uniform(0, 9, 50) * (rng.random(50) > 0.2),
        rng.integers(1, 118, 50) * 1.0,
        rng.integers(1, 118, 50) * 1.0,
    )
    names = interaction_feature_names()
    tensors = interaction_features(*map(torch.as_tensor, arrays), names, xp=torch)
    np.testing.assert_allclose(tensors, interaction_features(*arrays, names), rtol=1e-12)
    assert tensors.shape == (50, len(names))


def test_names_are_checked():
    assert interaction_feature_names(["distance"]) == ("distance",)
    assert interaction_feature_names("gaussians") == (*INTERACTION_FEATURES, *GAUSSIAN_CENTRES)
    for wrong in (["distance", "angle"], ()):
        with pytest.raises(ValueError, match=r"interaction_features must be some of \('distance', .*, got "):
            interaction_feature_names(wrong)
