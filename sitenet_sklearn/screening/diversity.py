"""Crystals that differ from each other, as the network sees them."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.pipeline import Pipeline

from sitenet_sklearn._pipelines import last_step
from sitenet_sklearn.estimators.calibrated import CalibratedRegressor
from sitenet_sklearn.estimators.ensemble import first_network


def representation(estimator, X):
    """Describe crystals by the network's global vectors.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted, for featurized crystals.
    X : RaggedCrystals
        n crystals, none of them masked.

    Returns
    -------
    ndarray of shape (n, g)
        Global vectors of the first network; of a calibrated model on the principal axes of its training crystals,
        where its novelty is measured too.
    """
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        X = estimator[:-1].transform(X)
    model = last_step(estimator)
    if isinstance(model, CalibratedRegressor):
        known = model.calibration_.known
        return (np.asarray(first_network(model.estimator_).transform(X)) - known.origin) @ known.axes.T
    return np.asarray(first_network(model).transform(X))


def farthest_points(vectors, k, *, first=None, known=None):
    """Choose points one by one, each the farthest from those that are chosen or known (Gonzalez 1985).

    Parameters
    ----------
    vectors : ndarray of shape (n, g)
        Points.
    k : int
        How many to choose, at most n.
    first : int, default=None
        Row of the first one. None is the point farthest from the known ones, or without them from the mean.
    known : ndarray of shape (m, g), default=None
        Points to keep away from.

    Returns
    -------
    ndarray of int, shape (k,)
        Rows, in the order in which they were chosen.

    References
    ----------
    T. F. Gonzalez, Theoretical Computer Science 38 (1985) 293, doi:10.1016/0304-3975(85)90224-5: the largest distance
    of a point from the chosen ones is at most twice the smallest one possible.

    Examples
    --------
    >>> import numpy as np
    >>> farthest_points(np.array([[0.0], [0.1], [5.0], [9.0]]), 3, first=0)
    array([0, 3, 2])
    """
    vectors = np.asarray(vectors, dtype=float)
    distance = np.full(len(vectors), np.inf)
    if known is not None and len(known):
        distance = pairwise_distances_argmin_min(vectors, np.asarray(known, dtype=float))[1] ** 2
    if first is None:
        from_mean = ((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1)
        first = int((from_mean if np.isinf(distance).all() else distance).argmax())
    row = first
    chosen = []
    for _ in range(min(k, len(vectors))):
        chosen.append(row)
        distance = np.minimum(distance, ((vectors - vectors[row]) ** 2).sum(axis=1))
        distance[chosen] = -1.0
        row = int(distance.argmax())
    return np.array(chosen, dtype=int)
