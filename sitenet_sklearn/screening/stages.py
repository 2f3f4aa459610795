"""What the processes of a screening do: read and featurize some rows, or predict some crystals."""

import json
import warnings
from functools import lru_cache
from typing import NamedTuple

from sitenet_sklearn.crystals.ragged import RaggedCrystals
from sitenet_sklearn.estimators.chunks import split_featurizer
from sitenet_sklearn.estimators.persistence import load_model
from sitenet_sklearn.estimators.prediction_table import prediction_columns
from sitenet_sklearn.network.threads import single_thread
from sitenet_sklearn.network.weights_file import stored_checksum
from sitenet_sklearn.tables.predictions import featurize_table

from .diversity import representation
from .fingerprint import Fingerprint, fingerprint


class ModelFile(NamedTuple):
    """A model that every process loads once: its file, written by `save_model`, and the checksum it states."""

    path: str
    checksum: str


class Featurized(NamedTuple):
    """What became of some rows.

    Attributes
    ----------
    start : int
        Number of the first row.
    ids : list of str
        Their ids.
    formulas : list of (str or None)
        Their formulas.
    reasons : dict of int to str
        Why rows failed, by their number.
    fingerprints : list of (Fingerprint or None)
        One for every row that did not.
    crystals : RaggedCrystals
        One for every row, masked where it failed.
    warnings : list of str
        What readers warned of.
    """

    start: int
    ids: list[str]
    formulas: list[str | None]
    reasons: dict[int, str]
    fingerprints: list[Fingerprint | None]
    crystals: RaggedCrystals
    warnings: list[str]


class Predicted(NamedTuple):
    """Answers of the model: for every crystal its number, and the columns of `prediction_columns` as a list in JSON."""

    numbers: list[int]
    answers: list[str]


def featurize_rows(model_file, table, start):
    """Read and featurize rows.

    Parameters
    ----------
    model_file : ModelFile
        Whose featurizer to use.
    table : CrystalTable
        The rows.
    start : int
        Number of the first one.

    Returns
    -------
    Featurized
    """
    featurizer, _ = split_featurizer(model_of(model_file))
    with warnings.catch_warnings(record=True) as caught, single_thread():
        warnings.simplefilter("always", UserWarning)
        X, formulas, failures = featurize_table(featurizer, table, start=start, on_error="mask", n_jobs=1)
    X.featurizer = None
    told = [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]
    prints = [fingerprint(crystal) if valid else None for crystal, valid in zip(X, X.valid, strict=True)]
    return Featurized(
        start, table.ids, formulas, {failure.index: failure.reason for failure in failures}, prints, X, told
    )


def predict_crystals(model_file, numbers, crystals, level):
    """Predict for crystals.

    Parameters
    ----------
    model_file : ModelFile
        What to predict with.
    numbers : list of int
        Numbers of the crystals.
    crystals : RaggedCrystals
        None of them masked.
    level : float
        Share of values inside the intervals.

    Returns
    -------
    Predicted
    """
    _, estimator = split_featurizer(model_of(model_file))
    with single_thread():
        table = prediction_columns(estimator, crystals, level)
    answers = [json.dumps(row) for row in table.astype(object).to_numpy().tolist()]
    return Predicted(numbers, answers)


def represent_rows(model_file, table):
    """Read, featurize and describe crystals, none of which fails, by vectors (n, g) of the network."""
    featurizer, estimator = split_featurizer(model_of(model_file))
    with warnings.catch_warnings(), single_thread():
        warnings.simplefilter("ignore", UserWarning)
        X, _, _ = featurize_table(featurizer, table, n_jobs=1)
        return representation(estimator, X)


@lru_cache(maxsize=2)
def model_of(model_file):
    """Load a model, once a process; a file that was altered meanwhile is refused."""
    if stored_checksum(model_file.path) != model_file.checksum:
        raise ValueError(f"{model_file.path} was altered while the screening ran: run the same command again")
    return load_model(model_file.path)
