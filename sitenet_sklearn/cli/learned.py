"""Which crystals of a table a model, from which training begins, has learned already."""

import numpy as np

from sitenet_sklearn.estimators.calibrated import CalibratedRegressor
from sitenet_sklearn.estimators.chunks import split_featurizer
from sitenet_sklearn.estimators.ensemble import first_network
from sitenet_sklearn.estimators.novelty import composition_of
from sitenet_sklearn.estimators.persistence import load_model

_NEAR = 2e-3
"""Largest distance, as a share of its length, from a vector to that of the same crystal: files keep three digits."""


def learned_rows(path, X):
    """Find crystals that a model was trained on, or that look the same to it.

    Parameters
    ----------
    path : path-like
        File of `save_model`.
    X : RaggedCrystals
        n crystals with the features of that model.

    Returns
    -------
    ndarray of bool, shape (n,), or None
        None where the model does not remember what it was trained on, as it has no calibration.
    """
    _, model = split_featurizer(load_model(path))
    if not isinstance(model, CalibratedRegressor):
        return None
    found, valid = np.zeros(len(X), dtype=bool), np.flatnonzero(X.valid)
    known = model.calibration_.known
    vectors = (first_network(model.estimator_).transform(X[valid]) - known.origin) @ known.axes.T
    rows_of: dict[str, list[int]] = {}
    for row, formula in enumerate(known.formulas):
        rows_of.setdefault(formula, []).append(row)
    for k, vector in zip(valid, vectors, strict=True):
        rows = rows_of.get(composition_of(X[k]).reduced_formula, [])
        apart = np.linalg.norm(known.vectors[rows].astype(np.float32) - vector, axis=1)
        found[k] = len(rows) > 0 and apart.min() <= _NEAR * np.linalg.norm(vector)
    return found
