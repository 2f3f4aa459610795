import numpy as np

from sitenet_sklearn.crystals.crystal import make_crystal
from sitenet_sklearn.crystals.site_features import SITE_FEATURES, describe_sites

TWO = np.array([[0.0, 3.0], [3.0, 0.0]])


def crystal_of(atomic_numbers, oxidation_states, **parameters):
    numbers = np.array(atomic_numbers)
    return make_crystal(numbers, *describe_sites(SITE_FEATURES, numbers, np.array(oxidation_states)), TWO, **parameters)


def test_site_features_are_elemental_values_and_oxidation_state():
    crystal = crystal_of([11, 17], [1.0, -1.0])
    assert crystal.site_features.shape == (2, len(SITE_FEATURES))
    np.testing.assert_allclose(crystal.site_features[0, [0, 7, 8]], [11, 968, 1])
    np.testing.assert_allclose(crystal.site_features[1, 8], -1)


def test_oxidation_states_keep_sites_of_one_element_apart():
    assert len(crystal_of([26, 26], [2.0, 3.0]).multiplicity) == 2
    assert len(crystal_of([26, 26], [2.0, 2.0]).multiplicity) == 1


def test_without_compression_every_pair_is_kept():
    crystal = crystal_of([26, 26], [0.0, 0.0], compressed=False)
    np.testing.assert_array_equal(crystal.pair_distance, TWO.ravel())
    np.testing.assert_array_equal(crystal.pair_count, 1)
