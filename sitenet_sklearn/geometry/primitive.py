"""The primitive cell of a crystal, found with spglib."""

from typing import NamedTuple

import numpy as np
import spglib

from sitenet_sklearn.exceptions import CrystalError

from .lattice import or_none, reduce_basis

_FEW = 16


class PrimitiveCell(NamedTuple):
    """One primitive cell in P1: n sites and the lattice that repeats them.

    Attributes
    ----------
    lattice : ndarray of shape (3, 3)
        Minkowski-reduced basis vectors as rows, in angstrom.
    positions : ndarray of shape (n, 3)
        Cartesian positions in angstrom.
    origin : ndarray of int, shape (n,)
        For every site the index of one site of the given structure that it stands for.
    """

    lattice: np.ndarray
    positions: np.ndarray
    origin: np.ndarray


def find_primitive(lattice, positions, kinds, symprec):
    """Reduce any cell of a crystal to a primitive one.

    spglib says which sites are translations of one another; the lattice is then the exact sublattice
    division of the given one and every position the mean over its translations, so that the result does
    not depend on which cell was given.

    Parameters
    ----------
    lattice : ndarray of shape (3, 3)
        Basis vectors as rows, in angstrom.
    positions : ndarray of shape (k, 3)
        Cartesian positions in angstrom.
    kinds : ndarray of int, shape (k,)
        Sites of different kinds are never translations of one another.
    symprec : float
        Tolerance of spglib on positions, in angstrom.

    Returns
    -------
    PrimitiveCell

    Raises
    ------
    CrystalError
        If spglib finds no primitive cell, for example because sites overlap.
    """
    basis = reduce_basis(lattice)
    fractional = positions @ np.linalg.inv(basis)
    if not may_repeat(basis, fractional, kinds, 2 * symprec):
        return PrimitiveCell(basis, positions, np.arange(len(kinds)))
    dataset = or_none(spglib.get_symmetry_dataset, (basis, fractional, kinds), symprec=symprec)
    if dataset is None:
        raise CrystalError("spglib finds no primitive cell; look for overlapping sites or change symprec")
    division = np.rint(basis @ np.linalg.inv(dataset.primitive_lattice))
    primitive = reduce_basis(np.linalg.solve(division, basis))
    return _average_translations(primitive, positions, dataset.mapping_to_primitive)


def may_repeat(basis, fractional, kinds, tol):
    """Tell whether a translation inside a cell could map all its sites onto sites of the same kind.

    A quick look that spares most cells, which are primitive already, the search for all symmetry.

    Parameters
    ----------
    basis : ndarray of shape (3, 3)
        Basis vectors as rows, in angstrom.
    fractional : ndarray of shape (k, 3)
        Fractional positions.
    kinds : ndarray of int, shape (k,)
        Kinds of sites.
    tol : float
        Largest distance in angstrom between a translated site and the one it should meet.

    Returns
    -------
    bool
    """
    _, counts = np.unique(kinds, return_counts=True)
    if np.gcd.reduce(counts) == 1:  # a translation would repeat every kind
        return False
    rarest = np.flatnonzero(kinds == np.unique(kinds)[counts.argmin()])
    if len(rarest) > _FEW:
        return True
    for other in rarest[1:]:
        gaps = fractional[:, None] + (fractional[other] - fractional[rarest[0]]) - fractional
        close = np.linalg.norm((gaps - np.rint(gaps)) @ basis, axis=-1) < tol
        if (close & (kinds[:, None] == kinds)).any(axis=1).all():
            return True
    return False


def crystal_rotations(cell, kinds, symprec=1e-5):
    """Rotational parts of the space group of a crystal.

    Parameters
    ----------
    cell : PrimitiveCell
        The primitive cell, n sites.
    kinds : ndarray of shape (n,)
        Equal for sites of one kind only.
    symprec : float, default=1e-05
        Tolerance of spglib on positions, in angstrom.

    Returns
    -------
    ndarray of int, shape (w, 3, 3)
        Rotations that act on columns of coefficients of the primitive vectors.
    """
    numbers = np.unique(kinds, return_inverse=True)[1]
    fractional = cell.positions @ np.linalg.inv(cell.lattice)
    dataset = or_none(spglib.get_symmetry_dataset, (cell.lattice, fractional, numbers), symprec=symprec)
    return np.eye(3, dtype=int)[None] if dataset is None else dataset.rotations


def _average_translations(primitive, positions, group):
    _, first, group, sizes = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    offsets = (positions - positions[first[group]]) @ np.linalg.inv(primitive)
    offsets = (offsets - np.rint(offsets)) @ primitive
    means = np.stack([np.bincount(group, offsets[:, a]) / sizes for a in range(3)], axis=1)
    return PrimitiveCell(primitive, positions[first] + means, first)
