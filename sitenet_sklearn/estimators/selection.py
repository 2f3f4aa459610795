"""Which crystals an estimator can take, and which of them it can train on."""

import warnings

from sitenet_sklearn.crystals.ragged import RaggedCrystals


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


def trainable(X, *, train_oversized=False):
    """Tell which crystals to train on; warnings count the others.

    Parameters
    ----------
    X : RaggedCrystals
        n crystals.
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
    if not usable.any():
        raise ValueError(f"none of {len(X)} crystals can be trained on: all are masked or exceed max_atoms")
    return usable
