"""Which crystals an estimator takes, which it trains on and which it holds out, and how many at a time."""

import warnings

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from sitenet_sklearn._validation import name_difference
from sitenet_sklearn.crystals.ragged import RaggedCrystals

AUTO_BATCH_SIZES = (128, 1200)
"""Smallest and largest batch that "auto" chooses, in primitive sites; the larger is the paper's."""

STEPS_PER_EPOCH = 20

MIN_SPLIT = 20
"""Fewer training crystals than these are not split."""


def check_crystals(X, estimator, *, may_be_empty=False):
    """Raise a TypeError unless X is a `RaggedCrystals`, a ValueError if it is empty.

    Parameters
    ----------
    X : object
        What a user passed as crystals.
    estimator : object
        Whose input this is; its class is named in messages.
    may_be_empty : bool, default=False
        Whether X may hold no crystals.
    """
    name = type(estimator).__name__
    if not isinstance(X, RaggedCrystals):
        raise TypeError(
            f"{name} expects RaggedCrystals, got {type(X).__name__}: put a SupercellFeaturizer before it, "
            "as in make_pipeline(SupercellFeaturizer(), SiteNetRegressor())"
        )
    if len(X) == 0 and not may_be_empty:
        raise ValueError(f"{name} expects at least one crystal, got an empty RaggedCrystals")


def trainable(X, weight=None, *, train_oversized=False):
    """Tell which crystals to train on; warnings count the others.

    Parameters
    ----------
    X : RaggedCrystals
        n crystals.
    weight : ndarray of shape (n,), default=None
        Weights of the crystals: 0 is leaving out.
    train_oversized : bool, default=False
        Whether to keep crystals whose primitive cell alone exceeds `max_atoms`.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        If none is left.
    """
    usable = X.valid
    if not usable.all():
        warnings.warn(f"{(~usable).sum()} masked crystals are left out of training", stacklevel=4)
    oversized = usable & X.oversized
    if oversized.any() and not train_oversized:
        warnings.warn(
            f"{oversized.sum()} crystals whose primitive cell exceeds max_atoms={X.max_atoms} are left out of "
            "training: pass train_oversized=True to keep them",
            stacklevel=4,
        )
        usable = usable & ~oversized
    if usable.any() and weight is not None:
        usable = usable & (weight > 0)
        if not usable.any():
            raise ValueError("sample_weight is 0 for all crystals that can be trained on: give one of them a weight")
    if not usable.any():
        raise ValueError(f"none of {len(X)} crystals can be trained on: all are masked or exceed max_atoms")
    return usable


def split_crystals(n, random, *, share=None, groups=None):
    """Draw the crystals to train on and those to hold out.

    Parameters
    ----------
    n : int
        Number of crystals.
    random : RandomState
        Source of the split. As many numbers are drawn whether crystals are held out or not.
    share : float, default=None
        Share to hold out; None for none. Fewer than `MIN_SPLIT` crystals are never split.
    groups : ndarray of shape (n,), default=None
        Crystals of one group stay together.

    Returns
    -------
    train, held_out : ndarray of int
        Indices, the second possibly empty.

    Examples
    --------
    >>> import numpy as np
    >>> train, held_out = split_crystals(40, np.random.RandomState(0), share=0.1)
    >>> len(train), held_out.tolist()
    (36, [4, 20, 22, 25])
    """
    if share is None or n < MIN_SPLIT:
        random.permutation(n)
        return np.arange(n), np.arange(0)
    if groups is not None:
        n_groups = len(np.unique(groups))
        if n_groups < 2:
            raise ValueError(
                f"all {n} crystals are of one group, which early_stopping would hold out whole: name others"
            )
        if np.ceil(share * n_groups) >= n_groups:
            raise ValueError(
                f"validation_fraction={share} of {n_groups} groups leaves none to train on: pass a smaller one"
            )
        splitter = GroupShuffleSplit(1, test_size=share, random_state=random)
        return next(splitter.split(groups, groups=groups))
    order, n_held_out = random.permutation(n), max(1, round(share * n))
    if n_held_out >= n:
        raise ValueError(f"validation_fraction={share} of {n} crystals leaves none to train on: pass a smaller one")
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def resolve_batch_size(batch_size, sizes):
    """Choose the number of primitive sites in a batch.

    Parameters
    ----------
    batch_size : int or "auto"
        "auto" leaves `STEPS_PER_EPOCH` batches an epoch, within `AUTO_BATCH_SIZES`.
    sizes : ndarray of int, shape (n,)
        Primitive sites of the training crystals.

    Returns
    -------
    int

    Examples
    --------
    >>> resolve_batch_size("auto", [10] * 800), resolve_batch_size("auto", [10] * 8), resolve_batch_size(77, [10] * 800)
    (400, 128, 77)
    """
    return int(np.clip(np.sum(sizes) // STEPS_PER_EPOCH, *AUTO_BATCH_SIZES)) if batch_size == "auto" else batch_size


def check_validation_data(validation_data, estimator, X, y, check_target):
    """Check crystals and targets that were given to be held out.

    Parameters
    ----------
    validation_data : tuple (X, y)
        As given to `fit`; X may be crystals that are not featurized yet.
    estimator : object
        Whose input this is.
    X : RaggedCrystals
        Training crystals.
    y : ndarray of shape (n,) or (n, k)
        Training targets.
    check_target : callable
        Called as ``check_target(y, used)`` with a mask of the crystals that matter; makes targets an array.

    Returns
    -------
    X : RaggedCrystals
        The crystals that are not masked.
    y : ndarray
        Their targets.

    Raises
    ------
    TypeError, ValueError
        If it is no pair, or crystals or targets are not of the kind of the training data.
    """
    try:
        X_held_out, y_held_out = validation_data
    except (TypeError, ValueError) as error:
        raise ValueError("validation_data must be a pair (X, y)") from error
    if not isinstance(X_held_out, RaggedCrystals) and X.featurizer is not None:  # in a pipeline nobody did it
        X_held_out = X.featurizer.transform(X_held_out)
    check_crystals(X_held_out, estimator)
    for name in ("site_feature_names", "interaction_feature_names"):
        if getattr(X_held_out, name) != getattr(X, name):
            difference = name_difference(getattr(X_held_out, name), getattr(X, name))
            raise ValueError(f"validation_data has other {name} than X: {difference}")
    y_held_out = check_target(y_held_out, X_held_out.valid)
    if y_held_out.shape[1:] != y.shape[1:]:
        raise ValueError(f"validation_data has targets of shape {y_held_out.shape}, those of y are {y.shape}")
    return X_held_out[X_held_out.valid], y_held_out[X_held_out.valid]
