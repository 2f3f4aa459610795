"""The symmetry of a crystal and of its sites, found with moyo."""

import logging
from typing import NamedTuple

import moyopy
import numpy as np

from sitenet_sklearn.exceptions import CrystalError

CRYSTAL_SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
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
        Tolerance on positions, in angstrom. Where it is too large for the crystal, or makes a smaller primitive cell
        of the one given, a tenth, hundredth or thousandth is taken.

    Returns
    -------
    SiteSymmetry

    Raises
    ------
    CrystalError
        If no symmetry group fits at any of these tolerances.

    Examples
    --------
    >>> from sitenet_sklearn.geometry.primitive import PrimitiveCell
    >>> caesium_chloride = PrimitiveCell(4.1 * np.eye(3), np.array([[0, 0, 0], [2.05, 2.05, 2.05]]), np.arange(2))
    >>> find_site_symmetry(caesium_chloride, np.array([55, 17]), 0.01)[:3]
    ('cubic', 48, True)
    """
    fractional = cell.positions @ np.linalg.inv(cell.lattice)
    described = moyopy.Cell(cell.lattice.tolist(), fractional.tolist(), np.asarray(kinds).tolist())
    for tolerance in symprec / 10.0 ** np.arange(4):
        try:
            dataset = moyopy.MoyoDataset(described, symprec=float(tolerance))
        except ValueError:
            continue
        if dataset.prim_std_cell.num_atoms == len(fractional):
            return _read(dataset)
    raise CrystalError(f"moyo finds no symmetry group for symprec={symprec:g}: change symprec")


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
