"""Checks of what users hand in, and the only use of scikit-learn's private interface."""

import numbers

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from .elements import MAX_ATOMIC_NUMBER

__all__ = [
    "FeaturizationError",
    "Interval",
    "StrOptions",
    "_fit_context",
    "check_structures",
    "check_target",
    "check_widths",
    "describe",
]


class FeaturizationError(RuntimeError):
    """Some crystals cannot be featurized.

    Not a ValueError: search tools that swallow those would hide which crystals failed.

    Parameters
    ----------
    failures : list of (int, str, str)
        Index, formula and reason of every crystal that failed.

    Attributes
    ----------
    failures : list of (int, str, str)
        The same.
    """

    def __init__(self, failures):
        super().__init__(failures)
        self.failures = failures

    def __str__(self):
        lines = [f"  index {index} ({formula}): {reason}" for index, formula, reason in self.failures]
        return "\n".join([f"{len(lines)} of the crystals cannot be featurized:", *lines])


def describe(structure):
    """Name a crystal in an error message: its formula, however odd its species."""
    return structure.composition.formula.replace(" ", "")


def check_structures(X, estimator):
    """Return X as a list of ordered pymatgen Structures with known elements.

    Parameters
    ----------
    X : iterable of pymatgen.core.Structure
        Crystals.
    estimator : object
        Whose input this is; its class is named in messages.

    Returns
    -------
    list of pymatgen.core.Structure

    Raises
    ------
    TypeError
        If X is no iterable of Structures.
    ValueError
        If X is empty.
    FeaturizationError
        If structures are disordered or hold species without an element; all of them are listed.
    """
    from pymatgen.core import Structure

    name = type(estimator).__name__
    if isinstance(X, Structure):
        raise TypeError(f"{name} expects a list of pymatgen Structures, got a single one: pass [structure]")
    if isinstance(X, str | bytes) or not hasattr(X, "__iter__"):
        raise TypeError(f"{name} expects a list of pymatgen Structures, got {type(X).__name__}: {X!r:.80}")
    structures = list(X)
    for index, structure in enumerate(structures):
        if not isinstance(structure, Structure):
            raise TypeError(
                f"{name} expects a list of pymatgen Structures, got {type(structure).__name__} at index {index}: "
                f"{structure!r:.80}; read files with pymatgen's Structure.from_file"
            )
    if not structures:
        raise ValueError(f"{name} expects at least one crystal, got an empty {type(X).__name__}")
    failures = [(i, describe(s), reason) for i, s in enumerate(structures) if (reason := _refusal(s))]
    if failures:
        raise FeaturizationError(failures)
    return structures


def _refusal(structure):
    if len(structure) == 0:
        return "the structure has no sites"
    if not structure.is_ordered:
        return "the structure is disordered (partial occupancies): choose ordered approximants first"
    if not np.isfinite(structure.lattice.matrix).all() or not np.isfinite(structure.frac_coords).all():
        return "lattice or coordinates are not finite"
    if structure.volume < 1e-3:
        return f"the cell has no volume ({structure.volume:.3g} cubic angstrom)"
    for specie in structure.species:
        if not 1 <= getattr(specie, "Z", 0) <= MAX_ATOMIC_NUMBER:
            return f"species {specie} is no chemical element"
    return None


def check_target(y, n_crystals):
    """Return y as a float array with one finite number for every crystal.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
        Target.
    n_crystals : int
        Expected length.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        If the length differs, or values are missing, infinite or not numbers; the first index is named.
    """
    if y is None:
        raise ValueError("y is None, but a target for every crystal is required")
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) != n_crystals:
        raise ValueError(f"y must hold one target for each of {n_crystals} crystals, got shape {np.shape(y)}")
    for index, value in enumerate(array):
        if not isinstance(value, numbers.Real) or not np.isfinite(value):
            raise ValueError(f"y must hold finite numbers, got {value!r} at index {index}")
    return array.astype(float)


def check_widths(estimator, names):
    """Raise a ValueError unless parameters that list layers hold positive integers only."""
    for name in names:
        widths = getattr(estimator, name)
        if not all(isinstance(width, numbers.Integral) and width > 0 for width in widths):
            raise ValueError(f"{name} must hold the width of every layer, positive integers, got {widths!r}")
