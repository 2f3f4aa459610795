import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from redescribe import redescribe
from scipy.special import eval_legendre

from sitenet_sklearn.exceptions import CrystalError
from sitenet_sklearn.geometry import environment
from sitenet_sklearn.geometry.environment import (
    CUTOFF,
    MAX_DEGREE,
    RADII,
    WIDTH,
    find_neighbors,
    power_spectrum,
    radial_functions,
    spherical_harmonics,
)
from sitenet_sklearn.geometry.primitive import PrimitiveCell, find_primitive


def cell_of(structure):
    kinds = np.array(structure.atomic_numbers)
    cell = find_primitive(structure.lattice.matrix, structure.cart_coords, kinds, 0.01)
    return cell, np.column_stack([np.ones(len(cell.origin)), kinds[cell.origin] / 20 - 1])


def given_cell(structure):
    weights = np.column_stack([np.ones(len(structure)), np.array(structure.atomic_numbers) / 20 - 1])
    return PrimitiveCell(structure.lattice.matrix, structure.cart_coords, np.arange(len(structure))), weights


def in_order(rows):
    return rows[np.lexsort(rows.reshape(len(rows), -1).round(5).T)]


@given(st.integers(0, 10**6))
def test_harmonics_add_up_to_legendre_polynomials(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 5, 3))
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    products = spherical_harmonics(a) * spherical_harmonics(b)
    for degree in range(MAX_DEGREE + 1):
        found = products[degree**2 : (degree + 1) ** 2].sum(axis=0)
        np.testing.assert_allclose(found, eval_legendre(degree, (a * b).sum(axis=1)), atol=1e-12)


@pytest.mark.parametrize("name", ["NaCl", "graphite", "triclinic"])
def test_power_spectrum_is_the_sum_over_angles_between_neighbours(crystals, name):
    """Without any harmonics: sum over pairs of neighbours of the Legendre polynomial of the angle between them."""
    structure = crystals[name]
    found = power_spectrum(*given_cell(structure))
    for i, near in enumerate(structure.get_all_neighbors(CUTOFF)):
        r = np.array([n.nn_distance for n in near])
        u = np.array([n.coords - structure[i].coords for n in near]) / r[:, None]
        radial = np.exp(-(((r - np.array(RADII)[:, None]) / WIDTH) ** 2)) * (1 + np.cos(np.pi * r / CUTOFF)) / 2
        z = np.array([n.specie.Z for n in near])
        for w, weights in enumerate([np.ones(len(z)), z / 20 - 1]):
            np.testing.assert_allclose(found[i, w, :, 0], (radial * weights).sum(axis=1), atol=1e-8)
            for degree in range(1, MAX_DEGREE + 1):
                angles = eval_legendre(degree, np.clip(u @ u.T, -1, 1))
                squares = np.einsum("nj,jk,nk->n", radial * weights, angles, radial * weights)
                np.testing.assert_allclose(found[i, w, :, degree] ** 2, squares, atol=1e-8)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(["NaCl", "graphite", "HfH3", "triclinic", "layer in vacuum"]))
def test_it_does_not_depend_on_the_description(seed, name):
    from gallery import gallery  # hypothesis and fixtures do not mix

    structure, rng = gallery()[name], np.random.default_rng(seed)
    expected = in_order(power_spectrum(*cell_of(structure)))
    for supercell in (None, [1, 2, 1], [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]):
        found = in_order(power_spectrum(*cell_of(redescribe(structure, rng, supercell))))
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_it_belongs_to_the_infinite_crystal(crystals):
    doubled = crystals["triclinic"].copy()
    expected = in_order(power_spectrum(*given_cell(doubled)))
    doubled.make_supercell([2, 1, 1])
    np.testing.assert_allclose(in_order(power_spectrum(*given_cell(doubled))), expected.repeat(2, axis=0), atol=1e-8)


@pytest.mark.parametrize("name", ["NaCl", "triclinic"])
@pytest.mark.parametrize("size", [1e-3, 1e-5])
def test_small_displacements_change_it_little(crystals, name, size):
    structure = crystals[name].copy()
    before = power_spectrum(*given_cell(structure))
    structure.perturb(size)
    assert 0 < np.abs(power_spectrum(*given_cell(structure)) - before).max() < 100 * size


def test_neighbours_come_and_go_smoothly():
    distance = np.array([CUTOFF - 1e-4, CUTOFF, CUTOFF + 1])
    values = radial_functions(distance)
    assert (values[0] < 1e-9).all()
    np.testing.assert_array_equal(values[1:], 0)


def test_neighbours_are_those_of_pymatgen(crystals):
    structure = crystals["layer in vacuum"]
    near = find_neighbors(given_cell(structure)[0])
    expected = structure.get_all_neighbors(CUTOFF)
    for i, others in enumerate(expected):
        np.testing.assert_allclose(np.sort(near.distance[near.site == i]), np.sort([n.nn_distance for n in others]))
    np.testing.assert_allclose(np.linalg.norm(near.vector, axis=1), near.distance)


@pytest.mark.parametrize("name", ["NaCl", "graphite", "triclinic", "layer in vacuum"])
def test_long_cells_are_searched_with_a_tree(crystals, monkeypatch, name):
    structure = crystals[name].copy()
    structure.translate_sites([0], [2, -1, 3], frac_coords=True, to_unit_cell=False)
    expected = power_spectrum(*given_cell(structure))
    monkeypatch.setattr(environment, "LONGEST", 1.0)
    np.testing.assert_allclose(power_spectrum(*given_cell(structure)), expected, atol=1e-8)


def test_two_molecules_in_an_enormous_cell_cost_little():
    """Four atoms 0.1 millimetres apart: a grid of cubes would take 10^15 bytes."""
    coords = np.array([[0, 0, 0], [0, 0, 1.1], [5e5, 5e5, 5e5], [5e5, 5e5, 5e5 + 1.1]])
    cell = PrimitiveCell(1e6 * np.eye(3), coords, np.arange(4))
    near = find_neighbors(cell)
    np.testing.assert_array_equal(near.neighbor, [1, 0, 3, 2])
    np.testing.assert_allclose(near.distance, 1.1, atol=1e-8)


def test_many_neighbours_are_taken_in_parts(crystals, monkeypatch):
    expected = power_spectrum(*given_cell(crystals["triclinic"]))
    monkeypatch.setattr(environment, "_CHUNK", 7)
    np.testing.assert_allclose(power_spectrum(*given_cell(crystals["triclinic"])), expected, atol=1e-9)


def test_a_site_without_neighbours_has_none():
    alone = Structure(Lattice.cubic(20.0), ["Ar"], [[0, 0, 0]])
    np.testing.assert_array_equal(power_spectrum(*given_cell(alone)), 0)


def test_lengths_in_a_wrong_unit_are_refused():
    tiny = PrimitiveCell(0.3 * np.eye(3), np.random.default_rng(0).random((100, 3)), np.arange(100))
    with pytest.raises(CrystalError, match=r"its 100 sites have about 2581\d* neighbours each"):
        find_neighbors(tiny)
