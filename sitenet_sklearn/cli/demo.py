"""The demonstration: train Site-Net on the bundled band gaps and compare it with simpler models."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import mean_absolute_error

from sitenet_sklearn._files import write_whole_file, written_whole
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.displays.predictions import ParityDisplay
from sitenet_sklearn.tables.predictions import as_text

from .baselines import baseline_predictions, magpie_features
from .pipelines import make_model, write_fitted

N_TRAIN = 844
FILES = ("model.safetensors", "predictions.csv", "parity.png")


class DemoResult(NamedTuple):
    """What the demonstration found.

    Attributes
    ----------
    errors : dict of str to float
        Test mean absolute error of every model, in eV.
    files : list of pathlib.Path
        Files written: fitted model, predictions, parity plot.
    """

    errors: dict[str, float]
    files: list[Path]


def run_demo(folder, *, max_atoms=50, max_epochs=40, random_state=0, n_crystals=None, verbose=1):
    """Train and evaluate on the bundled band gaps, 844 crystals against 212.

    Parameters
    ----------
    folder : str or path-like
        Where to write; made if missing.
    max_atoms : int, default=50
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
    train, test = split_crystals(len(crystals.data), n_crystals)
    y_train, y_test = crystals.target[train], crystals.target[test]
    settings = {"max_atoms": max_atoms, "max_epochs": max_epochs, "random_state": random_state}
    pipeline = make_model({}, classify=False, device="auto", jobs=None, quiet=not verbose, **settings)
    pipeline.fit([crystals.data[k] for k in train], y_train)
    predicted = pipeline.predict([crystals.data[k] for k in test])
    features = magpie_features([structure.composition for structure in crystals.data])
    others = baseline_predictions(features, crystals.target, train, test, random_state=random_state)
    found = {"Site-Net": predicted} | others
    errors = {name: mean_absolute_error(y_test, values) for name, values in found.items()}
    files = [folder / name for name in FILES]
    write_fitted(pipeline, files[0])
    _write_predictions(files[1], crystals, test, predicted)
    _draw_parity(files[2], y_test, predicted)
    return DemoResult(errors, files)


def split_crystals(n, n_used=None):
    """Split crystals as the demonstration does, always in the same way.

    Parameters
    ----------
    n : int
        Number of crystals.
    n_used : int, default=None
        Use only that many; None uses all.

    Returns
    -------
    train, test : ndarray of int
        Indices; of the bundled 1,056 band gaps 844 and 212.

    Examples
    --------
    >>> [len(part) for part in split_crystals(1056)]
    [844, 212]
    """
    order = np.random.RandomState(0).permutation(n)[:n_used]
    n_train = N_TRAIN * len(order) // n
    return order[:n_train], order[n_train:]


def _write_predictions(path, crystals, test, predicted):
    formulas = [crystals.data[k].composition.reduced_formula for k in test]
    columns = {"id": crystals.ids[test], "formula": formulas, "true": crystals.target[test], "prediction": predicted}
    write_whole_file(path, as_text(pd.DataFrame(columns)).encode())


def _draw_parity(path, y_true, y_pred):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 4.8), layout="constrained")
    ParityDisplay.from_predictions(y_true, y_pred, ax=figure.add_subplot())
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")
