"""Predictions as tables, a row for every crystal: in memory, or written chunk by chunk."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone

from sitenet_sklearn._files import PartialFile, as_python
from sitenet_sklearn.estimators.chunks import split_featurizer
from sitenet_sklearn.estimators.prediction_table import prediction_columns
from sitenet_sklearn.exceptions import FeaturizationError
from sitenet_sklearn.featurization.filtering import unusable

from .contents import contents_of
from .reading import read_structures

_UNREADABLE: dict = {}
"""A crystal that every featurizer masks."""


def predict_rows(model, table, *, start=0, level=0.9, on_error="raise", n_jobs=None):
    """Predict for the crystals of a table.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted, for crystals that are not featurized yet.
    table : CrystalTable
        n rows.
    start : int, default=0
        Index of its first row in failures.
    level : float, default=0.9
        Share of values inside the intervals, where the model has some.
    on_error : {"raise", "mask"}, default="raise"
        What to do with crystals that fail: one error that lists them, or predictions that are missing.
    n_jobs : int, default=None
        Number of jobs that read crystals.

    Returns
    -------
    predictions : pandas.DataFrame
        n rows: `id`, `formula`, and the columns of `prediction_columns`.
    failures : list of Failure
        Crystals that were masked.

    Raises
    ------
    FeaturizationError
        If crystals fail and `on_error` is "raise".
    """
    featurizer, estimator = split_featurizer(model)
    X, formulas, failures = featurize_table(featurizer, table, start=start, on_error=on_error, n_jobs=n_jobs)
    described = pd.DataFrame({"id": table.ids, "formula": formulas})
    return pd.concat([described, prediction_columns(estimator, X, level)], axis=1), failures


def predict_tables(model, tables, *, skip=0, level=0.9, on_error="raise", n_jobs=None):
    """Predict table by table.

    Parameters
    ----------
    model : estimator or Pipeline
        As in `predict_rows`.
    tables : iterable of CrystalTable
        For example from `sitenet_sklearn.tables.read_tables`.
    skip : int, default=0
        Number of rows at the beginning to leave out.
    level : float, default=0.9
        As in `predict_rows`.
    on_error : {"raise", "mask"}, default="raise"
        As in `predict_rows`.
    n_jobs : int, default=None
        Number of jobs that read and featurize crystals.

    Yields
    ------
    predictions : pandas.DataFrame
        Of one table, as from `predict_rows`.
    failures : list of Failure
        Crystals of it that were masked; they are counted from the first row of all.
    """
    position = 0
    for table in tables:
        rest = table[max(0, skip - position) :]
        if len(rest):
            start = position + len(table) - len(rest)
            yield predict_rows(model, rest, start=start, level=level, on_error=on_error, n_jobs=n_jobs)
        position += len(table)


def featurize_table(featurizer, table, *, start=0, on_error="raise", n_jobs=None):
    """Read and featurize the crystals of a table.

    Parameters
    ----------
    featurizer : SupercellFeaturizer or None
        What to featurize with; None leaves structures as they are.
    table : CrystalTable
        n rows.
    start : int, default=0
        Index of its first row in failures.
    on_error : {"raise", "mask"}, default="raise"
        What to do with crystals that fail: one error that lists them, or mask them.
    n_jobs : int, default=None
        Number of jobs that read and featurize crystals.

    Returns
    -------
    X : RaggedCrystals or list of pymatgen.core.Structure
        All n crystals.
    formulas : list of (str or None)
        Reduced ones; None where a crystal could not be read.
    failures : list of Failure
        What was masked.

    Raises
    ------
    FeaturizationError
        If crystals fail and `on_error` is "raise", or there is no featurizer to mask them.
    """
    structures, failures = read_structures(table, start=start, n_jobs=n_jobs)
    if failures and (on_error == "raise" or featurizer is None):
        failures += unusable(structures, table.ids, start=start)
        raise FeaturizationError(sorted(failures, key=lambda failure: failure.index))
    formulas = [None if found is None else found.composition.reduced_formula for found in structures]
    if featurizer is None:
        return structures, formulas, failures
    featurizer = clone(featurizer).set_params(on_error=on_error, n_jobs=n_jobs, verbose=0)
    items = [_UNREADABLE if found is None else found for found in structures]
    X, failed = featurizer.transform_with_failures(pd.Series(items, index=table.ids, dtype=object), start)
    known = {failure.index for failure in failures}
    failures += [failure for failure in failed if failure.index not in known]
    failures.sort(key=lambda failure: failure.index)
    if failures and on_error == "raise":
        raise FeaturizationError(failures)
    return X, formulas, failures


def as_text(predictions, *, form="csv", header=True):
    """Write a table as text.

    Parameters
    ----------
    predictions : pandas.DataFrame
        n rows.
    form : {"csv", "json"}, default="csv"
        CSV, or a line of JSON for every row; numbers have 6 digits, and what is missing is empty or null.
    header : bool, default=True
        Whether CSV begins with the names of the columns.

    Returns
    -------
    str
    """
    if form == "csv":
        return predictions.to_csv(index=False, header=header, float_format="%.6g", lineterminator="\n")
    records = predictions.to_dict("records")
    lines = (json.dumps({str(name): rounded(value) for name, value in record.items()}) for record in records)
    return "".join(f"{line}\n" for line in lines)


def rounded(value):
    """Turn an entry of a table into what JSON can hold, floats with 6 digits."""
    value = as_python(value)
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value


class PredictionFile:
    """Predictions that go to a file chunk by chunk, and go on after a kill where they stopped.

    Parameters
    ----------
    path : path-like
        File to write.
    model_path : path-like
        File of the model.
    tables : iterable of CrystalTable
        All the crystals; their content is hashed.
    form : {"csv", "json"}, default="csv"
        As in `as_text`.
    settings : dict, default=None
        What else the predictions depend on.
    overwrite : bool, default=False
        Whether a finished file may be replaced.

    Attributes
    ----------
    rows : int
        Rows that are finished.

    Raises
    ------
    FileExistsError
        If another process writes it, or it is finished.
    ValueError
        If it was begun with another model, other crystals, another form or other settings.
    """

    def __init__(self, path, model_path, tables, *, form="csv", settings=None, overwrite=False):
        model = hashlib.sha256(Path(model_path).read_bytes()).hexdigest()
        self.form = form
        self.file = PartialFile(path, f"{model} {contents_of(tables).checksum} {form} {settings}", overwrite=overwrite)

    @property
    def rows(self):
        """Rows that are finished."""
        return self.file.rows

    def append(self, predictions):
        """Add finished rows."""
        text = as_text(predictions, form=self.form, header=not self.rows)
        self.file.append(text, len(predictions))

    def finish(self):
        """Give the file its name."""
        self.file.finish()
