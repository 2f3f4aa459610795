import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice
from redescribe import random_unimodular

from sitenet_sklearn.geometry.lattice import nearest_image_distances, nearest_images, reduce_basis, short_vectors


def random_basis(rng):
    return rng.normal(size=(3, 3)) * 2 + np.diag([4, 5, 6])


def brute_force_vectors(basis, extent=6):
    coefficients = np.array(list(itertools.product(range(-extent, extent + 1), repeat=3)))
    return coefficients, np.linalg.norm(coefficients @ basis, axis=1)


@given(st.integers(0, 10**6))
def test_reduced_basis_holds_the_three_shortest_vectors_of_any_skewed_basis(seed):
    rng = np.random.default_rng(seed)
    basis = random_basis(rng)
    reduced = reduce_basis(random_unimodular(rng) @ basis)
    assert np.linalg.det(reduced) == pytest.approx(abs(np.linalg.det(basis)))
    coefficients, lengths = brute_force_vectors(reduced, extent=3)
    shortest = []
    for k in np.argsort(lengths)[1:]:
        if np.linalg.matrix_rank([*shortest, coefficients[k]]) > len(shortest):
            shortest.append(coefficients[k])
    np.testing.assert_allclose(
        np.linalg.norm(reduced, axis=1), np.linalg.norm(np.array(shortest) @ reduced, axis=1), rtol=1e-4
    )


@given(st.integers(0, 10**6))
def test_where_spglib_gives_up_the_result_is_the_same(seed):
    rng = np.random.default_rng(seed)
    basis = random_unimodular(rng) @ random_basis(rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spglib.niggli_reduce", lambda *_: None)
        alone = reduce_basis(basis)
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), np.linalg.norm(reduce_basis(basis), axis=1), rtol=1e-4)


def test_reduced_basis_is_right_handed_whatever_the_input():
    left_handed = np.diag([3.0, 4.0, -5.0])
    assert np.linalg.det(reduce_basis(left_handed)) > 0


def test_very_skewed_basis_is_reduced():
    skewed = np.array([[1, 0, 0], [1000, 1, 0], [-777, 3000, 1]]) @ np.diag([3.0, 4.0, 5.0])
    np.testing.assert_allclose(np.linalg.norm(reduce_basis(skewed), axis=1), [3, 4, 5], rtol=1e-6)


def test_short_vectors_are_those_of_brute_force(rng):
    basis = random_basis(rng)
    found = short_vectors(basis, 5.0, 11.0)
    coefficients, lengths = brute_force_vectors(basis)
    expected = {tuple(c) for c in coefficients[(lengths >= 5) & (lengths <= 11)]}
    both_signs = {tuple(c) for c in found} | {tuple(-c) for c in found}
    assert both_signs == expected
    assert len(found) * 2 == len(expected)
    assert (np.diff(np.linalg.norm(found @ basis, axis=1)) >= 0).all()


@given(st.integers(0, 10**6))
def test_nearest_image_distances_are_those_of_pymatgen(seed):
    rng = np.random.default_rng(seed)
    basis = reduce_basis(random_unimodular(rng) @ random_basis(rng))
    displacements = rng.normal(size=(20, 3)) * 10
    fractional = displacements @ np.linalg.inv(basis)
    expected = Lattice(basis).get_all_distances(fractional, np.zeros((1, 3)))[:, 0]
    np.testing.assert_allclose(nearest_image_distances(displacements, basis), expected, atol=1e-9)


@pytest.mark.parametrize(
    "lattice", [Lattice.cubic(4), Lattice.hexagonal(3, 5), Lattice.from_parameters(3, 4, 5, 80, 95, 100)]
)
@pytest.mark.parametrize("shift", [(0, 0, 0), (7, -5, 3), (1e-4, 0, 0)])
def test_all_nearest_images_are_found(lattice, shift):
    basis = reduce_basis(lattice.matrix)
    halves = np.array([[0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0.5], [1 / 3, 1 / 3, 0], [0.2, 0.3, 0.1]])
    displacements = (halves + shift) @ basis
    index, images = nearest_images(displacements, basis)
    translations, _ = brute_force_vectors(basis)
    for k, displacement in enumerate(displacements - np.rint(shift) @ basis):
        candidates = displacement + translations @ basis
        lengths = np.linalg.norm(candidates, axis=1)
        expected = candidates[lengths <= lengths.min() + 1e-3]
        found = images[index == k]
        assert len(found) == len(expected)
        assert all(np.linalg.norm(expected - image, axis=1).min() < 1e-9 for image in found)
    distances = nearest_image_distances(displacements, basis)[index]
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), distances, atol=1e-3)
