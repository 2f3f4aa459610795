"""Scores of several targets, of which some are unknown."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import mean_absolute_error, r2_score


def mean_over_targets(y_true, y_pred, *, metric=mean_absolute_error, sample_weight=None):
    """Average a metric over targets, each over the crystals of which it is known.

    The metrics of scikit-learn refuse NaN. ``make_scorer(mean_over_targets, greater_is_better=False)`` makes a scorer
    of this one, for `cross_val_score` and the like.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, k)
        Targets; among several, NaN where one is unknown. Targets that are unknown of all crystals do not count.
    y_pred : array-like of the same shape
        Predictions.
    metric : callable, default=mean_absolute_error
        Metric of scikit-learn for one target.
    sample_weight : array-like of shape (n,), default=None
        Weights of the crystals.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes differ, if a prediction or a single target is NaN, or if none of several targets is known.

    Examples
    --------
    >>> import numpy as np
    >>> mean_over_targets([[1, 10], [2, np.nan]], [[1, 13], [3, 20]])
    1.75
    """
    y_true, y_pred = np.asarray(y_true, float), np.asarray(y_pred, float)
    known = ~np.isnan(y_true)
    if y_true.ndim == 1 or known.all():
        return float(metric(y_true, y_pred, sample_weight=sample_weight))
    if y_true.shape != y_pred.shape:
        raise ValueError(f"targets have shape {y_true.shape}, predictions {y_pred.shape}: pass one for every target")
    if not known.any():
        raise ValueError("none of the targets is known, all are NaN: leave these crystals out")
    weight = np.ones(len(y_true)) if sample_weight is None else np.asarray(sample_weight, float)
    columns = [(k, rows) for k, rows in enumerate(known.T) if rows.any()]
    return float(np.mean([metric(y_true[rows, k], y_pred[rows, k], sample_weight=weight[rows]) for k, rows in columns]))


class KnownTargetsMixin(RegressorMixin):
    """Regressor whose score leaves out unknown targets."""

    def score(self, X, y, sample_weight=None) -> float:
        """Coefficient of determination R2, the mean over targets, each over the crystals of which it is known.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals, or what else the estimator predicts for.
        y : array-like of shape (n,) or (n, k)
            Targets; among several, NaN where one is unknown.
        sample_weight : array-like of shape (n,), default=None
            Weights of the crystals.

        Returns
        -------
        float
        """
        return mean_over_targets(y, self.predict(X), metric=r2_score, sample_weight=sample_weight)
