"""The best sublattice of bounded index: an exhaustive search over triples of lattice vectors.

Lengths inside this module are in units of the target edge E = (M V)^(1/3), the edge of a cube with the volume of
M primitive cells of volume V, and mu = m / M is the index of a sublattice as a share of the largest one allowed.
Every sublattice has a Minkowski-reduced basis a <= b <= c. For each shape, a score above a threshold bounds the
lengths and the angles of that basis, so all triples within these bounds contain every sublattice that good.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .lattice import refuse_search, short_vectors

TIE = 1e-6
"""Relative difference below which two scores count as equal."""

IDENTITY = np.eye(3, dtype=int)[None]

_PAIR_SIGNS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
"""Signs of (ab, ac, bc) in the squared lengths of the four body diagonals."""
MAX_EFFORT = 10**9
"""Most pairs and triples of vectors that one search looks at."""

_CHUNK = 2**22


class _Triples(NamedTuple):
    """Inner products of t triples of vectors: squares (t, 3), products (t, 3) of ab, ac, bc; mu (t,)."""

    squares: np.ndarray
    products: np.ndarray
    mu: np.ndarray


class Cubic:
    """Largest effective cubic edge: e = mu^(1/3) / kappa, kappa = trace(G) / (3 det(G)^(1/3)).

    kappa is 1 for a cube and larger for everything else. The score is e itself, at most 1. As det(G)^(1/3) is
    mu^(2/3) in the units of this module, e = 3 mu / (a^2 + b^2 + c^2).
    """

    ceiling = 1.0

    @staticmethod
    def shell(score):
        """Shortest and longest length that a vector of a basis with this score can have."""
        third = np.arccos(-(min(score, 1) ** 1.5)) / 3  # the positive roots of x^3 - 3 x / score + 2
        return 2 / score**0.5 * np.cos([2 * np.pi / 3 - third, third])

    @staticmethod
    def short_pair(a2, b2, c2, score):
        """Whether two vectors can be the shorter two of a basis with this score, the third at least c long."""
        return a2 + b2 + c2 <= 3 / score

    @staticmethod
    def compatible(a2, b2, ab, score):
        """Whether two vectors can belong to a basis with this score."""
        area2 = np.maximum(a2 * b2 - ab**2, 0)
        mu2 = np.minimum(1, area2 * (a2 + b2))
        return 3 * np.sqrt(mu2) * area2 >= score * ((a2 + b2) * area2 + mu2)

    @staticmethod
    def score(triples):
        """Score of every triple: ndarray of shape (t,)."""
        return 3 * triples.mu / triples.squares.sum(axis=1)


class Compact:
    """Longest shortest lattice translation, the diameter of the largest sphere of complete surroundings.

    The score is that length, at most 2^(1/6) (Gauss: a^3 <= sqrt(2) mu), and a b c <= sqrt(2) mu for every
    reduced basis.
    """

    ceiling = 2 ** (1 / 6)

    @staticmethod
    def shell(score):
        """Shortest and longest length that a vector of a basis with this score can have."""
        return score, 2**0.5 / score**2

    @staticmethod
    def short_pair(a2, b2, c2, score):  # noqa: ARG004
        """Whether two vectors can be the shorter two of a basis with this score, the third at least c long."""
        return a2 * b2 * c2 <= 2 * (1 + 10 * TIE)

    @staticmethod
    def compatible(a2, b2, ab, score):  # noqa: ARG004
        """Whether two vectors can belong to a basis with this score."""
        return 2 * np.abs(ab) <= np.minimum(a2, b2) * (1 + TIE)

    @staticmethod
    def score(triples):
        """Score of every triple: ndarray of shape (t,)."""
        diagonals = triples.squares.sum(axis=1, keepdims=True) + 2 * triples.products @ _PAIR_SIGNS.T
        return np.sqrt(np.minimum(triples.squares.min(axis=1), diagonals.min(axis=1)))


SHAPES = {"cubic": Cubic, "compact": Compact}


def best_sublattices(basis, max_index, shape="cubic"):
    """Find every sublattice with the best score among all of index at most `max_index`.

    Parameters
    ----------
    basis : ndarray of shape (3, 3)
        Minkowski-reduced basis vectors of the lattice as rows, in angstrom.
    max_index : int
        Largest number of primitive cells in a supercell, M.
    shape : {"cubic", "compact"}, default="cubic"
        What is maximised, see `Cubic` and `Compact`; equally compact sublattices are ranked as cubic.

    Returns
    -------
    matrices : ndarray of int, shape (t, 3, 3)
        Reduced bases of the t tied sublattices as integer combinations of the rows of `basis`.
    score : float
        Their score.

    Examples
    --------
    >>> import numpy as np
    >>> matrices, score = best_sublattices(np.diag([3.0, 3.0, 6.0]), max_index=4)
    >>> np.abs(np.linalg.det(matrices)).round(), round(float(score), 6)
    (array([4.]), 1.0)
    """
    if max_index == 1:
        return np.eye(3, dtype=int)[None], _own_score(basis, SHAPES[shape])
    edge = (max_index * np.linalg.det(basis)) ** (1 / 3)
    effort = _Effort(basis)
    for threshold in _thresholds(basis / edge, max_index, SHAPES[shape]):
        matrices, triples = _good_triples(basis / edge, max_index, SHAPES[shape], threshold, effort)
        for criterion in dict.fromkeys((SHAPES[shape], Cubic)):
            score = criterion.score(triples)
            ties = score >= score.max(initial=0) * (1 - TIE)
            matrices, triples = matrices[ties], _Triples(*(field[ties] for field in triples))
        if len(matrices):
            return distinct_sublattices(matrices), SHAPES[shape].score(triples).max()
    raise RuntimeError("no sublattice reaches the score of a known one; the basis is not reduced")


def _own_score(basis, shape):
    gram = basis @ basis.T / np.linalg.det(basis) ** (2 / 3)
    return shape.score(_Triples(np.diag(gram)[None], gram[[0, 0, 1], [1, 2, 2]][None], np.ones(1)))[0]


def _thresholds(basis, max_index, shape):
    """Scores to try in turn, down to one that a sublattice is known to reach."""
    multiples = _multiples(max_index)
    gram = basis @ basis.T
    squares = multiples**2 * np.diag(gram)
    if shape is Cubic:
        known = (3 * multiples.prod(axis=1) / max_index / squares.sum(axis=1)).max()
    else:
        known = np.sqrt(gram[0, 0])
    likely = 1 - 0.4 * max_index**-0.6
    steps = shape.ceiling * np.append(
        1 - (1 - likely) * 2.0 ** np.arange(2), (2 * likely - 1) * 0.85 ** np.arange(1, 40)
    )
    return [*steps[steps > known], known * (1 - TIE)]


class _Effort:
    """What is left of the effort that one search may take."""

    def __init__(self, basis):
        self.basis, self.left = basis, MAX_EFFORT

    def spend(self, n):
        self.left -= n
        if self.left < 0:
            refuse_search(self.basis)


def _good_triples(basis, max_index, shape, threshold, effort):
    """All triples (a, b, c) of lattice vectors that reach the threshold with an index of at most `max_index`."""
    shortest, longest = shape.shell(threshold)
    vectors = short_vectors(basis, shortest * (1 - TIE), longest * (1 + TIE))
    effort.spend(len(vectors) ** 2)
    gram = (vectors @ basis) @ (vectors @ basis).T
    squares = np.diag(gram)
    compatible = np.triu(shape.compatible(squares[:, None], squares, gram, threshold * (1 - TIE)), 1)
    layers = 1 / (np.linalg.inv(basis) ** 2).sum(axis=0).min()  # some vector must reach the next of the farthest layers
    third = np.maximum(squares, layers * (1 - TIE))
    firsts, seconds = np.nonzero(compatible & shape.short_pair(squares[:, None], squares, third, threshold * (1 - TIE)))
    effort.spend(len(firsts) * len(vectors))
    found = []
    for chunk in range(0, len(firsts), step := max(1, _CHUNK // max(1, len(vectors)))):
        i, j = firsts[chunk : chunk + step], seconds[chunk : chunk + step]
        pair, k = np.nonzero(compatible[i] & compatible[j])
        found.append(_within_index(vectors, i[pair], j[pair], k, max_index))
    i, j, k, index = np.concatenate(found, axis=1) if found else np.zeros((4, 0), int)
    triples = _Triples(
        np.stack([squares[i], squares[j], squares[k]], axis=1),
        np.stack([gram[i, j], gram[i, k], gram[j, k]], axis=1),
        index / max_index,
    )
    good = shape.score(triples) >= threshold * (1 - TIE)
    return vectors[np.stack([i, j, k], axis=1)[good]], _Triples(*(field[good] for field in triples))


def _within_index(vectors, i, j, k, max_index):
    index = np.abs(np.einsum("ta,ta->t", np.cross(vectors[i], vectors[j]), vectors[k]))
    keep = (index > 0) & (index <= max_index)
    return np.stack([i[keep], j[keep], k[keep], index[keep]])


@lru_cache(maxsize=1000)
def _multiples(max_index):
    """List the diagonal supercells (i, j, k) that cannot be lengthened along the third axis."""
    pairs = np.array([(i, j) for i in range(1, max_index + 1) for j in range(1, max_index // i + 1)])
    return np.column_stack([pairs, max_index // pairs.prod(axis=1)])


def distinct_sublattices(matrices, rotations=IDENTITY):
    """Keep one of all the sublattices that rotations map onto each other.

    Parameters
    ----------
    matrices : ndarray of int, shape (t, 3, 3)
        Bases of sublattices in rows.
    rotations : ndarray of int, shape (w, 3, 3), default=IDENTITY
        A group of rotations of the lattice that act on columns of coefficients.

    Returns
    -------
    ndarray of int, shape (u, 3, 3)
        Right-handed bases, in the order given.
    """
    index = np.rint(np.linalg.det(matrices)).astype(int)
    matrices, index = matrices * np.sign(index)[:, None, None], np.abs(index)
    rotated = np.linalg.inv(matrices @ rotations.transpose(0, 2, 1)[:, None])
    coefficients = matrices[:, None, None] @ rotated
    whole = (np.abs(coefficients - np.rint(coefficients)) < TIE).all(axis=(3, 4)).any(axis=1)
    first_alike = (whole & (index[:, None] == index)).argmax(axis=1)
    return matrices[np.unique(first_alike)]
