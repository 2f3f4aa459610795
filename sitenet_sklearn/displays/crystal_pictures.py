"""Pictures of crystals: the cell and its atoms, seen from a little above."""

from itertools import product

import numpy as np

VIEW = (20.0, 12.0)
"""Degrees by which the crystal is turned about the vertical axis, and then towards the viewer."""

MARGIN = 0.02
"""Atoms so near to a face of the cell, as a share of it, are drawn on the opposite face too."""

_SHARE = 0.4
"""Size of an atom, as a share of its atomic radius."""


def draw_crystal(structure, ax):
    """Draw the cell of a crystal and the atoms in it, those behind first.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        A crystal.
    ax : matplotlib Axes
        Where to draw.
    """
    from matplotlib.collections import LineCollection, PatchCollection
    from matplotlib.patches import Circle

    turn = _rotation()
    corners = np.array(list(product((0, 1), repeat=3)))
    edges = [(a, b) for a in corners for b in corners if (b - a).sum() == 1 and (b >= a).all()]
    lattice = structure.lattice.matrix @ _upright(structure.lattice.matrix) @ turn
    lines = [(np.stack(edge) @ lattice)[:, :2] for edge in edges]
    ax.add_collection(LineCollection(lines, colors="#8a96a3", linewidths=0.8, zorder=1))
    coords, species = _with_images(structure)
    points = coords @ lattice
    for k in points[:, 2].argsort():
        circle = Circle(points[k, :2], _radius(species[k]))
        style = {"facecolors": [_color(species[k])], "edgecolors": "#333333", "linewidths": 0.5, "zorder": 2}
        ax.add_collection(PatchCollection([circle], **style))
    ax.autoscale_view()
    ax.set_aspect("equal")
    ax.set_axis_off()


def _with_images(structure):
    """Fractional coordinates and elements of the atoms in the cell, those on faces repeated on the opposite ones."""
    coords, species = [], []
    for site in structure:
        element = max(site.species.element_composition.items(), key=lambda entry: entry[1])[0]
        inside = site.frac_coords % 1
        inside = np.where(inside > 1 - MARGIN, inside - 1, inside)
        repeated = [(0, 1) if abs(value) < MARGIN else (0,) for value in inside]
        for shift in product(*repeated):
            coords.append(inside + shift)
            species.append(element)
    return np.array(coords), species


def _upright(lattice):
    """Rotation that puts the first vector along x and the second one into the plane of x and z, rows as vectors."""
    x = lattice[0] / np.linalg.norm(lattice[0])
    across = lattice[1] - lattice[1] @ x * x
    z = across / np.linalg.norm(across)
    return np.stack([x, np.cross(z, x), z]).T[:, [0, 2, 1]] * np.array([1, 1, -1])


def _rotation():
    around, towards = np.radians(VIEW)
    first = [[np.cos(around), 0, -np.sin(around)], [0, 1, 0], [np.sin(around), 0, np.cos(around)]]
    second = [[1, 0, 0], [0, np.cos(towards), np.sin(towards)], [0, -np.sin(towards), np.cos(towards)]]
    return np.array(first) @ np.array(second)


def _radius(element):
    return _SHARE * float(element.atomic_radius or element.atomic_radius_calculated or 1.5)


def _color(element):
    from pymatgen.vis.structure_vtk import EL_COLORS

    return tuple(part / 255 for part in EL_COLORS["Jmol"].get(element.symbol, (180, 180, 180)))
