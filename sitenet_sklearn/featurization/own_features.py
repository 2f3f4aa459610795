"""Site features that a user brings: a featurizer of matminer, or a function of a Structure."""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from pymatgen.core import Lattice, Structure

from sitenet_sklearn.crystals.site_features import ALIKE, site_feature_groups, site_feature_names
from sitenet_sklearn.crystals.structures import as_structure, is_usable
from sitenet_sklearn.exceptions import CrystalError


class OwnFeatures(NamedTuple):
    """Features of one user's function.

    Attributes
    ----------
    names : tuple of str, length k
        Names of the features.
    function : callable
        Takes a Structure of n sites and returns an array of shape (n, k), or (k,) for features of the whole crystal.
    """

    names: tuple[str, ...]
    function: Callable


def split_features(site_features):
    """Tell the features that this library computes from those that a user brings.

    Parameters
    ----------
    site_features : str or sequence
        As `SupercellFeaturizer` takes it.

    Returns
    -------
    names : tuple of str
        As `site_feature_names` gives them.
    own : tuple of OwnFeatures

    Raises
    ------
    TypeError
        If an entry is neither a name, nor a featurizer of matminer, nor a pair of a function and names.
    ValueError
        If a name is unknown or used twice, or there is none.
    """
    entries = [site_features] if isinstance(site_features, str) else list(site_features)
    own = tuple(_own_features(entry) for entry in entries if not isinstance(entry, str))
    known = [entry for entry in entries if isinstance(entry, str)]
    names = site_feature_names(known) if known or not own else ()
    brought = [name for features in own for name in features.names]
    for name in brought:
        if brought.count(name) > 1 or name in site_feature_groups()["all"]:
            raise ValueError(f"two site features are named {name!r}: choose other names for your own")
    return names, own


def _own_features(entry):
    if hasattr(entry, "featurize") and hasattr(entry, "feature_labels"):
        of_site = len(inspect.signature(entry.featurize).parameters) > 1
        function = _OfSites(entry) if of_site else entry.featurize
        return OwnFeatures(tuple(map(str, entry.feature_labels())), function)
    if isinstance(entry, tuple | list) and len(entry) == 2 and callable(entry[0]):
        function, names = entry
        names = [names] if isinstance(names, str) else names
        if isinstance(names, tuple | list) and names and all(isinstance(name, str) for name in names):
            return OwnFeatures(tuple(names), function)
    raise TypeError(
        "site_features takes names, featurizers of matminer, and pairs (function, names) with as many names as the "
        f"function gives columns, got {entry!r}"
    )


class _OfSites:
    """A site featurizer of matminer as a function of a Structure."""

    def __init__(self, featurizer):
        self.featurizer = featurizer

    def __call__(self, structure):
        return [self.featurizer.featurize(structure, k) for k in range(len(structure))]


def own_columns(own, structure):
    """Compute the features that a user brings.

    Parameters
    ----------
    own : sequence of OwnFeatures
        With f names in all.
    structure : Structure
        A primitive cell of n sites.

    Returns
    -------
    ndarray of shape (n, f)

    Raises
    ------
    CrystalError
        If a function fails, or gives other shapes than its names say, or what is not finite.
    """
    columns = []
    for names, function in own:
        try:
            values = np.asarray(function(structure.copy()), dtype=float)
        except Exception as error:  # whatever a foreign function raises for this crystal
            raise CrystalError(f"the site features {', '.join(names)} fail: {type(error).__name__}: {error}") from error
        expected = (len(structure), len(names))
        if values.shape not in {expected, expected[1:]}:
            raise CrystalError(f"the site features {', '.join(names)} have shape {values.shape}, expected {expected}")
        if not np.isfinite(values).all():
            raise CrystalError(f"the site features {', '.join(names)} hold NaN or infinity")
        columns.append(np.broadcast_to(values, expected))
    return np.concatenate(columns, axis=1)


def invariant_features(site_features, items):
    """List the features that a user brings, checked once, with the first crystal that can be used.

    Parameters
    ----------
    site_features : str or sequence
        As `SupercellFeaturizer` takes it.
    items : list of crystals
        In any form that `as_structure` takes.

    Returns
    -------
    tuple of OwnFeatures

    Raises
    ------
    ValueError
        If a feature depends on how that crystal is described.
    """
    own = split_features(site_features)[1]
    usable = next(filter(is_usable, items), None) if own else None
    if usable is not None:
        _check_invariance(own, as_structure(usable))
    return own


def _check_invariance(own, structure):
    """Compute features again of the crystal turned, moved, and described by another cell, sites in another order."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(structure))
    change = np.array([[1, 1, 0], [0, 1, 0], [0, -1, 1]])
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    coords = (structure.frac_coords @ np.linalg.inv(change) + rng.random(3)) % 1
    lattice = Lattice(change @ structure.lattice.matrix @ turn)
    other = Structure(lattice, [structure.species[k] for k in order], coords[order], properties=structure.properties)
    for features in own:
        try:
            before, after = (own_columns([features], crystal) for crystal in (structure, other))
        except CrystalError:  # which featurization tells with the failures of all others
            continue
        allowed = ALIKE * np.maximum(1, np.abs(before)).max(axis=0)
        wrong = (np.abs(before[order] - after) > allowed).any(axis=0)
        if wrong.any():
            raise ValueError(
                f"the site feature {features.names[wrong.argmax()]!r} changes when {structure.formula} is described by "
                "another cell, orientation, origin or order of sites: a feature must belong to the crystal alone"
            )
