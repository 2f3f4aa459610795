"""How good predictions are, in numbers: errors of one target, of several of which some are unknown, and of classes."""

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import (
    accuracy_score,
    mean_absolute_error,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

__all__ = ["classification_metrics", "mean_over_targets", "regression_metrics"]


def regression_metrics(y_true, y_pred):
    """Measure the errors of numbers.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
        True and predicted values; crystals where one is NaN are left out.

    Returns
    -------
    dict of str to float
        Number of crystals; MAE and RMSE in the unit of the target; R2 and Spearman's rank correlation, NaN where they
        are not defined.

    Examples
    --------
    >>> {name: round(float(value), 3) for name, value in regression_metrics([0, 1, 2], [0, 1, 4]).items()}
    {'crystals': 3.0, 'MAE': 0.667, 'RMSE': 1.155, 'R2': -1.0, 'Spearman': 1.0}
    """
    y_true, y_pred = np.asarray(y_true, float), np.asarray(y_pred, float)
    known = np.isfinite(y_true) & np.isfinite(y_pred)
    true, predicted = y_true[known], y_pred[known]
    if not len(true):
        raise ValueError(f"none of {len(y_true)} crystals has both a true and a predicted value")
    varies = len(true) > 1 and np.ptp(true) > 0
    return {
        "crystals": len(true),
        "MAE": float(mean_absolute_error(true, predicted)),
        "RMSE": float(root_mean_squared_error(true, predicted)),
        "R2": float(r2_score(true, predicted)) if varies else np.nan,
        "Spearman": float(spearmanr(true, predicted).statistic) if varies and np.ptp(predicted) > 0 else np.nan,
    }


def classification_metrics(y_true, probabilities, classes):
    """Measure the errors of classes.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        True classes.
    probabilities : ndarray of shape (n, k)
        Predicted ones.
    classes : ndarray of shape (k,)
        Which columns they are.

    Returns
    -------
    dict of str to float
        Number of crystals, accuracy, balanced accuracy over the classes that occur, and for two classes the area under
        the ROC curve, NaN where only one occurs.
    """
    classes = np.asarray(classes)
    y_true, y_pred = np.asarray(y_true), classes[np.asarray(probabilities).argmax(axis=1)]
    present = np.unique(y_true)
    recall = recall_score(y_true, y_pred, labels=present, average="macro", zero_division=0)
    metrics = {
        "crystals": len(y_true),
        "accuracy": float(accuracy_score(y_true, y_pred)),
        "balanced accuracy": float(recall),
    }
    if len(classes) == 2:
        both = len(present) == 2
        metrics["ROC AUC"] = float(roc_auc_score(y_true == classes[1], probabilities[:, 1])) if both else np.nan
    return metrics


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
