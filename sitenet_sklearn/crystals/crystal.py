"""The record of one crystal: the hinge between geometry and the network."""

from typing import NamedTuple

import numpy as np

from sitenet_sklearn.geometry.compression import compress, uncompressed

from .elements import PAPER_PROPERTIES, elemental_table

SITE_FEATURES = (*PAPER_PROPERTIES, "OxidationState")
"""Names of the nine site features of the paper, in order."""

INTERACTION_FEATURES = ("distance", "log_coulomb")
"""Names of the two interaction features of the paper, in order."""

DISTANCE_GAUSSIANS = {f"gaussian_{centre}": centre for centre in np.arange(1.5, 7.5, 0.5).tolist()}
"""Names of Gaussians of the distance, and their centres in angstrom; all are 0.5 angstrom wide."""

PAIR_FEATURES = (*INTERACTION_FEATURES, "inverse_distance", "inverse_square_distance", *DISTANCE_GAUSSIANS)
"""Names of all interaction features; the network makes them of the distance and the elements of a pair."""


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


def make_crystal(
    atomic_numbers,
    oxidation_states,
    distances,
    *,
    site_features=SITE_FEATURES,
    compressed=True,
    tol=1e-4,
):
    """Build the record of one crystal from its sites and distances.

    Parameters
    ----------
    atomic_numbers : ndarray of int, shape (n,)
        Elements of the primitive sites.
    oxidation_states : ndarray of shape (n,)
        Oxidation states, 0 where none is known.
    distances : ndarray of shape (n, n * m)
        Distances in angstrom; column j belongs to primitive site j // m.
    site_features : tuple of str, default=SITE_FEATURES
        Columns of the site features: "OxidationState" or names of matminer's elemental properties.
    compressed : bool, default=True
        Whether to merge what the network cannot tell apart.
    tol : float, default=1e-4
        Largest difference of merged distances, in angstrom.

    Returns
    -------
    Crystal
    """
    kinds = np.column_stack([atomic_numbers, oxidation_states])
    merged = compress(kinds, distances, tol) if compressed else uncompressed(distances)
    elemental = tuple(name for name in site_features if name != "OxidationState")
    columns = dict(zip(elemental, elemental_table(elemental)[atomic_numbers].T, strict=True))
    columns["OxidationState"] = oxidation_states
    features = np.column_stack([columns[name] for name in site_features])
    return Crystal(
        atomic_numbers=np.asarray(atomic_numbers)[merged.site].astype(np.int16),
        site_features=features[merged.site].astype(np.float32),
        multiplicity=merged.multiplicity.astype(np.int32),
        pair_site=merged.pair_site.astype(np.int32),
        pair_neighbor=merged.pair_neighbor.astype(np.int32),
        pair_distance=merged.pair_distance.astype(np.float32),
        pair_count=merged.pair_count.astype(np.int32),
    )
