import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitenet_sklearn.geometry.compression import compress, distance_shells, merge_alike, refine, uncompressed
from sitenet_sklearn.geometry.primitive import find_primitive
from sitenet_sklearn.geometry.supercell import canonical_supercell


def real_distances(structure, max_atoms=60):
    kinds = np.array(structure.atomic_numbers)
    cell = find_primitive(structure.lattice.matrix, structure.cart_coords, kinds, 0.01)
    return kinds[cell.origin], canonical_supercell(cell, kinds[cell.origin], max_atoms).distances


def test_counts_and_multiplicities_expand_to_the_full_crystal(structures):
    for structure in structures:
        kinds, distances = real_distances(structure)
        merged = compress(kinds, distances, tol=1e-4)
        assert merged.multiplicity.sum() == len(kinds)
        per_row = np.bincount(merged.pair_site, merged.pair_count)
        np.testing.assert_array_equal(per_row, np.full(len(merged.site), distances.shape[1]))
        weight = merged.pair_count * merged.multiplicity[merged.pair_site]
        expanded = np.sort(np.repeat(merged.pair_distance, weight))
        np.testing.assert_allclose(expanded, np.sort(distances, axis=None), atol=2e-4)


def test_rows_of_merged_sites_hold_the_same_neighbours(structures):
    for structure in structures[:15]:
        kinds, distances = real_distances(structure)
        merged = compress(kinds, distances, tol=1e-4)
        images = distances.shape[1] // len(kinds)
        for row, site in enumerate(merged.site):
            pairs = merged.pair_site == row
            found = np.repeat(merged.pair_distance[pairs], merged.pair_count[pairs])
            element = np.repeat(kinds[merged.site][merged.pair_neighbor[pairs]], merged.pair_count[pairs])
            for kind in np.unique(kinds):
                full = distances[site][np.repeat(kinds, images) == kind]
                np.testing.assert_allclose(np.sort(found[element == kind]), np.sort(full), atol=2e-4)


def test_sites_of_one_element_with_other_surroundings_stay_apart():
    chain = np.abs(np.subtract.outer([0.0, 1.0, 2.5], [0.0, 1.0, 2.5]))
    merged = compress(np.array([6, 6, 6]), chain, tol=1e-4)
    assert len(merged.site) == 3


def test_refinement_reaches_neighbours_of_neighbours():
    ring = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    bonded = np.isin(ring, (1, 5)).astype(int)  # sites on a ring see only the two beside them
    assert refine(np.zeros(6, int), bonded).max() == 0
    odd_one = refine(np.array([0, 0, 1, 0, 0, 0]), bonded)
    assert odd_one[1] == odd_one[3] != odd_one[0] == odd_one[4] != odd_one[5]


def test_kinds_are_never_merged():
    square = np.array([[0.0, 3.0], [3.0, 0.0]])
    assert len(compress(np.array([11, 17]), square, tol=1e-4).site) == 2
    assert len(compress(np.array([[26, 2], [26, 3]]), square, tol=1e-4).site) == 2


@given(st.integers(0, 10**6))
def test_order_of_sites_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 3, size=(6, 3)).astype(float)
    kinds = rng.integers(0, 2, size=6)
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    order = rng.permutation(6)
    first = compress(kinds, distances, tol=1e-4)
    second = compress(kinds[order], distances[np.ix_(order, order)], tol=1e-4)
    for a, b in zip(first[1:], second[1:], strict=True):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("tol", [1e-4, 0.05])
def test_merged_distances_differ_by_at_most_the_tolerance(rng, tol):
    distances = rng.random(400).reshape(20, 20)
    shells = distance_shells(distances, tol)
    for shell in range(shells.max() + 1):
        members = distances[shells == shell]
        assert np.ptp(members) <= tol


@given(st.integers(0, 10**6))
def test_sites_are_alike_whatever_their_order(seed):
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 3, size=(12, 4)) + rng.choice([0.0, 0.004, 0.008, 0.012], size=(12, 4))
    kinds, order = rng.integers(0, 2, size=12), rng.permutation(12)
    alike, means = merge_alike(kinds, features, 0.01)
    other, other_means = merge_alike(kinds[order], features[order], 0.01)
    np.testing.assert_array_equal(alike[order], other)
    np.testing.assert_allclose(means[order], other_means)
    for kind in np.unique(alike):
        members = alike == kind
        assert len(set(kinds[members])) == 1
        assert np.ptp(features[members], axis=0).max() <= 0.01
        np.testing.assert_allclose(means[members], np.tile(features[members].mean(axis=0), (members.sum(), 1)))


def test_noise_smaller_than_the_tolerance_splits_nothing(rng):
    features = np.repeat(rng.random((3, 5)), 4, axis=0)
    noise = rng.uniform(-4e-4, 4e-4, features.shape)
    assert len(np.unique(merge_alike(np.zeros(12, int), features + noise, 1e-3)[0])) == 3


def test_uncompressed_pairs_are_row_major():
    distances = np.arange(8.0).reshape(2, 4)
    full = uncompressed(distances)
    np.testing.assert_array_equal(full.pair_site, [0, 0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(full.pair_neighbor, [0, 0, 1, 1, 0, 0, 1, 1])
    np.testing.assert_array_equal(full.pair_distance, distances.ravel())
    assert set(full.pair_count) == set(full.multiplicity) == {1}
