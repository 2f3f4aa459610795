"""The canonical supercell of a crystal and the periodic distances inside it."""

from typing import NamedTuple

import numpy as np

from .lattice import nearest_image_distances
from .sublattice import best_sublattices


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
        What the shape maximises, see `sitenet_sklearn.sublattice`.
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
    with the largest `crystal_order` wins, a number that depends on nothing but the crystal.

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
    if len(matrices) == 1:
        return Supercell(matrices[0], periodic_distances(cell, matrices[0]), score)
    best = (-np.inf, None, None)
    for matrix in matrices:
        distances = periodic_distances(cell, matrix)
        best = max(best, (crystal_order(weights, distances), matrix, distances), key=lambda candidate: candidate[0])
    return Supercell(best[1], best[2], score)


def crystal_order(weights, distances):
    """Rank supercells of equal score by sum_i w_i (sum_j w_j exp(-d_ij / d))^2.

    d is the mean distance. The sums see every (kind of i, kind of j, d_ij) and hold no trace of the order of
    sites, of the origin or of the axes.
    """
    images = distances.shape[1] // len(weights)
    field = np.exp(-distances / distances.mean()) @ np.repeat(weights, images)
    return weights @ field**2


def periodic_distances(cell, matrix):
    """Minimum-image distances from the primitive sites to all sites of a supercell.

    Parameters
    ----------
    cell : PrimitiveCell
        The primitive cell, n sites.
    matrix : ndarray of int, shape (3, 3)
        Basis of the supercell, Minkowski-reduced, in rows of primitive vectors; determinant m.

    Returns
    -------
    ndarray of shape (n, n * m)
        Distances in angstrom, laid out as in `Supercell`.
    """
    translations = coset_translations(matrix) @ cell.lattice
    between = cell.positions[None, :] - cell.positions[:, None]
    displacements = between[:, :, None] + translations
    distances = nearest_image_distances(displacements, matrix @ cell.lattice)
    return distances.reshape(len(between), -1)


def coset_translations(matrix):
    """One primitive translation for every primitive cell of a supercell, the zero translation first.

    Parameters
    ----------
    matrix : ndarray of int, shape (3, 3)
        Basis of the supercell in rows of primitive vectors, determinant m > 0.

    Returns
    -------
    ndarray of int, shape (m, 3)

    Examples
    --------
    >>> import numpy as np
    >>> coset_translations(np.diag([1, 1, 3]))
    array([[0, 0, 0],
           [0, 0, 1],
           [0, 0, 2]])
    """
    h = hermite_normal_form(matrix)
    return np.indices(np.diag(h)).reshape(3, -1).T


def hermite_normal_form(matrix):
    """Upper triangular basis with positive diagonal of the sublattice that integer rows span.

    Parameters
    ----------
    matrix : ndarray of int, shape (3, 3)
        Linearly independent rows.

    Returns
    -------
    ndarray of int, shape (3, 3)
        Entries above a pivot lie between 0 and the pivot, so the form is unique.
    """
    rows = [list(map(int, row)) for row in matrix]
    for pivot in range(3):
        while any(row[pivot] for row in rows[pivot + 1 :]):
            rows[pivot:] = sorted(rows[pivot:], key=lambda row: (row[pivot] == 0, abs(row[pivot])))
            for k in range(pivot + 1, 3):
                factor = rows[k][pivot] // rows[pivot][pivot]
                rows[k] = [x - factor * y for x, y in zip(rows[k], rows[pivot], strict=True)]
        if rows[pivot][pivot] == 0:
            raise ValueError(f"the rows of a supercell matrix must be independent, got {np.asarray(matrix).tolist()}")
        factors = [row[pivot] // rows[pivot][pivot] for row in rows[:pivot]]
        if rows[pivot][pivot] < 0:
            rows[pivot] = [-x for x in rows[pivot]]
            factors = [row[pivot] // rows[pivot][pivot] for row in rows[:pivot]]
        for k, factor in enumerate(factors):
            rows[k] = [x - factor * y for x, y in zip(rows[k], rows[pivot], strict=True)]
    return np.array(rows)
