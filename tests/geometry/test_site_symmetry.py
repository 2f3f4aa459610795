import logging

import moyopy
import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure
from redescribe import redescribe

from sitenet_sklearn.exceptions import CrystalError
from sitenet_sklearn.geometry.primitive import PrimitiveCell, find_primitive
from sitenet_sklearn.geometry.site_symmetry import CRYSTAL_SYSTEMS, find_site_symmetry


def symmetry_of(structure):
    kinds = np.array(structure.atomic_numbers)
    cell = find_primitive(structure.lattice.matrix, structure.cart_coords, kinds, 0.01)
    return find_site_symmetry(cell, kinds[cell.origin], 0.01), cell, kinds[cell.origin]


def test_symmetry_is_that_of_spglib(crystals, structures):
    for structure in [*crystals.values(), *structures]:
        found, cell, kinds = symmetry_of(structure)
        fractional = cell.positions @ np.linalg.inv(cell.lattice)
        expected = spglib.get_symmetry_dataset((cell.lattice, fractional, kinds), symprec=0.01)
        assert found.order == len(expected.rotations)
        assert found.centrosymmetric == (expected.rotations == -np.eye(3)).all(axis=(1, 2)).any()
        orbits = expected.crystallographic_orbits
        np.testing.assert_array_equal(found.orbit_size, [(orbits == orbit).sum() for orbit in orbits])
        lattice = structure.get_space_group_info(0.01)[1]
        systems = np.searchsorted((2, 15, 74, 142, 167, 194, 230), lattice)
        assert found.crystal_system == CRYSTAL_SYSTEMS[systems]


def test_rutile_by_hand():
    """P4_2/mnm: titanium on 2a (mmm), oxygen on 4f (m.2m)."""
    rutile = Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )
    found, _, kinds = symmetry_of(rutile)
    assert found[:3] == ("tetragonal", 16, True)
    assert set(zip(kinds, found.orbit_size, found.site_order, strict=True)) == {(22, 2, 8), (8, 4, 4)}


@pytest.mark.parametrize("name", ["NaCl", "graphite", "HfH3", "triclinic", "layer in vacuum"])
def test_it_does_not_depend_on_the_description(crystals, rng, name):
    expected, _, kinds = symmetry_of(crystals[name])
    sites = sorted(zip(kinds, expected.orbit_size, expected.site_order, strict=True))
    for supercell in (None, [1, 2, 1], [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]):
        found, _, kinds = symmetry_of(redescribe(crystals[name], rng, supercell))
        assert found[:3] == expected[:3]
        assert sorted(zip(kinds, found.orbit_size, found.site_order, strict=True)) == sites


@pytest.mark.parametrize(("size", "order"), [(0.005, 16), (0.05, 1)])
def test_sites_may_move_by_the_tolerance(rng, size, order):
    rutile = Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )
    for _ in range(5):
        almost = rutile.copy()
        for k in range(len(rutile)):
            step = rng.normal(size=3)
            almost.translate_sites([k], size * step / np.linalg.norm(step), frac_coords=False)
        assert {symmetry_of(redescribe(almost, rng))[0].order for _ in range(3)} == {order}


def test_a_tolerance_that_would_make_the_cell_smaller_is_reduced(caplog):
    almost = PrimitiveCell(np.diag([3.0, 3.0, 6.0]), np.array([[0, 0, 0], [0, 0, 3.006]]), np.arange(2))
    with caplog.at_level(logging.WARNING):
        found = find_site_symmetry(almost, np.array([29, 29]), 0.01)
    assert found[:3] == ("tetragonal", 16, True)
    assert not caplog.records


def fail(*_, **__):
    raise ValueError("Primitive symmetry search failed")


def test_spglib_finds_what_moyo_does_not(crystals, monkeypatch):
    expected = [symmetry_of(crystals[name])[0] for name in ("NaCl", "graphite", "triclinic")]
    monkeypatch.setattr(moyopy, "MoyoDataset", fail)
    for name, other in zip(("NaCl", "graphite", "triclinic"), expected, strict=True):
        found = symmetry_of(crystals[name])[0]
        assert found[:3] == other[:3]
        np.testing.assert_array_equal(found[3:], other[3:])


@pytest.mark.parametrize(
    ("lattice", "symprec"),
    [(np.diag([1.0, 1.0, 100.0]), 0.01), (np.diag([4.0, 4.0, 4.0]), 0.5), (np.diag([3.0, 3.0, 90.0]), 0.01)],
)
def test_moyo_is_spared_what_it_may_not_end_with(rng, monkeypatch, lattice, symprec):
    monkeypatch.setattr(moyopy, "MoyoDataset", lambda *_, **__: pytest.fail("moyo was called"))
    cell = PrimitiveCell(lattice, rng.random((3, 3)) @ lattice, np.arange(3))
    assert find_site_symmetry(cell, np.array([1, 2, 3]), symprec).order >= 1


def test_what_has_no_symmetry_group_is_refused(monkeypatch):
    monkeypatch.setattr(moyopy, "MoyoDataset", fail)
    monkeypatch.setattr("spglib.get_symmetry_dataset", lambda *_, **__: None)
    with pytest.raises(CrystalError, match=r"no symmetry group is found for symprec=0\.01: change symprec"):
        find_site_symmetry(PrimitiveCell(3 * np.eye(3), np.zeros((1, 3)), np.arange(1)), np.array([1]), 0.01)
