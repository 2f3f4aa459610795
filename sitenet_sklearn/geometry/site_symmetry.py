"""The symmetry of a crystal and of its sites, found with moyo."""

import logging
from typing import NamedTuple

import moyopy
import numpy as np

from sitenet_sklearn.exceptions import CrystalError

CRYSTAL_SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
_SHARES = (4.0, 2.0, 1.0, 0.5, 0.1, 0.01)
"""Tolerances in units of the one asked for, in turn: near its own, what moyo finds depends on the description."""

_LAST_SPACE_GROUP = (2, 15, 74, 142, 167, 194, 230)

logging.getLogger("moyo").setLevel(logging.ERROR)  # it warns of cells that could be smaller, which are tried again here


class SiteSymmetry(NamedTuple):
    """The symmetry of a crystal with n primitive sites.

    Attributes
    ----------
    crystal_system : str
        One of `CRYSTAL_SYSTEMS`.
    order : int
        Number of operations of the point group, from 1 to 48.
    centrosymmetric : bool
        Whether an inversion is among them.
    orbit_size : ndarray of int, shape (n,)
        Number of primitive sites that the space group maps a site onto, itself included.
    site_order : ndarray of int, shape (n,)
        Number of operations that leave a site where it is: `order` divided by `orbit_size`.
    """

    crystal_system: str
    order: int
    centrosymmetric: bool
    orbit_size: np.ndarray
    site_order: np.ndarray


def find_site_symmetry(cell, kinds, symprec):
    """Find the symmetry of a crystal.

    Parameters
    ----------
    cell : PrimitiveCell
        The primitive cell, n sites.
    kinds : ndarray of int, shape (n,)
        Sites of different kinds are never mapped onto one another.
    symprec : float
        Largest shift in angstrom of a site, and change of a basis vector, that make the symmetry exact.

    Returns
    -------
    SiteSymmetry

    Raises
    ------
    CrystalError
        If moyo fails at every tolerance.

    Examples
    --------
    >>> from sitenet_sklearn.geometry.primitive import PrimitiveCell
    >>> caesium_chloride = PrimitiveCell(4.1 * np.eye(3), np.array([[0, 0, 0], [2.05, 2.05, 2.05]]), np.arange(2))
    >>> find_site_symmetry(caesium_chloride, np.array([55, 17]), 0.01)[:3]
    ('cubic', 48, True)
    """
    fractional = cell.positions @ np.linalg.inv(cell.lattice)
    described = moyopy.Cell(cell.lattice.tolist(), fractional.tolist(), np.asarray(kinds).tolist())
    for share in _SHARES:
        try:
            dataset = moyopy.MoyoDataset(described, symprec=share * symprec)
        except ValueError:
            continue
        if _change(dataset, cell.lattice, fractional) <= symprec:
            return _read(dataset)
    raise CrystalError(f"moyo finds no symmetry group for symprec={symprec:g}: change symprec")


def _change(dataset, basis, fractional):
    """Shift of sites and change of the basis, in angstrom, that make a symmetry exact; infinite for a smaller cell.

    It is the same for every description of a crystal.
    """
    ideal = dataset.prim_std_cell
    ideal_basis, positions = np.array(ideal.basis), np.array(ideal.positions)
    if len(positions) < len(fractional):
        return np.inf
    linear = np.array(dataset.prim_std_linear)
    basis = linear.T @ basis
    selected = (fractional - dataset.prim_std_origin_shift) @ np.linalg.inv(linear).T
    shift = selected - positions[dataset.mapping_std_prim]
    shift = np.linalg.norm((shift - np.rint(shift)) @ basis, axis=1).max()
    gram, ideal_gram = basis @ basis.T, ideal_basis @ ideal_basis.T
    return max(shift, np.abs(gram - ideal_gram).max() / np.sqrt(ideal_gram.max()))


def _read(dataset):
    rotations = np.array(dataset.operations.rotations)
    orbits = np.unique(dataset.orbits, return_inverse=True, return_counts=True)
    orbit_size = orbits[2][orbits[1]]
    return SiteSymmetry(
        crystal_system=CRYSTAL_SYSTEMS[np.searchsorted(_LAST_SPACE_GROUP, dataset.number)],
        order=len(rotations),
        centrosymmetric=bool((rotations == -np.eye(3)).all(axis=(1, 2)).any()),
        orbit_size=orbit_size,
        site_order=len(rotations) // orbit_size,
    )
