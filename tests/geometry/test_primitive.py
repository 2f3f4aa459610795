import numpy as np
import pytest
from redescribe import redescribe

from sitenet_sklearn.geometry.primitive import crystal_rotations, find_primitive, may_repeat


def primitive(structure, symprec=0.01):
    kinds = np.array(structure.atomic_numbers)
    return find_primitive(structure.lattice.matrix, structure.cart_coords, kinds, symprec)


@pytest.mark.parametrize(
    ("name", "sites"),
    [("NaCl", 2), ("CsCl", 2), ("Po", 1), ("graphite", 4), ("HfH3", 4), ("triclinic", 4), ("layer in vacuum", 3)],
)
def test_number_of_sites_is_known_from_the_literature(crystals, name, sites):
    assert len(primitive(crystals[name]).positions) == sites


@pytest.mark.parametrize("name", ["NaCl", "graphite", "HfH3", "triclinic", "layer in vacuum"])
def test_any_description_gives_the_same_primitive_lattice(crystals, name, rng):
    expected = np.linalg.norm(primitive(crystals[name]).lattice, axis=1)
    for supercell in (None, [2, 1, 1], [[1, 1, 0], [-1, 1, 0], [0, 0, 2]]):
        cell = primitive(redescribe(crystals[name], rng, supercell))
        np.testing.assert_allclose(np.linalg.norm(cell.lattice, axis=1), expected, atol=1e-9)


def test_agrees_with_spglib_on_real_conventional_cells(structures):
    for structure in structures[:10]:
        doubled = structure * [1, 2, 1]
        assert len(primitive(doubled).positions) == len(structure.get_primitive_structure(tolerance=0.01))


def test_positions_are_means_over_translations(crystals):
    doubled = crystals["CsCl"] * [1, 1, 2]
    doubled.translate_sites([0], [0, 0, 0.004], frac_coords=False)
    cell = primitive(doubled)
    gap = (cell.positions[1] - cell.positions[0]) @ np.linalg.inv(cell.lattice)
    np.testing.assert_allclose(abs(gap - np.rint(gap)) @ [1, 1, 1] * 4.12, 3 * 2.06 - 0.002, atol=1e-9)


def test_larger_distortion_than_symprec_is_kept(crystals):
    doubled = crystals["CsCl"] * [1, 1, 2]
    doubled.translate_sites([0], [0, 0, 0.1], frac_coords=False)
    assert len(primitive(doubled).positions) == 4
    assert len(primitive(doubled, symprec=0.3).positions) == 2


def test_kinds_keep_sites_apart(crystals):
    doubled = crystals["Po"] * [1, 1, 2]
    cell = find_primitive(doubled.lattice.matrix, doubled.cart_coords, np.array([0, 1]), 0.01)
    assert len(cell.positions) == 2


def test_a_quick_look_never_misses_a_translation(structures):
    for structure in structures:
        for cell in (structure, structure * [1, 2, 1]):
            kinds = np.array(cell.atomic_numbers)
            smaller = len(cell.get_primitive_structure(tolerance=0.01)) < len(cell)
            assert may_repeat(cell.lattice.matrix, cell.frac_coords, kinds, 0.02) or not smaller


def test_rotations_are_those_of_the_space_group(crystals):
    for name, order in (("NaCl", 48), ("graphite", 24), ("triclinic", 1)):
        cell = primitive(crystals[name])
        kinds = np.array(crystals[name].atomic_numbers)[cell.origin]
        assert len(crystal_rotations(cell, kinds)) == order


def test_overlapping_sites_are_refused(crystals):
    doubled = crystals["Po"] * [1, 1, 2]
    positions = doubled.cart_coords[[0, 0]]
    with pytest.raises(RuntimeError, match="no primitive cell; look for overlapping sites"):
        find_primitive(doubled.lattice.matrix, positions, np.array([0, 0]), 0.01)
