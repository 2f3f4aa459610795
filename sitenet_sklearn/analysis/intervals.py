"""Intervals of conformal prediction, for physical quantities that have a lowest value."""

from typing import NamedTuple

import numpy as np


class Intervals(NamedTuple):
    """Predictions with the intervals around them.

    Attributes
    ----------
    predicted : ndarray of shape (n,)
        Predictions.
    lower, upper : ndarray of shape (n, k)
        Ends of the intervals of k confidence levels.
    """

    predicted: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def predict_intervals(conformal, X, *, lowest=0.0):
    """Predict intervals that end where the quantity does: there is no negative band gap.

    Parameters
    ----------
    conformal : object with `predict_interval`
        A conformalized regressor of MAPIE, for example `mapie.regression.SplitConformalRegressor`.
    X : list of crystals or RaggedCrystals
        n crystals, as the estimator inside takes them.
    lowest : float, default=0.0
        Smallest possible value; None where there is none, as for formation energies.

    Returns
    -------
    Intervals

    Examples
    --------
    >>> from mapie.regression import SplitConformalRegressor
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> X = SupercellFeaturizer(max_atoms=20).fit_transform(structures[:60])
    >>> model = SiteNetRegressor(max_epochs=1).fit(X[:20], band_gap[:20])
    >>> conformal = SplitConformalRegressor(model, confidence_level=[0.5, 0.9])
    >>> predicted, lower, upper = predict_intervals(conformal.conformalize(X[20:50], band_gap[20:50]), X[50:])
    >>> lower.shape, bool((lower >= 0).all())
    ((10, 2), True)
    """
    predicted, ends = conformal.predict_interval(X)
    lowest = -np.inf if lowest is None else lowest
    lower, upper = (ends[:, side].clip(min=lowest) for side in (0, 1))
    return Intervals(predicted, lower, upper)
