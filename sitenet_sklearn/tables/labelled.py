"""Crystals with targets, from a table: all that can be wrong with them is found before anything long begins."""

import re
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone

from sitenet_sklearn.crystals.structures import formula_of
from sitenet_sklearn.exceptions import Failure
from sitenet_sklearn.featurization.filtering import filter_structures, unusable

from .containers import PROPERTIES
from .reading import find_column, read_structures, read_table


class Labelled(NamedTuple):
    """Crystals and their targets.

    Attributes
    ----------
    structures : pandas.Series of pymatgen.core.Structure
        n crystals, labelled by their ids.
    y : ndarray of shape (n,) or (n, k)
        Targets: numbers, or classes as text.
    names : list of str
        Columns of the targets.
    left_out : list of Failure
        Rows that cannot be used, with their index and id, and why.
    """

    structures: pd.Series
    y: np.ndarray
    names: list[str]
    left_out: list[Failure]


def read_labelled(path, targets=(), *, classify=False, on_error="raise", featurizer=None, structure_column=None):
    """Read crystals and targets from a table.

    Parameters
    ----------
    path : path-like
        A table or folder, as `sitenet_sklearn.tables.read_table` takes it.
    targets : sequence of str, default=()
        Columns of the targets; a folder in CGCNN's form without names of columns counts them from "1". Where none is
        named, its first one is taken.
    classify : bool, default=False
        Whether the target is a class and not a number.
    on_error : {"raise", "skip"}, default="raise"
        What to do with rows that cannot be used: one error that lists them all, or leave them out.
    featurizer : SupercellFeaturizer, default=None
        What is to featurize the crystals; with "skip" all that it would refuse is left out.
    structure_column : str, default=None
        Column of crystals; None for the only one that can be meant.

    Returns
    -------
    Labelled

    Raises
    ------
    ValueError
        If a column is missing, or if rows cannot be used.
    """
    table = read_table(path, structure_column=structure_column)
    names = target_columns(table, targets, path)
    if classify and len(names) > 1:
        raise ValueError(f"one column of classes is expected, got {len(names)}: {', '.join(names)}")
    y, reasons = (_classes if classify else _numbers)(table.properties[names])
    structures, failures = read_structures(table, n_jobs=getattr(featurizer, "n_jobs", None))
    for k, reason in reasons.items():
        formula = "?" if structures[k] is None else formula_of(structures[k])
        failures.append(Failure(k, table.ids[k], formula, reason))
    failures += _refused(structures, table.ids, {failure.index for failure in failures}, featurizer, on_error)
    failures.sort(key=lambda failure: failure.index)
    if failures and on_error == "raise":
        listed = "\n  ".join(map(str, failures))
        raise ValueError(
            f"{len(failures)} of {len(table)} rows of {path} cannot be used; correct them, or leave them out with "
            f'--on-error skip (in Python on_error="skip"):\n  {listed}'
        )
    wrong = {failure.index for failure in failures}
    kept = [k for k in range(len(table)) if k not in wrong]
    if not kept:
        raise ValueError(f"none of {len(table)} rows of {path} can be used, the first: {failures[0]}")
    found = pd.Series([structures[k] for k in kept], index=[table.ids[k] for k in kept], dtype=object)
    return Labelled(found, y[kept], names, failures)


def target_columns(table, targets, path):
    """Check that a table has the columns of the targets, and return their names.

    Parameters
    ----------
    table : CrystalTable
        The table.
    targets : sequence of str
        Names.
    path : path-like
        Where it is from, for messages.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If one is not there, or none was named and it is not clear which is meant.
    """
    columns = [str(name) for name in table.properties.columns]
    targets = [find_column(table.properties, name) or name for name in targets]
    listed = ", ".join(columns[:20]) or "none"
    if not targets and columns and (Path(path) / PROPERTIES).is_file():
        targets = columns[:1]
    if not targets and Path(path).is_dir():
        raise ValueError(f"{path} has no {PROPERTIES}, so the targets of its crystals are unknown")
    if not targets:
        raise ValueError(f"{path}: name the column of the target with --target; its other columns are {listed}")
    for name in targets:
        if targets.count(name) > 1:
            raise ValueError(f"the target {name!r} is named twice: name every target once")
        if name not in columns:
            close = get_close_matches(name, columns, 1)
            hint = f": did you mean {close[0]}?" if close else f"; its columns beside the crystals are {listed}"
            raise ValueError(f"{path} has no column {name!r} for the target{hint}")
    return targets


def match_classes(y, classes):
    """Turn classes as text into those of a model.

    Parameters
    ----------
    y : ndarray of str, shape (n,)
        Classes in a table.
    classes : ndarray of shape (k,)
        Those of the model, of any type.

    Returns
    -------
    ndarray of shape (n,)
        Entries of `classes`.

    Raises
    ------
    ValueError
        If the model does not know a class.
    """
    known = {str(label): k for k, label in enumerate(classes)}
    for row, label in enumerate(y):
        if label not in known:
            raise ValueError(f"row {row} has the class {str(label)!r}, the model knows {', '.join(known)}")
    return np.asarray(classes)[[known[label] for label in y]]


def _numbers(frame):
    """Targets as numbers, and reasons of rows that have none, by their index."""
    numbers = frame.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    given = ~(frame.isna() | frame.map(lambda entry: isinstance(entry, str) and not entry.strip())).to_numpy()
    for k in np.flatnonzero(given.sum(axis=0) > 1):
        if np.isnan(numbers[:, k]).all():
            entry = frame.iloc[given[:, k].argmax(), k]
            raise ValueError(
                f"the target {frame.columns[k]} has no numbers, the first is {entry!r:.40}: {_remedy(str(entry))}"
            )
    reasons = {}
    for row, column in np.argwhere(given & ~np.isfinite(numbers))[::-1]:
        reasons[int(row)] = f"the target {frame.columns[column]} is {frame.iloc[row, column]!r:.40}, expected a number"
    for row in np.flatnonzero(~given.any(axis=1)):
        reasons[int(row)] = f"no target {', '.join(map(str, frame.columns))}"
    return numbers[:, 0] if numbers.shape[1] == 1 else numbers, reasons


def _remedy(entry):
    """Tell what to do where no entry is a number."""
    if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", entry):
        return "write a point instead of the comma"
    if re.match(r"\s*[-+]?\d+([.]\d*)?\s*[^\d\s.,]", entry):
        return "leave out the unit"
    return "to learn classes, pass --classify (in Python classify=True)"


def _classes(frame):
    """Classes as text, and reasons of rows that have none, by their index."""
    column = frame.iloc[:, 0]
    labels = np.array(["" if missing else str(entry) for entry, missing in zip(column, column.isna(), strict=True)])
    return labels, {int(row): f"no class {column.name}" for row in np.flatnonzero(labels == "")}


def _refused(structures, ids, known, featurizer, on_error):
    """List the crystals that a featurizer would refuse; with "raise" only what a look at them tells."""
    rows = [k for k, structure in enumerate(structures) if structure is not None and k not in known]
    if on_error == "skip" and rows and featurizer is not None:
        quiet = clone(featurizer).set_params(verbose=0)
        failures = filter_structures([structures[k] for k in rows], featurizer=quiet).failures
        return [replace(failure, index=rows[failure.index], name=ids[rows[failure.index]]) for failure in failures]
    return unusable(structures, ids, rows)
