"""The primitive cell of a crystal, found with spglib."""

from typing import NamedTuple

import numpy as np
import spglib

from .lattice import or_none, reduce_basis
from .structures import CrystalError


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
    if np.gcd.reduce(np.unique(kinds, return_counts=True)[1]) == 1:  # a translation would repeat every kind
        return PrimitiveCell(basis, positions, np.arange(len(kinds)))
    fractional = positions @ np.linalg.inv(basis)
    dataset = or_none(spglib.get_symmetry_dataset, (basis, fractional, kinds), symprec=symprec)
    if dataset is None:
        raise CrystalError("spglib finds no primitive cell; look for overlapping sites or change symprec")
    division = np.rint(basis @ np.linalg.inv(dataset.primitive_lattice))
    primitive = reduce_basis(np.linalg.solve(division, basis))
    return _average_translations(primitive, positions, dataset.mapping_to_primitive)


def _average_translations(primitive, positions, group):
    _, first, group, sizes = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    offsets = (positions - positions[first[group]]) @ np.linalg.inv(primitive)
    offsets = (offsets - np.rint(offsets)) @ primitive
    means = np.stack([np.bincount(group, offsets[:, a]) / sizes for a in range(3)], axis=1)
    return PrimitiveCell(primitive, positions[first] + means, first)
