import numpy as np
import pytest
from matplotlib.figure import Figure
from pymatgen.core import Lattice, Structure

from sitenet_sklearn.displays.crystal_pictures import _rotation, _upright, _with_images, draw_crystal


def test_atoms_on_faces_are_repeated(crystals):
    coords, species = _with_images(crystals["CsCl"])
    assert sorted(element.symbol for element in species) == ["Cl"] + ["Cs"] * 8
    corners = coords[[element.symbol == "Cs" for element in species]]
    assert {tuple(corner) for corner in corners} == {(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)}
    coords, _ = _with_images(Structure(Lattice.cubic(4), ["Po"], [[0.5, 0.5, 0.999]]))
    np.testing.assert_allclose(coords[:, 2], [-0.001, 0.999], atol=1e-12)


def test_the_cell_is_turned_and_not_distorted(rng):
    for matrix in (_rotation(), *(_upright(rng.normal(size=(3, 3))) for _ in range(5))):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)


def test_every_crystal_can_be_drawn(crystals):
    for structure in crystals.values():
        ax = Figure().add_subplot()
        draw_crystal(structure, ax)
        assert len(ax.collections) == 1 + len(_with_images(structure)[0])
        ax.figure.canvas.draw()
    alloy = Structure(Lattice.cubic(3), [{"Fe": 0.7, "Co": 0.3}], [[0, 0, 0]])
    assert {element.symbol for element in _with_images(alloy)[1]} == {"Fe"}
