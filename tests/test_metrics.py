import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from sitenet_sklearn.metrics import classification_metrics, regression_metrics


def test_crystals_without_a_value_are_not_counted():
    metrics = regression_metrics([0, 1, np.nan, 3], [0, 2, 5, np.nan])
    assert metrics == {
        "crystals": 2,
        "MAE": 0.5,
        "RMSE": pytest.approx(0.5**0.5),
        "R2": -1,
        "Spearman": pytest.approx(1),
    }
    with pytest.raises(ValueError, match="none of 1 crystals has both a true and a predicted value"):
        regression_metrics([np.nan], [1])


def test_what_is_not_defined_is_nan():
    metrics = regression_metrics([1], [2])
    assert metrics["MAE"] == 1
    assert np.isnan([metrics["R2"], metrics["Spearman"]]).all()
    assert np.isnan(classification_metrics(["a"], np.array([[0.1, 0.9]]), ["a", "b"])["ROC AUC"])


def test_classes_are_measured_as_by_scikit_learn(rng):
    share = rng.uniform(size=50)
    y_true, shares = np.where(rng.uniform(size=50) < share, "b", "a"), np.column_stack([1 - share, share])
    metrics = classification_metrics(y_true, shares, ["a", "b"])
    y_pred = np.where(share > 0.5, "b", "a")
    assert metrics["accuracy"] == np.mean(y_pred == y_true)
    assert metrics["balanced accuracy"] == pytest.approx(balanced_accuracy_score(y_true, y_pred))
    assert metrics["ROC AUC"] == roc_auc_score(y_true == "b", share)
    assert "ROC AUC" not in classification_metrics(["a", "b"], np.eye(3)[:2], ["a", "b", "c"])
