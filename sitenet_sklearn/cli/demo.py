"""The demonstration: train Site-Net on the bundled band gaps and compare it with simpler models."""

import csv
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import PredictionErrorDisplay, mean_absolute_error
from sklearn.pipeline import Pipeline

from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.estimators.regressor import SiteNetRegressor
from sitenet_sklearn.featurization.featurizer import SupercellFeaturizer

N_TRAIN = 844


class DemoResult(NamedTuple):
    """What the demonstration found.

    Attributes
    ----------
    errors : dict of str to float
        Test mean absolute error of every model, in eV.
    files : list of pathlib.Path
        Files written: fitted pipeline, predictions, parity plot.
    """

    errors: dict[str, float]
    files: list[Path]


def run_demo(folder, *, max_atoms=100, max_epochs=40, random_state=0, n_crystals=None, verbose=1):
    """Train and evaluate on the bundled band gaps, 844 crystals against 212.

    Parameters
    ----------
    folder : str or path-like
        Where to write; made if missing.
    max_atoms : int, default=100
        Size of the supercells.
    max_epochs : int, default=40
        Length of training.
    random_state : int, default=0
        Seed of the models; the split is always the same.
    n_crystals : int, default=None
        Use only that many crystals, for a quick look; None uses all.
    verbose : int, default=1
        Whether to show progress.

    Returns
    -------
    DemoResult
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    crystals = load_dielectric()
    order = np.random.RandomState(0).permutation(len(crystals.data))[:n_crystals]
    n_train = N_TRAIN * len(order) // len(crystals.data)
    train, test = order[:n_train], order[n_train:]
    y_train, y_test = crystals.target[train], crystals.target[test]
    featurizer = SupercellFeaturizer(
        max_atoms=max_atoms, site_features="all", interaction_features="gaussians", verbose=verbose
    )
    pipeline = Pipeline(
        [
            ("featurizer", featurizer),
            ("sitenet", SiteNetRegressor(max_epochs=max_epochs, random_state=random_state, verbose=verbose)),
        ]
    )
    pipeline.fit([crystals.data[k] for k in train], y_train)
    predictions = {"Site-Net": pipeline.predict([crystals.data[k] for k in test])}
    composition = magpie_features([structure.composition for structure in crystals.data])
    boosting = HistGradientBoostingRegressor(random_state=random_state)
    predictions["gradient boosting, Magpie"] = boosting.fit(composition[train], y_train).predict(composition[test])
    predictions["median"] = DummyRegressor(strategy="median").fit(train[:, None], y_train).predict(test[:, None])
    errors = {name: mean_absolute_error(y_test, y) for name, y in predictions.items()}
    files = [folder / "pipeline.joblib", folder / "predictions.csv", folder / "parity.png"]
    joblib.dump(pipeline, files[0])
    _write_predictions(files[1], crystals, test, predictions["Site-Net"])
    _draw_parity(files[2], y_test, predictions["Site-Net"], errors["Site-Net"])
    return DemoResult(errors, files)


def magpie_features(compositions):
    """Magpie statistics of elemental properties, matminer's baseline features of a composition.

    Parameters
    ----------
    compositions : list of pymatgen.core.Composition
        n compositions.

    Returns
    -------
    ndarray of shape (n, 132)
    """
    from matminer.featurizers.composition import ElementProperty

    featurizer = ElementProperty.from_preset("magpie", impute_nan=True)
    return np.array([featurizer.featurize(composition) for composition in compositions])


def _write_predictions(path, crystals, test, predicted):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "formula", "band_gap_eV", "predicted_eV"])
        for k, value in zip(test, predicted, strict=True):
            formula = crystals.data[k].composition.reduced_formula
            writer.writerow([crystals.ids[k], formula, crystals.target[k], f"{value:.4f}"])


def _draw_parity(path, y_true, y_pred, error):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    PredictionErrorDisplay.from_predictions(
        y_true, y_pred, kind="actual_vs_predicted", ax=axes, scatter_kwargs={"s": 14, "alpha": 0.6}
    )
    axes.set(xlabel="Predicted band gap (eV)", ylabel="PBE band gap (eV)", title=f"Site-Net, test MAE {error:.2f} eV")
    figure.savefig(path, dpi=150)
