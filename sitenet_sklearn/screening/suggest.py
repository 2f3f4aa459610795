"""`suggest`: which crystals of a pool to compute or measure next."""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.stats import norm
from sklearn.base import clone
from sklearn.utils import check_random_state

from sitenet_sklearn._pipelines import last_step
from sitenet_sklearn.crystals.ragged import RaggedCrystals
from sitenet_sklearn.estimators.calibrated import CalibratedRegressor
from sitenet_sklearn.estimators.chunks import split_featurizer
from sitenet_sklearn.estimators.prediction_table import prediction_columns

from .acquisition import order_of_improvement
from .diversity import farthest_points, representation

STRATEGIES = ("uncertainty", "expected_improvement", "diversity", "random")
_LEVEL = 0.9


def suggest(
    model, pool, k, strategy="uncertainty", *, best=None, maximize=True, labelled=None, random_state=None
) -> np.ndarray:
    """Choose what to compute next: the crystals of a pool whose values are worth most.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted. The first two strategies take an ensemble or a calibrated model.
    pool : RaggedCrystals or sequence of crystals
        n candidates, as the model takes them, whose values are not known. Those that fail are never chosen, and counted
        in a warning.
    k : int
        How many to choose, at most n.
    strategy : {"uncertainty", "expected_improvement", "diversity", "random"}, default="uncertainty"
        "uncertainty": the largest standard deviations, to improve the model everywhere (uncertainty sampling).
        "expected_improvement": the largest expected improvements over the best value known, to find the best crystal.
        "diversity": always the crystal farthest from all that are chosen and known, in the representation of the
        network (k-centre greedy, core-set). "random": to compare with.
    best : float, default=None
        The best value known, for "expected_improvement".
    maximize : bool, default=True
        Whether larger values are better, for "expected_improvement".
    labelled : RaggedCrystals or sequence of crystals, default=None
        Crystals whose values are known, for "diversity"; empty if there are none. None takes the training crystals
        that a calibrated model remembers, if it does.
    random_state : int, RandomState instance or None, default=None
        For "random".

    Returns
    -------
    ndarray of int, shape (k,)
        Rows of the pool, the best first.

    Raises
    ------
    TypeError
        If the strategy takes a standard deviation, and the model has none; if the model is none, or has no featurizer
        and the crystals are not featurized.
    ValueError
        If a parameter is wrong, or fewer than k crystals can be predicted.

    Notes
    -----
    The standard deviation is that of the members of a `SiteNetEnsemble`; of a calibrated model without an ensemble, the
    distance from the prediction to the upper end of its interval of 90 %, divided by 1.645, as for a normal
    distribution.

    References
    ----------
    Expected improvement: D. R. Jones, M. Schonlau, W. J. Welch, Journal of Global Optimization 13 (1998) 455,
    doi:10.1023/A:1008306431147. Core-set: O. Sener, S. Savarese, ICLR (2018), doi:10.48550/arXiv.1708.00489.

    Examples
    --------
    >>> from sitenet_sklearn import load_pretrained
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> from sitenet_sklearn.screening import suggest
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> model = load_pretrained("band_gap")
    >>> suggest(model, structures[:8], 2, "expected_improvement", best=3.0).shape
    (2,)
    """
    _check_choice(k, strategy, best)
    estimator, X = _featurize(model, pool)
    usable = np.flatnonzero(X.valid)
    if len(usable) < len(X):
        warnings.warn(f"{len(X) - len(usable)} of the {len(X)} crystals fail and are not chosen", stacklevel=2)
    if k > len(usable):
        raise ValueError(f"k must be at most {len(usable)}, the number of crystals that can be predicted, got {k}")
    X = X[usable]
    if strategy == "random":
        return usable[check_random_state(random_state).permutation(len(usable))[:k]]
    if strategy == "diversity":
        known = _known_vectors(model, estimator, labelled)
        return usable[farthest_points(representation(estimator, X), k, known=known)]
    mean, std = mean_and_std(estimator, X)
    if strategy == "uncertainty":
        return usable[np.argsort(-std, kind="stable")[:k]]
    return usable[order_of_improvement(mean, std, best, maximize=maximize)[:k]]


def _check_choice(k, strategy, best):
    """Raise a ValueError, before any work, for what cannot be chosen."""
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")
    is_number = isinstance(best, Real) and not isinstance(best, bool | np.bool_) and np.isfinite(float(best))
    if strategy == "expected_improvement" and not is_number:
        raise ValueError(f"'expected_improvement' takes the best value known as a number, got best={best!r}")
    if not isinstance(k, Integral) or isinstance(k, bool) or k < 1:
        raise ValueError(f"k must be a positive integer, got {k!r}")


def mean_and_std(estimator, X):
    """Predict with a standard deviation.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted, for featurized crystals.
    X : RaggedCrystals
        n crystals, none of them masked.

    Returns
    -------
    mean, std : ndarray of shape (n,)

    Raises
    ------
    TypeError
        If it has no standard deviation, or not one of one number.
    """
    table = prediction_columns(estimator, X, _LEVEL)
    if "prediction" in table and "std" in table:
        return table["prediction"].to_numpy(float), table["std"].to_numpy(float)
    if "upper" in table:
        mean = table["prediction"].to_numpy(float)
        return mean, (table["upper"].to_numpy(float) - mean) / norm.ppf(0.5 + _LEVEL / 2)
    raise TypeError(
        f"the strategy takes one prediction with a standard deviation, and {type(last_step(estimator)).__name__} has "
        "none: train a SiteNetEnsemble or a CalibratedRegressor, or choose by 'diversity'"
    )


def _featurize(model, pool):
    """Take the featurizer off a model, and featurize the pool where it has one."""
    featurizer, estimator = split_featurizer(model)
    if not hasattr(estimator, "predict"):
        raise TypeError(f"suggest takes a fitted model, such as from load_pretrained, got {type(model).__name__}")
    if featurizer is None:
        if not isinstance(pool, RaggedCrystals):
            raise TypeError(
                f"{type(estimator).__name__} has no featurizer, so it takes featurized crystals, got a "
                f"{type(pool).__name__}: give a pipeline, or the crystals of a SupercellFeaturizer"
            )
        return estimator, pool
    return estimator, clone(featurizer).set_params(on_error="mask").transform_with_failures(pool)[0]


def _known_vectors(model, estimator, labelled):
    if labelled is not None:
        if not len(labelled):
            return None
        X = _featurize(model, labelled)[1]
        return representation(estimator, X[X.valid])
    calibrated = last_step(estimator)
    return calibrated.calibration_.known.vectors if isinstance(calibrated, CalibratedRegressor) else None
