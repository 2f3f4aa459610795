"""Exact compression: merge the sites and neighbours that a Site-Net provably cannot tell apart.

Whatever the network computes for site i depends on the features of i and on the multiset of (features of j, d_ij).
Sites with equal features and equal multisets therefore stay equal through every block, and so do two neighbours of
a site with equal features and equal distance. Colour refinement finds the coarsest such partition.
"""

from typing import NamedTuple

import numpy as np


class Compressed(NamedTuple):
    """A crystal after merging: s rows (colours of sites) and p pairs (colours of neighbours).

    Attributes
    ----------
    site : ndarray of int, shape (s,)
        A primitive site of every colour.
    multiplicity : ndarray of int, shape (s,)
        Number of primitive sites of every colour.
    pair_site, pair_neighbor : ndarray of int, shape (p,)
        Colour of site i and of site j; pairs are sorted by the first.
    pair_distance : ndarray of shape (p,)
        Mean distance in angstrom of the merged pairs.
    pair_count : ndarray of int, shape (p,)
        Number of supercell sites j merged into the pair, for one site i.
    """

    site: np.ndarray
    multiplicity: np.ndarray
    pair_site: np.ndarray
    pair_neighbor: np.ndarray
    pair_distance: np.ndarray
    pair_count: np.ndarray


def uncompressed(distances):
    """Every primitive site and every pair as they are, pairs in row-major (i, j) order.

    Parameters
    ----------
    distances : ndarray of shape (n, n * m)
        Distances in angstrom; column j belongs to primitive site j // m.

    Returns
    -------
    Compressed
        With s = n and p = n * n * m, all multiplicities and counts 1.
    """
    n, columns = distances.shape
    site = np.arange(n)
    neighbor = np.repeat(site, columns // n)
    ones = np.ones(distances.size, int)
    return Compressed(site, ones[:n], np.repeat(site, columns), np.tile(neighbor, n), distances.ravel(), ones)


def compress(kinds, distances, tol):
    """Merge equivalent sites and, for each of them, equivalent neighbours.

    Parameters
    ----------
    kinds : ndarray of shape (n, ...)
        What distinguishes sites before any distance: for example element and oxidation state.
    distances : ndarray of shape (n, n * m)
        Distances in angstrom; column j belongs to primitive site j // m.
    tol : float
        Distances are merged only if they differ by at most this much, in angstrom.

    Returns
    -------
    Compressed

    Examples
    --------
    Two equal sites in a cell of two, one image: each sees itself and the other.

    >>> import numpy as np
    >>> compress(np.array([11, 11]), np.array([[0.0, 3.0], [3.0, 0.0]]), tol=1e-4).multiplicity
    array([2])
    """
    n, columns = distances.shape
    shell = distance_shells(distances, tol)
    colour = refine(np.unique(kinds, axis=0, return_inverse=True)[1].ravel(), shell)
    _, site, multiplicity = np.unique(colour, return_index=True, return_counts=True)
    neighbor = np.repeat(colour, columns // n)
    key = (colour[:, None] * len(site) + neighbor) * (shell.max() + 1) + shell
    _, first, group, total = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    i, j = np.divmod(first, columns)
    mean = np.bincount(group.ravel(), distances.ravel()) / total
    return Compressed(site, multiplicity, colour[i], neighbor[j], mean, total // multiplicity[colour[i]])


def merge_alike(kinds, features, tol):
    """Find the sites whose features agree, and give these the mean of their features.

    Values of a feature are sorted, and those with no gap wider than `tol` between them go together; a chain of small
    gaps is cut into pieces of that length. So the result depends on no order of sites, and noise splits no equal ones.

    Parameters
    ----------
    kinds : ndarray of int, shape (n,)
        Sites of different kinds are never alike.
    features : ndarray of shape (n, f)
        Features.
    tol : float
        Features of sites that are alike differ by at most this.

    Returns
    -------
    kinds : ndarray of int, shape (n,)
        Equal for sites that are alike.
    features : ndarray of shape (n, f)
        Means over the sites that are alike.

    Examples
    --------
    >>> import numpy as np
    >>> merge_alike(np.zeros(3, int), np.array([[1.0], [1.25], [2.0]]), 0.5)[0]
    array([0, 0, 1])
    """
    order = np.argsort(features, axis=0, kind="stable")
    ascending = np.take_along_axis(features, order, axis=0)
    starts = np.diff(ascending, axis=0, prepend=-np.inf) > tol
    first = np.maximum.accumulate(np.where(starts, ascending, -np.inf), axis=0)
    piece = np.floor((ascending - first) / tol * (1 - 1e-9))
    starts |= np.diff(piece, axis=0, prepend=0) > 0
    groups = np.empty_like(order)
    np.put_along_axis(groups, order, starts.cumsum(axis=0), axis=0)
    kinds = _number_rows(np.column_stack([kinds, groups]))
    alike = kinds == np.arange(kinds.max() + 1)[:, None]
    return kinds, (alike @ features / alike.sum(axis=1, keepdims=True))[kinds]


def distance_shells(distances, tol):
    """Assign numbers to distances so that those of one shell differ by at most `tol`, nearer shells first."""
    flat = np.sort(distances, axis=None)
    starts = flat[np.append(True, np.diff(flat) > tol)]
    ends = np.append(flat[np.searchsorted(flat, starts[1:]) - 1], flat[-1])
    if (ends - starts > tol).any():  # a chain of small gaps
        starts = [flat[0]]
        for start in flat[1:][np.diff(flat) > 0]:
            if start - starts[-1] > tol:
                starts.append(start)
    return np.searchsorted(starts, distances, side="right") - 1


def refine(colour, shell):
    """Split colours by the multiset of (colour of j, distance shell of ij) until nothing splits.

    Parameters
    ----------
    colour : ndarray of int, shape (n,)
        Colours to start from.
    shell : ndarray of int, shape (n, n * m)
        Distance shells; column j belongs to site j // m.

    Returns
    -------
    ndarray of int, shape (n,)
        The coarsest equitable colouring; numbers follow from colours and shells, not from the order of sites.
    """
    images = shell.shape[1] // len(colour)
    while True:
        neighbours = np.sort(np.repeat(colour, images) * (shell.max() + 1) + shell, axis=1)
        finer = _number_rows(np.column_stack([colour, neighbours]))
        if finer.max() in (len(colour) - 1, colour.max()):
            return finer
        colour = finer


def _number_rows(rows):
    """Give equal rows of integers (n, c), none negative, equal numbers (n,), in ascending order."""
    rows = [row.tobytes() for row in rows.astype(">i8")]
    number = {row: k for k, row in enumerate(sorted(set(rows)))}
    return np.array([number[row] for row in rows])
