"""Lattices in three dimensions: reduced bases, short vectors, nearest images."""

import itertools

import numpy as np
import spglib
from pymatgen.core import Lattice
from spglib.error import SpglibError

from sitenet_sklearn.exceptions import CrystalError

_SMALL = np.array([c for c in itertools.product((-2, -1, 0, 1, 2), repeat=3) if c > (0, 0, 0)])
"""(62, 3) Coefficients among which the shortest vectors of an LLL-reduced basis lie."""

MAX_VECTORS = 5000
"""Most lattice vectors that are combined in one search."""

_NEIGHBOURS = np.array([c for c in itertools.product((-1, 0, 1), repeat=3) if c > (0, 0, 0)])
"""(13, 3) One of each pair +c, -c of the 26 cells around a cell."""


def reduce_basis(lattice):
    """Replace a basis by the three shortest vectors that span the same lattice.

    Parameters
    ----------
    lattice : ndarray of shape (3, 3)
        Basis vectors as rows, in angstrom, of either handedness.

    Returns
    -------
    ndarray of shape (3, 3)
        Right-handed Minkowski-reduced basis, rows in ascending order of length.

    Examples
    --------
    >>> import numpy as np
    >>> np.abs(reduce_basis(np.array([[4.0, 0, 0], [40.0, 3.0, 0], [0, -30.0, 5.0]]))).round(6)
    array([[0., 3., 0.],
           [4., 0., 0.],
           [0., 0., 5.]])
    """
    reduced = or_none(spglib.niggli_reduce, lattice)
    if reduced is None:
        reduced = _shortest_three(Lattice(lattice).get_lll_reduced_lattice().matrix)
    reduced = reduced[np.argsort(np.linalg.norm(reduced, axis=1), kind="stable")]
    return reduced if np.linalg.det(reduced) > 0 else -reduced


def _shortest_three(basis):
    """Pick the three shortest vectors that span a lattice among small combinations of an LLL-reduced basis."""
    vectors = _SMALL @ basis
    order = np.argsort(np.einsum("va,va->v", vectors, vectors), kind="stable")
    vectors, coefficients = vectors[order], _SMALL[order]
    second = np.flatnonzero(np.cross(coefficients[0], coefficients).any(axis=1))[0]
    normal = np.cross(coefficients[0], coefficients[second])
    third = np.flatnonzero(np.abs(coefficients @ normal) == 1)[0]
    return vectors[[0, second, third]]


def or_none(function, *args, **kwargs):
    """Call a function of spglib; where it fails give None, whether this version raises or returns that."""
    try:
        return function(*args, **kwargs)
    except SpglibError:
        return None


def short_vectors(basis, shortest, longest):
    """List the lattice vectors of a range of lengths, one of each pair +v, -v.

    Parameters
    ----------
    basis : ndarray of shape (3, 3)
        Basis vectors as rows, in angstrom; the closer to reduced, the faster.
    shortest, longest : float
        Bounds of the length, in angstrom, both included.

    Returns
    -------
    ndarray of int, shape (v, 3)
        Coefficients in `basis`, in ascending order of length.

    Raises
    ------
    CrystalError
        If there are too many, as of an elongated basis.
    """
    reciprocal = np.linalg.norm(np.linalg.inv(basis), axis=0)
    bounds = np.floor(longest * reciprocal + 1e-9).astype(int)
    if np.prod(2.0 * bounds + 1) > 40 * MAX_VECTORS:
        refuse_search(basis)
    grid = np.indices((bounds[0] + 1, *(2 * bounds[1:] + 1))).reshape(3, -1).T
    grid[:, 1:] -= bounds[1:]
    grid = grid[grid @ np.array([4 * bounds[1] * bounds[2] + 4 * max(bounds) + 1, 2 * bounds[2] + 1, 1]) > 0]
    lengths = np.linalg.norm(grid @ basis, axis=1)
    order = np.argsort(lengths, kind="stable")
    found = grid[order[(lengths[order] >= shortest) & (lengths[order] <= longest)]]
    if len(found) > MAX_VECTORS:
        refuse_search(basis)
    return found


def refuse_search(basis):
    """Raise a CrystalError that gives the proportions of a basis and says what to do."""
    lengths = np.linalg.norm(basis, axis=1)
    proportions = " : ".join(f"{length / lengths[0]:.3g}" for length in lengths)
    raise CrystalError(
        f"too many supercells to search: the primitive cell ({proportions}) is too elongated, or max_atoms too large; "
        "pass a smaller max_atoms"
    )


def nearest_image_distances(displacements, basis):
    """Length of the shortest periodic image of every displacement.

    In a Minkowski-reduced basis the nearest image of a vector wrapped into the cell around the origin is
    that vector itself or one of its 26 neighbours.

    Parameters
    ----------
    displacements : ndarray of shape (..., k, 3)
        Cartesian vectors in angstrom.
    basis : ndarray of shape (..., 3, 3)
        Minkowski-reduced basis vectors as rows, in angstrom.

    Returns
    -------
    ndarray of shape (..., k)
        Distances in angstrom.
    """
    fractional = displacements @ np.linalg.inv(basis)
    wrapped = (fractional - np.rint(fractional)) @ basis
    squares = np.einsum("...a,...a->...", wrapped, wrapped)
    neighbours = _NEIGHBOURS @ basis
    lengths = np.einsum("...va,...va->...v", neighbours, neighbours)
    reach = np.abs(neighbours @ np.swapaxes(basis, -1, -2)).sum(axis=-1)  # twice the largest |v w| of a wrapped w
    nearer = (reach > lengths * (1 + 1e-12)).reshape(-1, len(_NEIGHBOURS)).any(axis=0)
    change = np.abs(neighbours[..., nearer, :] @ np.swapaxes(wrapped, -1, -2))
    change *= -2
    change += lengths[..., nearer, None]  # |w - v|^2 - |w|^2
    return np.sqrt(np.maximum(squares + change.min(axis=-2, initial=0), 0))


def nearest_images(displacements, basis, tol=1e-3):
    """List all shortest periodic images of every displacement, as several can be equally short.

    Parameters
    ----------
    displacements : ndarray of shape (k, 3)
        Cartesian vectors in angstrom.
    basis : ndarray of shape (3, 3)
        Minkowski-reduced basis vectors as rows, in angstrom.
    tol : float, default=0.001
        Largest difference of lengths that count as equal, in angstrom.

    Returns
    -------
    index : ndarray of int, shape (v,)
        Which displacement an image belongs to, ascending.
    images : ndarray of shape (v, 3)
        The images, in angstrom.

    Examples
    --------
    Half of a cubic cell has an image on either side:

    >>> nearest_images(np.array([[1.0, 0, 0]]), 2 * np.eye(3))[1]
    array([[-1.,  0.,  0.],
           [ 1.,  0.,  0.]])
    """
    fractional = displacements @ np.linalg.inv(basis)
    wrapped = (fractional - np.rint(fractional)) @ basis
    around = np.indices((5, 5, 5)).reshape(3, -1).T - 2  # more than 26 neighbours, as halves are rounded either way
    images = wrapped[:, None] + around @ basis
    lengths = np.linalg.norm(images, axis=-1)
    index, which = np.nonzero(lengths <= lengths.min(axis=1, keepdims=True) + tol)
    return index, images[index, which]
