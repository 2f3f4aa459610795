"""The symmetry of a crystal and of its sites, found with moyo, and with spglib where the cell is no ordinary one."""

import logging
from typing import NamedTuple

import moyopy
import numpy as np
import spglib

from sitenet_sklearn.exceptions import CrystalError

from .lattice import or_none

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
        If no symmetry group is found.

    Examples
    --------
    >>> from sitenet_sklearn.geometry.primitive import PrimitiveCell
    >>> caesium_chloride = PrimitiveCell(4.1 * np.eye(3), np.array([[0, 0, 0], [2.05, 2.05, 2.05]]), np.arange(2))
    >>> find_site_symmetry(caesium_chloride, np.array([55, 17]), 0.01)[:3]
    ('cubic', 48, True)
    """
    fractional, kinds = cell.positions @ np.linalg.inv(cell.lattice), np.asarray(kinds)
    found = None
    if _is_ordinary(cell.lattice, symprec):
        found = _with_moyo(cell.lattice, fractional, kinds, symprec)
    if found is None:
        found = _with_spglib(cell.lattice, fractional, kinds, symprec)
    if found is None:
        raise CrystalError(f"no symmetry group is found for symprec={symprec:g}: change symprec")
    number, rotations, orbits = found
    _, orbits, sizes = np.unique(orbits, return_inverse=True, return_counts=True)
    return SiteSymmetry(
        crystal_system=CRYSTAL_SYSTEMS[np.searchsorted(_LAST_SPACE_GROUP, number)],
        order=len(rotations),
        centrosymmetric=bool((rotations == -np.eye(3)).all(axis=(1, 2)).any()),
        orbit_size=sizes[orbits],
        site_order=len(rotations) // sizes[orbits],
    )


def _is_ordinary(lattice, symprec):
    """Whether moyo is sure to end, which it is not for some cells that are flat, long or tiny beside the tolerance."""
    lengths = np.linalg.norm(lattice, axis=1)
    return _SHARES[0] * symprec <= 0.05 and lengths.min() >= 1.5 and lengths.max() <= 20 * lengths.min()


def _with_moyo(lattice, fractional, kinds, symprec):
    """Find number of the space group, rotations and orbits, or None where moyo fails; four times as fast as spglib."""
    described = moyopy.Cell(lattice.tolist(), fractional.tolist(), kinds.tolist())
    for share in _SHARES:
        try:
            dataset = moyopy.MoyoDataset(described, symprec=share * symprec)
        except ValueError:
            continue
        if _change(dataset, lattice, fractional) <= symprec:
            return dataset.number, np.array(dataset.operations.rotations), dataset.orbits
    return None


def _with_spglib(lattice, fractional, kinds, symprec):
    """Find the same with spglib."""
    dataset = or_none(spglib.get_symmetry_dataset, (lattice, fractional, kinds), symprec=symprec)
    if dataset is None:
        return None
    return dataset.number, dataset.rotations, dataset.crystallographic_orbits


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
