"""How near the training crystals are to another one, as the network sees them."""

from collections import Counter
from typing import NamedTuple

import numpy as np
from pymatgen.core import Composition, Element
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

N_COMPONENTS = 16
N_NEAREST = 5
"""Training crystals whose mean distance says how new a crystal is."""
RARE = 10
"""An element that fewer training crystals have is called rare."""
UNUSUAL = 95.0
"""Novelty, in percent, from which on a crystal is called unusual."""


class TrainingCrystals(NamedTuple):
    """What is remembered of the n crystals that a model learned from.

    Attributes
    ----------
    origin, axes : ndarray of shape (g,) and (k, g)
        Principal axes of their global vectors.
    vectors : ndarray of float16, shape (n, k)
        Global vectors on these axes.
    labels, formulas : list of str
        Their ids and reduced formulas.
    values : ndarray of shape (n,)
        Their targets.
    counts : dict of str to int
        How many of them have an element.
    """

    origin: np.ndarray
    axes: np.ndarray
    vectors: np.ndarray
    labels: list[str]
    formulas: list[str]
    values: np.ndarray
    counts: dict[str, int]


def remember(X, vectors, y, random_state=0):
    """Remember training crystals.

    Parameters
    ----------
    X : RaggedCrystals
        n of them.
    vectors : ndarray of shape (n, g)
        Their global vectors.
    y : ndarray of shape (n,)
        Their targets.
    random_state : int, default=0
        Of the search for principal axes.

    Returns
    -------
    TrainingCrystals
    """
    pca = PCA(min(N_COMPONENTS, *vectors.shape), random_state=random_state).fit(vectors)
    compositions = [composition_of(crystal) for crystal in X]
    names = range(len(X)) if X.index is None else X.index
    labels = [" ".join(str(name).encode(errors="replace").decode().split()) for name in names]
    counts = Counter(element.symbol for composition in compositions for element in composition)
    return TrainingCrystals(
        pca.mean_.astype(np.float32),
        np.ascontiguousarray(pca.components_, dtype=np.float32),  # as a file has it, so that products round alike
        pca.transform(vectors).astype(np.float16),
        labels,
        [composition.reduced_formula for composition in compositions],
        np.asarray(y, dtype=np.float32),
        dict(sorted(counts.items())),
    )


def composition_of(crystal):
    """Composition of the primitive cell of a featurized crystal."""
    amounts = np.bincount(crystal.atomic_numbers, weights=crystal.multiplicity)
    return Composition({Element.from_Z(int(number)).symbol: amounts[number] for number in np.flatnonzero(amounts)})


def reasons_to_doubt(counts, novelty, is_oversized, is_contradicted):
    """List the reasons to doubt the prediction for a crystal.

    Parameters
    ----------
    counts : dict of str to int
        Number of training crystals with each of its elements.
    novelty : float
        Percentage of held-out crystals that are nearer to the training crystals.
    is_oversized : bool
        Whether its primitive cell is larger than `max_atoms`.
    is_contradicted : bool
        Whether a training crystal of its formula lies outside the interval, see `Neighborhood.contradicts`.

    Returns
    -------
    str
        Separated by semicolons.
    """
    reasons = [f"{name} in no training crystal" for name, count in counts.items() if not count]
    reasons += [f"{name} in only {_crystals(count)}" for name, count in counts.items() if 0 < count < RARE]
    if novelty >= UNUSUAL:
        reasons.append("far from all training crystals")
    if is_oversized:
        reasons.append("cell larger than max_atoms")
    if is_contradicted:
        reasons.append("a near training crystal of this formula lies outside the interval")
    return "; ".join(reasons)


def _crystals(count):
    return "1 training crystal" if count == 1 else f"{count} training crystals"


class Neighborhood:
    """Search for the nearest training crystals.

    Parameters
    ----------
    known : TrainingCrystals
        Where to search.
    """

    def __init__(self, known):
        self.known = known
        self._search = NearestNeighbors(n_neighbors=min(N_NEAREST, len(known.vectors)))
        self._search.fit(known.vectors.astype(np.float32))

    def nearest(self, vectors):
        """Find the nearest training crystals of each of m.

        Parameters
        ----------
        vectors : ndarray of shape (m, g)
            Global vectors.

        Returns
        -------
        distance : ndarray of shape (m,)
            Mean distance of the nearest ones.
        rows : ndarray of int, shape (m, j)
            Which they are, the nearest first.
        """
        distances, rows = self._search.kneighbors((vectors - self.known.origin) @ self.known.axes.T)
        return distances.mean(axis=1, dtype=np.float32), rows

    def contradicts(self, composition, rows, lower, upper):
        """Whether one of some training crystals has a composition, but a value outside of an interval."""
        formula, known = composition.reduced_formula, self.known
        return any(known.formulas[k] == formula and not lower <= known.values[k] <= upper for k in rows)

    def describe(self, rows):
        """Name training crystals as text: formula, id and value of each."""
        known = self.known
        return "; ".join(f"{known.formulas[k]} ({known.labels[k]}, {known.values[k]:.4g})" for k in rows)
