"""Fingerprints of records, which tell the same crystal described otherwise from another crystal.

Site order, cell, origin and orientation leave no trace in a record. What is left is rounding: of the computer, and of
files that state positions with six or eight digits. So the integers of a record are hashed, and its numbers, distances
and site features, are projected on a few fixed directions. Records of one crystal agree in the hash, and in every
projection up to rounding. Projections are sums, not means: one number that differs is not lost among the others.
"""

import hashlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np

N_DIRECTIONS = 8
TOLERANCE = 2e-6
"""Largest difference of projections of one crystal; most crystals written with eight digits differ by less."""

CELL = 1e-3
"""Length of the pieces of the first direction that are looked up at once."""

_INTEGERS = ("atomic_numbers", "multiplicity", "pair_site", "pair_neighbor", "pair_count")
_NUMBERS = ("pair_distance", "site_features")


class Fingerprint(NamedTuple):
    """What is compared of a crystal.

    Attributes
    ----------
    key : int
        Where to store it: 64 bits of a hash.
    keys : tuple of int
        Where to look for equal ones: one key, or two where a boundary is near.
    projections : ndarray of shape (8,)
        Projections of distances and site features.
    """

    key: int
    keys: tuple[int, ...]
    projections: np.ndarray


def fingerprint(crystal):
    """Compute the fingerprint of a record.

    Parameters
    ----------
    crystal : Crystal
        A record that is not masked.

    Returns
    -------
    Fingerprint
    """
    digest = hashlib.sha256()
    for name in _INTEGERS:
        values = np.ascontiguousarray(getattr(crystal, name), dtype="<i4")
        digest.update(len(values).to_bytes(8, "little") + values.tobytes())
    projections = project(np.concatenate([getattr(crystal, name).ravel() for name in _NUMBERS]))
    place = projections[0] / CELL
    pieces = {int(np.floor(place + shift * TOLERANCE / CELL)) for shift in (0, -1, 1)}
    own = int(np.floor(place))
    keys = {piece: _key(digest, piece) for piece in sorted(pieces)}
    return Fingerprint(keys[own], tuple(keys.values()), projections)


def project(values):
    """Project numbers on fixed directions.

    Large numbers count by their logarithm, so that the rounding of all of them is alike.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers.

    Returns
    -------
    ndarray of shape (8,)
        A change of one number by x changes each of these by x / 2 to 3 x / 2; changes of many, at random, by about the
        root of the sum of their squares.
    """
    values = np.asarray(values, dtype=float)
    scaled = np.sign(values) * np.log1p(np.abs(values))
    return scaled @ _directions(1 << max(len(values) - 1, 1).bit_length())[: len(values)]


def is_same(projections, others):
    """Whether projections, (8,), agree with others, (8,) or (n, 8), up to rounding."""
    return np.abs(np.asarray(others) - projections).max(axis=-1) <= TOLERANCE


@lru_cache(maxsize=4)
def _directions(n):
    """Directions for up to n numbers, from 1/2 to 3/2 with either sign; the first rows do not depend on n."""
    spread = np.random.Generator(np.random.PCG64(0)).random((n, N_DIRECTIONS)) * 2 - 1
    return spread + np.copysign(0.5, spread)


def _key(digest, piece):
    whole = digest.copy()
    whole.update(piece.to_bytes(16, "little", signed=True))
    return int.from_bytes(whole.digest()[:8], "little", signed=True)
