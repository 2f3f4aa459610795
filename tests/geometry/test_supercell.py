import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Structure
from redescribe import redescribe

from sitenet_sklearn.geometry.primitive import find_primitive
from sitenet_sklearn.geometry.supercell import canonical_supercell, distinct_translations, periodic_distances


def cell_of(structure):
    kinds = np.array(structure.atomic_numbers)
    cell = find_primitive(structure.lattice.matrix, structure.cart_coords, kinds, 0.01)
    return cell, kinds[cell.origin]


@pytest.mark.parametrize("shape", ["cubic", "compact"])
@pytest.mark.parametrize("name", ["NaCl", "Po", "graphite", "HfH3", "triclinic", "layer in vacuum"])
def test_distances_are_those_of_pymatgen_in_the_same_supercell(crystals, name, shape):
    cell, numbers = cell_of(crystals[name])
    supercell = canonical_supercell(cell, numbers, 40, shape)
    origins = {"origin": list(range(len(numbers)))}
    primitive = Structure(cell.lattice, numbers, cell.positions, coords_are_cartesian=True, site_properties=origins)
    full = primitive.copy()
    full.make_supercell(supercell.matrix)
    expected = full.lattice.get_all_distances(primitive.cart_coords @ full.lattice.inv_matrix, full.frac_coords)
    assert supercell.distances.shape == (len(numbers), len(numbers) * supercell.images)
    for origin in range(len(numbers)):  # the columns of one primitive site are its images, and nothing else
        columns = slice(origin * supercell.images, (origin + 1) * supercell.images)
        images = np.array(full.site_properties["origin"]) == origin
        found, reference = supercell.distances[:, columns], expected[:, images]
        np.testing.assert_allclose(np.sort(found, axis=1), np.sort(reference, axis=1), atol=1e-5)


@pytest.mark.parametrize("max_atoms", [1, 10, 100])
def test_size_is_bounded_and_a_large_primitive_cell_is_kept(crystals, max_atoms):
    cell, numbers = cell_of(crystals["triclinic"])
    supercell = canonical_supercell(cell, numbers, max_atoms)
    assert supercell.images * len(numbers) <= max(max_atoms, len(numbers))
    assert supercell.images >= max_atoms // len(numbers) * 0.5
    sites = np.arange(len(numbers))
    assert (supercell.distances[sites, sites * supercell.images] == 0).all()


@pytest.mark.parametrize("shape", ["cubic", "compact"])
@pytest.mark.parametrize("max_atoms", [20, 50, 90])
def test_ties_are_broken_by_the_crystal(crystals, rng, shape, max_atoms):
    for name in ("HfH3", "graphite", "NaCl"):
        cell, numbers = cell_of(crystals[name])
        expected = np.sort(canonical_supercell(cell, np.cbrt(numbers), max_atoms, shape).distances, axis=None)
        for _ in range(4):
            cell, numbers = cell_of(redescribe(crystals[name], rng))
            found = np.sort(canonical_supercell(cell, np.cbrt(numbers), max_atoms, shape).distances, axis=None)
            np.testing.assert_allclose(found, expected, atol=1e-6)


@given(st.integers(0, 10**6))
def test_translations_are_all_different_and_complete(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-2, 3, size=(3, 3)) + np.diag([7, 7, 7])
    translations = distinct_translations(matrix[None])[0]
    assert len(translations) == round(np.linalg.det(matrix))
    between = (translations[:, None] - translations) @ np.linalg.inv(matrix)
    inside = np.abs(between - np.rint(between)).max(axis=-1) < 1e-6
    np.testing.assert_array_equal(inside, np.eye(len(translations)))
    np.testing.assert_array_equal(translations[0], 0)


def test_single_primitive_cell_has_the_distances_of_the_structure(crystals):
    cell, numbers = cell_of(crystals["triclinic"])
    expected = Structure(cell.lattice, numbers, cell.positions, coords_are_cartesian=True).distance_matrix
    np.testing.assert_allclose(periodic_distances(cell, np.eye(3, dtype=int)[None])[0], expected, atol=1e-9)
