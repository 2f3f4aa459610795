"""What a fitted model says about crystals, as a table with a row for each."""

import inspect

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline

from sitenet_sklearn._pipelines import last_step
from sitenet_sklearn.crystals.ragged import RaggedCrystals

from .calibrated import CalibratedRegressor, check_level
from .chunks import split_featurizer
from .disorder import DisorderedRegressor
from .novelty import composition_of


def predict_table(model, X, *, level=0.9, on_error="raise", n_jobs=None) -> pd.DataFrame:
    """Predict with all that a model can tell, a row for every crystal.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted, such as from `load_pretrained`.
    X : sequence
        n crystals, as the model takes them: structures, paths, dicts, ASE Atoms. The labels of a pandas Series become
        those of the table.
    level : float, default=0.9
        Share of values inside the intervals, where the model has some.
    on_error : {"raise", "mask"}, default="raise"
        What to do with crystals that fail: one error that lists them, or a row without a prediction.
    n_jobs : int, default=None
        Number of processes that featurize; None is 1.

    Returns
    -------
    pandas.DataFrame
        n rows: `formula`, and what the model has of `prediction`, `lower`, `upper`, `std`, `probability_above_0`,
        `novelty`, `flags` and `nearest`, see `CalibratedRegressor.predict_table`; of a classifier the class and a
        column `probability_<class>` for each.

    Raises
    ------
    FeaturizationError
        If crystals fail and `on_error` is "raise".

    Examples
    --------
    >>> from sitenet_sklearn import load_pretrained, predict_table
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures = load_dielectric().data[:3]
    >>> table = predict_table(load_pretrained("band_gap"), structures)
    >>> table["formula"].tolist()
    ['Rb2Te', 'CdCl2', 'MnI2']
    """
    check_level(level)
    featurizer, estimator = split_featurizer(model)
    index = X.index if hasattr(X, "iloc") else None
    if featurizer is not None:
        featurizer = clone(featurizer).set_params(on_error=on_error, n_jobs=n_jobs, verbose=0)
        X, failures = featurizer.transform_with_failures(X)
        featurizer.raise_or_warn(failures)
    table = prediction_columns(estimator, X, level)
    if isinstance(X, RaggedCrystals):
        formulas = [composition_of(c).reduced_formula if valid else None for c, valid in zip(X, X.valid, strict=True)]
        table.insert(0, "formula", formulas)
        index = X.index
    return table if index is None else table.set_axis(index)


def prediction_columns(model, X, level=0.9):
    """Predict all that a model can tell.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted.
    X : RaggedCrystals or list of crystals
        n crystals, as the model takes them.
    level : float, default=0.9
        Share of values inside the intervals, where the model has some.

    Returns
    -------
    pandas.DataFrame
        n rows: `prediction`, or `prediction_1` and so on for several targets; the same with `std` for an ensemble; of
        a classifier the class, and `probability_<class>` for each; the columns of `CalibratedRegressor.predict_table`;
        of a `DisorderedRegressor` the `std` over its `arrangements`, and their number.
        Masked crystals have NaN or None.
    """
    if isinstance(model, DisorderedRegressor):
        found = model.predict_distribution(X, quantiles=())
        return found.rename(columns={"mean": "prediction", "n": "arrangements"}).reset_index(drop=True)
    if isinstance(last_step(model), CalibratedRegressor):
        X = model[:-1].transform(X) if isinstance(model, Pipeline) and len(model.steps) > 1 else X
        return last_step(model).predict_table(X, level).reset_index(drop=True)
    if is_classifier(model):
        shares = model.predict_proba(X)
        classes = np.asarray(model.classes_).astype(object)
        best = np.where(np.isnan(shares).any(axis=1), None, classes[np.nan_to_num(shares).argmax(axis=1)])
        columns = {"prediction": best}
        return pd.DataFrame(columns | {f"probability_{label}": shares[:, k] for k, label in enumerate(classes)})
    if "return_std" in inspect.signature(last_step(model).predict).parameters:
        mean, std = model.predict(X, return_std=True)
        return pd.DataFrame(_numbered("prediction", mean) | _numbered("std", std))
    return pd.DataFrame(_numbered("prediction", model.predict(X)))


def _numbered(name, values):
    if values.ndim == 1:
        return {name: values}
    return {f"{name}_{k + 1}": values[:, k] for k in range(values.shape[1])}
