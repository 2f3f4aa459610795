"""Checks of what users hand in, and the only use of scikit-learn's private interface."""

import numbers

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

__all__ = [
    "Interval",
    "StrOptions",
    "_fit_context",
    "check_target",
    "check_widths",
]


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
