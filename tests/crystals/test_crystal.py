import numpy as np

from sitenet_sklearn.crystals.crystal import make_crystal
from sitenet_sklearn.crystals.site_features import SITE_FEATURES

TWO = np.array([[0.0, 3.0], [3.0, 0.0]])


def test_site_features_are_elemental_values_and_oxidation_state():
    crystal = make_crystal(np.array([11, 17]), np.array([1.0, -1.0]), TWO)
    assert crystal.site_features.shape == (2, len(SITE_FEATURES))
    np.testing.assert_allclose(crystal.site_features[0, [0, 7, 8]], [11, 968, 1])
    np.testing.assert_allclose(crystal.site_features[1, 8], -1)


def test_oxidation_states_keep_sites_of_one_element_apart():
    assert len(make_crystal(np.array([26, 26]), np.array([2.0, 3.0]), TWO).multiplicity) == 2
    assert len(make_crystal(np.array([26, 26]), np.array([2.0, 2.0]), TWO).multiplicity) == 1


def test_without_compression_every_pair_is_kept():
    crystal = make_crystal(np.array([26, 26]), np.zeros(2), TWO, compressed=False)
    np.testing.assert_array_equal(crystal.pair_distance, TWO.ravel())
    np.testing.assert_array_equal(crystal.pair_count, 1)
