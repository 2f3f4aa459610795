"""Reports of predictions: one HTML file with metrics, figures and the largest errors, that needs nothing else."""

import numpy as np
import pandas as pd

from sitenet_sklearn.metrics import classification_metrics, regression_metrics

from .pages import figure, table, write_page
from .predictions import ElementErrorDisplay, ErrorDisplay, ParityDisplay, UncertaintyDisplay

WIDE = (11.0, 5.2)

MEANINGS = {
    "MAE": "mean absolute error",
    "RMSE": "root of the mean squared error: large errors count more",
    "R2": "share of the variance that is explained; 1 is perfect, 0 is no better than the mean",
    "Spearman": "rank correlation; 1 where the order of the crystals is right",
    "crystals": "crystals with a true and a predicted value",
    "accuracy": "share of the crystals in the right class",
    "balanced accuracy": "the same, each class counting as much as any other",
    "ROC AUC": "chance that of two crystals of different classes the right one has the higher probability",
}


def write_report(
    path,
    structures,
    y_true,
    predictions,
    *,
    model=None,
    title="Predictions of crystals",
    data="the crystals given",
    names=("band gap",),
    unit="eV",
    left_out=(),
    n_worst=20,
):
    """Write a report of predictions that are known already.

    Parameters
    ----------
    path : path-like
        HTML file to write. It holds its figures, loads nothing, and runs no code.
    structures : pandas.Series or list of pymatgen.core.Structure
        n crystals; the labels of a Series are their ids.
    y_true : array-like of shape (n,) or (n, k)
        True numbers, NaN where unknown, or true classes.
    predictions : pandas.DataFrame
        n rows, from `sitenet_sklearn.estimators.prediction_columns`.
    model : estimator or Pipeline, default=None
        What predicted; its parameters are listed where they differ from the defaults.
    title : str, default="Predictions of crystals"
        Title.
    data : str, default="the crystals given"
        What the crystals are, for example the name of their file.
    names : sequence of str, default=("band gap",)
        Names of the k targets, or of the class.
    unit : str, default="eV"
        Unit of the targets.
    left_out : sequence of Failure, default=()
        Crystals that could not be used.
    n_worst : int, default=20
        How many of the largest errors to list.

    Raises
    ------
    ValueError
        If lengths differ.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> predictions = pd.DataFrame({"prediction": band_gap[:30] + 0.1})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(f"{folder}/report.html", structures[:30], band_gap[:30], predictions)
    ...     "0.100" in Path(f"{folder}/report.html").read_text(encoding="utf-8")
    True
    """
    ids = (
        list(map(str, structures.index))
        if isinstance(structures, pd.Series)
        else list(map(str, range(len(structures))))
    )
    crystals, y_true = pd.Series(list(structures), index=ids, dtype=object), np.asarray(y_true)
    if not len(crystals) == len(y_true) == len(predictions):
        raise ValueError(
            f"{len(crystals)} crystals, {len(y_true)} true values and {len(predictions)} predictions are not as many"
        )
    if any(name.startswith("probability_") for name in predictions):
        targets = [_part_of_classes(crystals, y_true, predictions, names[0], n_worst)]
    else:
        targets = _parts_of_numbers(crystals, y_true, predictions, names=names, unit=unit, n_worst=n_worst)
    write_page(
        path,
        "report.html",
        model=model,
        data=f"{data} ({len(crystals):,} crystals)",
        title=title,
        targets=targets,
        left_out=_left_out(left_out),
    )


def _parts_of_numbers(crystals, y_true, predictions, *, names, unit, n_worst):
    """Make the part of every target."""
    columns = y_true.reshape(len(y_true), -1).astype(float)
    if columns.shape[1] != len(names):
        raise ValueError(f"{columns.shape[1]} targets have {len(names)} names: {', '.join(names)}")
    parts = []
    for k, name in enumerate(names):
        end = f"_{k + 1}" if len(names) > 1 else ""
        if f"prediction{end}" not in predictions:
            raise ValueError(f"there are {len(names)} true values of a crystal, but no column prediction{end}")
        predicted = predictions[f"prediction{end}"].to_numpy(float)
        std = predictions[f"std{end}"].to_numpy(float) if f"std{end}" in predictions else None
        known = np.isfinite(columns[:, k]) & np.isfinite(predicted)
        metrics = regression_metrics(columns[:, k], predicted)
        true, predicted, std = columns[known, k], predicted[known], None if std is None else std[known]
        parts.append(
            {
                "heading": name if len(names) > 1 else "",
                "cards": _cards(metrics, unit),
                "metrics": _metrics_table(metrics, unit),
                "figures": _figures_of_numbers(crystals[known], true, predicted, std, quantity=name, unit=unit),
                "worst": _worst_numbers(crystals[known], true, predicted, std, unit=unit, n_worst=n_worst),
            }
        )
    return parts


def _part_of_classes(crystals, y_true, predictions, name, n_worst):
    columns = [column for column in predictions if column.startswith("probability_")]
    classes = np.array([column.removeprefix("probability_") for column in columns])
    shares, y_true = predictions[columns].to_numpy(float), y_true.astype(str)
    metrics = classification_metrics(y_true, shares, classes)
    return {
        "heading": "",
        "cards": _cards(metrics, ""),
        "metrics": _metrics_table(metrics, ""),
        "figures": _figures_of_classes(crystals, y_true, shares, classes, name),
        "worst": _worst_classes(crystals, y_true, shares, classes, n_worst),
    }


def _figures_of_numbers(crystals, true, predicted, std, **words):
    by_element = ElementErrorDisplay.from_predictions
    drawn = [
        figure(
            lambda ax: ParityDisplay.from_predictions(true, predicted, ax=ax, **words),
            "Predicted against true values. On the line, a prediction is right.",
        ),
        figure(
            lambda ax: ErrorDisplay.from_predictions(true, predicted, ax=ax, **words),
            "Absolute error against the true value: crystals, and the mean in bins.",
        ),
        figure(
            lambda ax: by_element(list(crystals), true, predicted, unit=words["unit"], ax=ax),
            "Mean absolute error of the crystals that hold an element, and their number.",
            size=WIDE,
        ),
    ]
    if std is not None:
        spread = figure(
            lambda ax: UncertaintyDisplay.from_predictions(true, predicted, std, ax=ax),
            "Share of true values inside intervals of the spread; below the line the spread is too small.",
        )
        drawn.insert(2, spread)
    return drawn


def _figures_of_classes(crystals, y_true, shares, classes, name):
    from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay

    predicted = classes[shares.argmax(axis=1)]
    wrong = (predicted != y_true).astype(float)
    drawn = [
        figure(
            lambda ax: ConfusionMatrixDisplay.from_predictions(
                y_true, predicted, labels=classes, ax=ax, cmap="Blues", colorbar=False
            ),
            f"True and predicted classes ({name}), in numbers of crystals.",
        ),
        figure(
            lambda ax: _draw_by_element(crystals, wrong, ax),
            "Share of wrong classes among the crystals that hold an element, and their number.",
            size=WIDE,
        ),
    ]
    if len(classes) == 2 and len(np.unique(y_true)) == 2:
        curve = figure(
            lambda ax: RocCurveDisplay.from_predictions(
                y_true, shares[:, 1], pos_label=classes[1], ax=ax, plot_chance_level=True, name=str(classes[1])
            ),
            f"True against false positives for the class {classes[1]}, by the threshold of its probability.",
        )
        drawn.insert(1, curve)
    return drawn


def _draw_by_element(crystals, wrong, ax):
    display = ElementErrorDisplay.from_predictions(list(crystals), wrong, np.zeros(len(wrong)), unit="share", ax=ax)
    display.ax_.set_title("wrong classes by element, with the number of crystals that hold it")
    display.figure_.axes[-1].set_ylabel("share of wrong classes")


def _worst_numbers(crystals, true, predicted, std, *, unit, n_worst):
    errors = np.abs(predicted - true)
    worst = np.argsort(-errors, kind="stable")[:n_worst]
    spread = [] if std is None else ["spread"]
    rows = [
        [*_name_of(crystals, k), *(f"{value:.3f}" for value in (true[k], predicted[k], predicted[k] - true[k]))]
        + ([] if std is None else [f"{std[k]:.3f}"])
        for k in worst
    ]
    columns = ["id", "formula", "true", "predicted", "error", *spread]
    caption = f"The {len(worst)} crystals with the largest absolute errors" + (f"; in {unit}" if unit else "")
    return table(caption, columns, rows, numbers=range(2, len(columns)))


def _worst_classes(crystals, y_true, shares, classes, n_worst):
    column = {str(label): k for k, label in enumerate(classes)}
    of_truth = np.array([shares[k, column[label]] for k, label in enumerate(y_true)])
    worst = np.argsort(of_truth, kind="stable")[:n_worst]
    rows = [[*_name_of(crystals, k), y_true[k], classes[shares[k].argmax()], f"{of_truth[k]:.3f}"] for k in worst]
    caption = f"The {len(worst)} crystals whose true class got the lowest probability"
    return table(caption, ["id", "formula", "true", "predicted", "probability of the true class"], rows, numbers=(4,))


def _name_of(crystals, k):
    return crystals.index[k], crystals.iloc[k].composition.reduced_formula


def _cards(metrics, unit):
    """Triples of name, value and unit, the number of crystals last."""
    ordered = sorted(metrics.items(), key=lambda item: item[0] == "crystals")
    return [(name, _number(value), unit if name in {"MAE", "RMSE"} else "") for name, value in ordered]


def _metrics_table(metrics, unit):
    rows = [
        [name, " ".join(filter(None, (value, of_unit))), MEANINGS[name]]
        for name, value, of_unit in _cards(metrics, unit)
    ]
    return table("Errors over all crystals", ["metric", "value", "meaning"], rows, numbers=(1,))


def _number(value):
    return f"{value:,}" if isinstance(value, int) else ("not defined" if np.isnan(value) else f"{value:.3f}")


def _left_out(failures):
    rows = [[str(failure.index), failure.name, failure.formula, failure.reason] for failure in failures]
    return table(f"{len(rows)} rows that could not be used", ["row", "id", "formula", "reason"], rows)
