"""How good predictions are, in numbers, from scikit-learn and SciPy."""

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
