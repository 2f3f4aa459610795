"""Crystals to learn from: two bundled sets and the structure tasks of Matbench."""

import gzip
import json
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import Bunch

from .crystals.crystal_files import structure_from_dict

__all__ = ["fetch_matbench", "load_dielectric", "load_formation_energy", "matbench_folds"]

MATBENCH_SEED = 18012019
"""Random state of the official five folds."""

MATBENCH_TARGETS = {
    "matbench_dielectric": "n",
    "matbench_jdft2d": "exfoliation_en",
    "matbench_log_gvrh": "log10(G_VRH)",
    "matbench_log_kvrh": "log10(K_VRH)",
    "matbench_mp_e_form": "e_form",
    "matbench_mp_gap": "gap pbe",
    "matbench_mp_is_metal": "is_metal",
    "matbench_perovskites": "e_form",
    "matbench_phonons": "last phdos peak",
}
"""Target column of every Matbench task that starts from structures."""


def load_dielectric(*, return_X_y=False) -> Any:
    """Load the band gaps of 1,056 insulating crystals (bundled; regression).

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return only (data, target).

    Returns
    -------
    Bunch or (list of pymatgen.core.Structure, ndarray of shape (1056,))
        `data`, list of pymatgen Structures; `target`, PBE band gaps in eV, ndarray of shape (1056,); `ids`,
        Materials Project identifiers; `target_name`, `target_unit`; `DESCR`, origin and licence.

    References
    ----------
    .. [1] I. Petousis et al., Scientific Data 4 (2017) 160134, doi:10.1038/sdata.2016.134.

    Examples
    --------
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> crystals = load_dielectric()
    >>> crystals.data[0].formula, float(crystals.target[0]), crystals.target_unit
    ('Rb2 Te1', 1.88, 'eV')
    """
    return _load_bundled("dielectric", "band gap", "eV", return_X_y)


def load_formation_energy(*, return_X_y=False) -> Any:
    """Load the formation energies of 3,938 crystals (bundled; regression, also negative: use clamp=False).

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return only (data, target).

    Returns
    -------
    Bunch or (list of pymatgen.core.Structure, ndarray of shape (3938,))
        `data`, list of pymatgen Structures; `target`, formation energies in eV/atom, ndarray of shape (3938,);
        `ids`, Materials Project identifiers; `target_name`, `target_unit`; `DESCR`, origin and licence.

    References
    ----------
    .. [1] F. Faber et al., International Journal of Quantum Chemistry 115 (2015) 1094, doi:10.1002/qua.24917.

    Examples
    --------
    >>> from sitenet_sklearn.datasets import load_formation_energy
    >>> structures, energy = load_formation_energy(return_X_y=True)
    >>> len(structures), float(energy[0])
    (3938, 0.107405)
    """
    return _load_bundled("formation_energy", "formation energy", "eV/atom", return_X_y)


def fetch_matbench(task="matbench_mp_gap", *, path=None, data_home=None, return_X_y=False) -> Any:
    """Fetch a structure task of Matbench v0.1 with its official five folds.

    The data are downloaded through matminer the first time and read from disk afterwards.

    Parameters
    ----------
    task : str, default="matbench_mp_gap"
        Name of the task, with or without ``matbench_``: dielectric, jdft2d, log_gvrh, log_kvrh, mp_e_form, mp_gap,
        mp_is_metal, perovskites or phonons.
    path : str or path-like, default=None
        File of the task as Matbench publishes it (.json.gz), to read instead of downloading. No code that it names is
        run.
    data_home : str or path-like, default=None
        Folder for downloads; None is matminer's own.
    return_X_y : bool, default=False
        Whether to return only (data, target).

    Returns
    -------
    Bunch or (list of pymatgen.core.Structure, ndarray of shape (n,))
        `data`, list of pymatgen Structures; `target`, ndarray of shape (n,); `ids`, such as "mb-mp-gap-000001";
        `target_name`; `folds`, list of five (train, test) index arrays; `DESCR`.

    Raises
    ------
    ValueError
        If the task is unknown or starts from compositions, or the file holds something else.
    ConnectionError
        If the download fails.
    FileNotFoundError
        If `path` does not exist.

    References
    ----------
    .. [1] A. Dunn et al., npj Computational Materials 6 (2020) 138, doi:10.1038/s41524-020-00406-3.
    """
    task = task if task.startswith("matbench_") else f"matbench_{task}"
    if task not in MATBENCH_TARGETS:
        raise ValueError(f"unknown Matbench task {task!r}; tasks with structures are {', '.join(MATBENCH_TARGETS)}")
    table = _download(task, data_home) if path is None else _read_table(Path(path))
    column = MATBENCH_TARGETS[task]
    if not {"structure", column} <= set(table.columns):
        raise ValueError(f"{path} is not {task}: columns 'structure' and {column!r} expected, got {[*table.columns]}")
    data, target = list(table["structure"]), table[column].to_numpy()
    if return_X_y:
        return data, target
    stem = task.replace("matbench", "mb").replace("_", "-")
    digits = len(str(len(data)))
    return Bunch(
        data=data,
        target=target,
        ids=np.array([f"{stem}-{k:0{digits}d}" for k in range(1, len(data) + 1)]),
        target_name=column,
        folds=matbench_folds(target),
        DESCR=f"{task}, Matbench v0.1: A. Dunn et al., npj Comput. Mater. 6 (2020) 138, doi:10.1038/s41524-020-00406-3",
    )


def matbench_folds(target):
    """Official folds of Matbench: five, shuffled with a fixed seed, stratified for classification.

    Parameters
    ----------
    target : ndarray of shape (n,)
        Targets in the published order; booleans make a classification task.

    Returns
    -------
    list of (ndarray, ndarray)
        Indices of training and test crystals of every fold.
    """
    splitter = StratifiedKFold if target.dtype == bool else KFold
    folds = splitter(n_splits=5, shuffle=True, random_state=MATBENCH_SEED)
    return list(folds.split(np.zeros(len(target)), target))


def _load_bundled(name, target_name, unit, return_X_y):
    from pymatgen.core import Lattice, Structure

    folder = files("sitenet_sklearn") / "data"
    lines = gzip.decompress((folder / f"{name}.jsonl.gz").read_bytes()).decode().splitlines()
    records = [json.loads(line) for line in lines]
    data = [Structure(Lattice(r["lattice"]), r["species"], r["coords"]) for r in records]
    target = np.array([r["target"] for r in records])
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        ids=np.array([r["id"] for r in records]),
        target_name=target_name,
        target_unit=unit,
        DESCR=(folder / f"{name}.md").read_text(encoding="utf-8"),
    )


def _download(task, data_home):
    from matminer.datasets import load_dataset
    from requests import RequestException

    try:
        return load_dataset(task, data_home=data_home)
    except RequestException as error:
        raise ConnectionError(
            f"{task} could not be downloaded ({type(error).__name__}): connect to the internet, or get {task}.json.gz "
            f"elsewhere and call fetch_matbench({task!r}, path='{task}.json.gz')"
        ) from error


def _read_table(path):
    from monty.io import zopen

    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: pass the .json.gz file of a Matbench task")
    try:
        with zopen(path, mode="rt", encoding="utf-8") as file:
            values = json.load(file)
        table = pd.DataFrame(values["data"], columns=values["columns"])
        if "structure" in table:
            table["structure"] = [structure_from_dict(entry) for entry in table["structure"]]
    except (LookupError, OSError, EOFError, RecursionError, TypeError, ValueError, zlib.error) as error:
        raise ValueError(f"{path} is no Matbench file (.json.gz as Matbench publishes it): {error!s:.200}") from error
    return table
