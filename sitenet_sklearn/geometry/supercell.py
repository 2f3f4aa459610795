"""The canonical supercell of a crystal and the periodic distances inside it."""

from operator import itemgetter
from typing import NamedTuple

import numpy as np

from .lattice import nearest_image_distances
from .primitive import crystal_rotations
from .sublattice import best_sublattices, distinct_sublattices

_CACHED = 2**15
_MANY = 2**16


class Supercell(NamedTuple):
    """The supercell chosen for a crystal with n primitive sites, and its distances.

    Attributes
    ----------
    matrix : ndarray of int, shape (3, 3)
        Rows: basis vectors of the supercell as combinations of the primitive ones; its determinant is m.
    distances : ndarray of shape (n, n * m)
        Minimum-image distances in angstrom from every primitive site to every site of the supercell;
        column j belongs to primitive site j // m, and column i * m is site i itself.
    score : float
        What the shape maximises, see `sitenet_sklearn.geometry.sublattice`.
    """

    matrix: np.ndarray
    distances: np.ndarray
    score: float

    @property
    def images(self):
        """Number m of primitive cells in the supercell."""
        return round(np.linalg.det(self.matrix))


def canonical_supercell(cell, weights, max_atoms, shape="cubic"):
    """Choose the best supercell of at most `max_atoms` sites, whatever cell the crystal was given in.

    Sublattices whose scores tie are alike for the lattice but not always for the crystal. Among them the one
    with the largest `crystal_order` wins, a number that depends on nothing but the crystal. (Where that is
    much work, sublattices that the symmetry of the crystal maps onto each other are first reduced to one.)

    Parameters
    ----------
    cell : PrimitiveCell
        The primitive cell, n sites.
    weights : ndarray of shape (n,)
        A positive number for every site, equal for sites of one kind only.
    max_atoms : int
        Largest number of sites; a primitive cell with more of them is kept as it is.
    shape : {"cubic", "compact"}, default="cubic"
        What is maximised.

    Returns
    -------
    Supercell
    """
    max_index = max(1, max_atoms // len(cell.positions))
    matrices, score = best_sublattices(cell.lattice, max_index, shape)
    if len(matrices) * len(weights) ** 2 * max_index > _MANY:
        matrices = distinct_sublattices(matrices, crystal_rotations(cell, weights))
    best = (-np.inf, None, None)
    for part in _parts(matrices, len(cell.positions)):
        distances = periodic_distances(cell, part)
        order = crystal_order(weights, distances)
        k = order.argmax()
        best = max(best, (order[k], part[k], distances[k]), key=itemgetter(0))
    return Supercell(best[1], best[2], score)


def crystal_order(weights, distances):
    """Rank supercells of equal score by sum_i w_i (sum_j w_j exp(-d_ij / d))^2.

    d is the mean distance; distances have shape (..., n, n * m), the result (...). The sums see every (kind of i,
    kind of j, d_ij) and hold no trace of the order of sites, of the origin or of the axes.
    """
    images = distances.shape[-1] // len(weights)
    mean = distances.mean(axis=(-2, -1), keepdims=True)
    scaled = distances / np.where(mean > 0, mean, 1)  # a single site is at distance 0 from itself
    return (np.exp(-scaled) @ np.repeat(weights, images)) ** 2 @ weights


def periodic_distances(cell, matrices):
    """Minimum-image distances from the primitive sites to all sites of some supercells of one size.

    Parameters
    ----------
    cell : PrimitiveCell
        The primitive cell, n sites.
    matrices : ndarray of int, shape (t, 3, 3)
        Bases of the supercells, Minkowski-reduced, in rows of primitive vectors; all of determinant m.

    Returns
    -------
    ndarray of shape (t, n, n * m)
        Distances in angstrom, laid out as in `Supercell`.
    """
    translations = distinct_translations(matrices) @ cell.lattice
    between = cell.positions[None, :] - cell.positions[:, None]
    displacements = between[:, :, None] + translations[:, None, None]
    distances = nearest_image_distances(displacements.reshape(len(matrices), -1, 3), matrices @ cell.lattice)
    return distances.reshape(len(matrices), len(between), -1)


def distinct_translations(matrices):
    """List one primitive translation for every primitive cell of a supercell, the zero translation first.

    They fill the box whose edges are the diagonal of the Hermite normal form of the supercell.

    Parameters
    ----------
    matrices : ndarray of int, shape (t, 3, 3)
        Bases of supercells in rows of primitive vectors, all of determinant m > 0.

    Returns
    -------
    ndarray of int, shape (t, m, 3)
        Coefficients of primitive vectors.

    Examples
    --------
    >>> import numpy as np
    >>> distinct_translations(np.diag([1, 1, 2])[None])
    array([[[0, 0, 0],
            [0, 0, 1]]])
    """
    images = round(np.linalg.det(matrices[0]))
    adjugate = np.rint(images * np.linalg.inv(matrices)).astype(int)
    first = np.gcd.reduce(matrices[:, :, 0], axis=1)[:, None]
    third = images // np.gcd(images, np.gcd.reduce(adjugate[:, 2], axis=1))[:, None]
    second = images // (first * third)
    number = np.arange(images)
    return np.stack([number // (second * third), number // third % second, number % third], axis=-1)


def _parts(matrices, n_sites):
    """Split supercells into parts of one size each, with few enough distances to stay in cache."""
    sizes = np.rint(np.linalg.det(matrices)).astype(int)
    for size in np.unique(sizes):
        alike = matrices[sizes == size]
        step = max(1, _CACHED // (n_sites**2 * size))
        yield from (alike[k : k + step] for k in range(0, len(alike), step))
