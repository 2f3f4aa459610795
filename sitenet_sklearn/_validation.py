"""Checks of what users hand in. This file alone uses what scikit-learn keeps private.

The estimators hold tables of constraints, `_parameter_constraints`, for it.
"""

import numbers
from contextlib import contextmanager
from difflib import get_close_matches

import numpy as np
import pandas as pd
from sklearn.base import _fit_context
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils._param_validation import Interval as _Interval
from sklearn.utils._set_output import _get_output_config

from ._files import as_python

__all__ = [
    "HasMethods",
    "Interval",
    "StrOptions",
    "_fit_context",
    "check_complete",
    "check_groups",
    "check_not_masked",
    "check_sample_weight",
    "check_target",
    "check_widths",
    "choose_preset",
    "name_difference",
    "unchanged_after_error",
    "validate_parameters",
    "wants_pandas",
]


class Interval(_Interval):
    """Numbers between two bounds, as scikit-learn checks them; True and False are none."""

    def is_satisfied_by(self, val):
        """Whether a value is such a number."""
        return not isinstance(val, bool) and super().is_satisfied_by(val)


def check_target(y, used, name="y"):
    """Return y as a float array with one finite number for every crystal, or several.

    Parameters
    ----------
    y : array-like of shape (n,), (n, 1) or (n, k)
        Targets; among several, NaN where one is unknown.
    used : ndarray of bool, shape (n,)
        Which of them matter; the others may be anything and become NaN.
    name : str, default="y"
        Name for messages.

    Returns
    -------
    ndarray of shape (n,) or (n, k)

    Raises
    ------
    ValueError
        If the length differs, if values are missing, infinite or not numbers, the first index is named, or if none of
        several targets is known of any crystal.
    """
    if y is None:
        raise ValueError(f"{name} is None, but a target for every crystal is required")
    check_not_masked(y, name)
    array, n = np.asarray(y), len(used)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    several = array.ndim == 2 and len(array) == n and array.shape[1] > 1
    if not several and (array.ndim != 1 or len(array) != n):
        raise ValueError(f"{name} must hold one target for each of {n} crystals, got shape {np.shape(y)}")
    targets = np.full(array.shape, np.nan)
    targets[used] = _several_targets(array[used], name) if several else _single_targets(array, used, name)
    if several and (infinite := np.argwhere(np.isinf(targets))).size:
        raise ValueError(f"{name} must hold finite numbers or NaN, got inf at index {infinite[0][0]}")
    return targets


def _single_targets(array, used, name):
    for index in np.flatnonzero(used):
        value = array[index]
        if not isinstance(value, numbers.Real) or not np.isfinite(value):
            raise ValueError(f"{name} must hold finite numbers, got {as_python(value)!r} at index {index}")
    return array[used].astype(float)


def _several_targets(array, name):
    if np.iscomplexobj(array):
        raise ValueError(f"{name} must hold real numbers, got complex ones")
    try:
        targets = array.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers: {error}") from error
    if np.isnan(targets).all():
        raise ValueError(f"{name} must hold a known target, all are NaN: leave these crystals out")
    return targets


def check_not_masked(values, name):
    """Raise a ValueError for an array with masked entries, whose numbers mean nothing."""
    if np.ma.is_masked(values):
        raise ValueError(
            f"{name} is masked at index {int(np.argwhere(np.ma.getmaskarray(values))[0][0])}: leave it out"
        )


def check_complete(y, X, *, may_be_unknown=False):
    """Raise a ValueError if targets are not as many as the crystals, or one of them is NaN unless that may be."""
    if hasattr(X, "__len__"):
        check_consistent_length(X, y)
    values = np.asarray(y)
    if not may_be_unknown and values.dtype.kind == "f" and values.ndim == 1 and np.isnan(values).any():
        index = int(np.flatnonzero(np.isnan(values))[0])
        raise ValueError(f"y is NaN at index {index}: drop that crystal or find its target")


def check_sample_weight(sample_weight, n_crystals):
    """Return sample weights as a float array (n,), ones for None; ValueError unless finite, not negative, not all 0."""
    check_not_masked(sample_weight, "sample_weight")
    try:
        weight = np.ones(n_crystals) if sample_weight is None else np.asarray(sample_weight)
        weight = weight.astype(object if np.iscomplexobj(weight) else float).astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample_weight must hold one number for each of {n_crystals} crystals: {error}") from error
    if weight.shape != (n_crystals,):
        raise ValueError(f"sample_weight must hold one weight for each of {n_crystals} crystals, got {weight.shape}")
    if not np.isfinite(weight).all() or weight.min() < 0 or weight.sum() == 0:
        raise ValueError("sample_weight must hold finite weights that are not negative, and one above 0")
    largest = weight.max()  # only ratios of weights count, and single precision must hold them
    return weight if 1e-6 < largest < 1e6 else weight / largest


def check_groups(groups, n_crystals):
    """Return groups as an array (n,); ValueError for another length."""
    groups = np.asarray(groups)
    if groups.shape != (n_crystals,):
        raise ValueError(f"groups must hold one group for each of {n_crystals} crystals, got shape {groups.shape}")
    if (missing := np.flatnonzero(pd.isna(groups))).size:
        raise ValueError(f"groups holds {groups[missing[0]]} at index {missing[0]}: give every crystal a group")
    return np.unique([str(group) for group in groups], return_inverse=True)[1] if groups.dtype == object else groups


def name_difference(names, expected):
    """Say in a few words how names differ from those expected.

    Examples
    --------
    >>> name_difference(("a", "b", "c", "d", "e"), ("a", "x"))
    "5 instead of 2: also 'b', 'c', 'd' and 1 more, without 'x'"
    >>> name_difference(("b", "a"), ("a", "b"))
    "the same 2 in another order, first 'b' instead of 'a'"
    >>> name_difference(("a", "b", "b"), ("a", "b"))
    '3 instead of 2, some of them several times'
    """
    parts = [
        f"{word} {', '.join(map(repr, those[:3]))}" + (f" and {len(those) - 3} more" if len(those) > 3 else "")
        for word, a, b in (("also", names, expected), ("without", expected, names))
        if (those := [name for name in a if name not in set(b)])
    ]
    if parts:
        return f"{len(names)} instead of {len(expected)}: {', '.join(parts)}"
    if len(names) != len(expected):
        return f"{len(names)} instead of {len(expected)}, some of them several times"
    first, other = next((a, b) for a, b in zip(names, expected, strict=True) if a != b)
    return f"the same {len(names)} in another order, first {first!r} instead of {other!r}"


def choose_preset(presets, name):
    """Return the parameters of a preset, a dict; ValueError if there is none of that name."""
    if name not in list(presets):
        similar = get_close_matches(str(name), presets, n=1, cutoff=0) or presets
        raise ValueError(f"unknown preset {name!r}; did you mean {' or '.join(map(repr, similar))}?")
    return presets[name]


def check_widths(estimator, names):
    """Raise a ValueError unless parameters that list layers hold positive integers only."""
    for name in names:
        widths = getattr(estimator, name)
        if not all(Interval(numbers.Integral, 1, None, closed="left").is_satisfied_by(width) for width in widths):
            raise ValueError(f"{name} must hold the width of every layer, positive integers, got {widths!r}")


def validate_parameters(estimator):
    """Raise the error of a wrong parameter as `fit` would, before any work; estimators without a table pass."""
    if hasattr(estimator, "_validate_params"):
        estimator._validate_params()  # noqa: SLF001


@contextmanager
def unchanged_after_error(estimator, *, resumes=False):
    """Leave an estimator as it was if a with block raises an error.

    Ctrl-C keeps the network that training has begun with, unless the same call `resumes` from what the estimator was.
    """
    before = vars(estimator).copy()
    try:
        yield
    except BaseException as error:
        begun = vars(estimator).get("net_") is not before.get("net_")
        if isinstance(error, Exception) or resumes or not begun:
            vars(estimator).clear()
            vars(estimator).update(before)
        raise


def wants_pandas(estimator):
    """Whether `set_output` asked an estimator for data frames of pandas."""
    return _get_output_config("transform", estimator)["dense"] == "pandas"
