"""The record of one crystal: the hinge between geometry and the network."""

from typing import NamedTuple

import numpy as np

from sitenet_sklearn.geometry.compression import compress, uncompressed

SITE_FIELDS = ("atomic_numbers", "site_features", "multiplicity")
"""Fields of `Crystal` with an entry for every site."""

PAIR_FIELDS = ("pair_site", "pair_neighbor", "pair_distance", "pair_count")
"""Fields of `Crystal` with an entry for every pair."""


class Crystal(NamedTuple):
    """What a Site-Net sees of one crystal: s sites and p pairs left after compression.

    Attributes
    ----------
    atomic_numbers : ndarray of int, shape (s,)
        Element of every site.
    site_features : ndarray of shape (s, f)
        Features of every site, by default those of `SITE_FEATURES`.
    multiplicity : ndarray of int, shape (s,)
        Number of primitive sites that the site stands for.
    pair_site : ndarray of int, shape (p,)
        Site i of every pair, ascending.
    pair_neighbor : ndarray of int, shape (p,)
        Site j of every pair.
    pair_distance : ndarray of shape (p,)
        Minimum-image distance d_ij in angstrom; 0 where j is i itself.
    pair_count : ndarray of int, shape (p,)
        Number of supercell sites j that the pair stands for.
    """

    atomic_numbers: np.ndarray
    site_features: np.ndarray
    multiplicity: np.ndarray
    pair_site: np.ndarray
    pair_neighbor: np.ndarray
    pair_distance: np.ndarray
    pair_count: np.ndarray


def empty_crystal(n_site_features):
    """Build the record that stands for a crystal that could not be featurized: no sites, no pairs."""
    none = np.zeros(0, np.int32)
    features = np.zeros((0, n_site_features), np.float32)
    return Crystal(none.astype(np.int16), features, none, none, none, none.astype(np.float32), none)


def make_crystal(atomic_numbers, site_features, kinds, distances, *, compressed=True, tol=1e-4):
    """Build the record of one crystal from its sites and distances.

    Parameters
    ----------
    atomic_numbers : ndarray of int, shape (n,)
        Elements of the primitive sites.
    site_features : ndarray of shape (n, f)
        Features of the primitive sites.
    kinds : ndarray of int, shape (n,)
        Equal only for sites whose elements and features are equal, as `describe_sites` gives them.
    distances : ndarray of shape (n, n * m)
        Distances in angstrom; column j belongs to primitive site j // m.
    compressed : bool, default=True
        Whether to merge what the network cannot tell apart.
    tol : float, default=1e-4
        Largest difference of merged distances, in angstrom.

    Returns
    -------
    Crystal
    """
    merged = compress(kinds, distances, tol) if compressed else uncompressed(distances)
    return Crystal(
        atomic_numbers=np.asarray(atomic_numbers)[merged.site].astype(np.int16),
        site_features=site_features[merged.site].astype(np.float32),
        multiplicity=merged.multiplicity.astype(np.int32),
        pair_site=merged.pair_site.astype(np.int32),
        pair_neighbor=merged.pair_neighbor.astype(np.int32),
        pair_distance=merged.pair_distance.astype(np.float32),
        pair_count=merged.pair_count.astype(np.int32),
    )
