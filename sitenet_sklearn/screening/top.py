"""The best crystals of a screening: chosen, and written with their structures."""

import warnings

import numpy as np
import pandas as pd
from joblib import delayed

from sitenet_sklearn._files import write_whole_file
from sitenet_sklearn._parallel import results_of
from sitenet_sklearn.crystals.structures import as_structure
from sitenet_sklearn.tables.predictions import as_text
from sitenet_sklearn.tables.reading import CrystalTable

from .diversity import farthest_points
from .results import table_of
from .stages import represent_rows

_CHUNK = 128


def choose_top(ranked, ranking, crystals, model_file, *, n_jobs=None):
    """Choose the best crystals.

    Parameters
    ----------
    ranked : list of (score, number, Finished)
        The best crystals, the best first: the pool of the ranking.
    ranking : Ranking
        How many to choose, and whether they shall differ.
    crystals : dict of int to object
        Crystals as they stand in the sources, by their number.
    model_file : ModelFile
        Whose network says which crystals differ.
    n_jobs : int, default=None
        Number of processes.

    Returns
    -------
    chosen : list of (score, number, Finished)
        In the order in which they were chosen, or by their score if there is nothing to choose.
    structures : list of pymatgen.core.Structure
        Their crystals.
    """
    if ranking.diverse and len(ranked) > ranking.top:
        items = [crystals[number] for _, number, _ in ranked]
        tables = [_as_table(items[k : k + _CHUNK]) for k in range(0, len(items), _CHUNK)]
        found = list(results_of((delayed(represent_rows)(model_file, table) for table in tables), n_jobs=n_jobs))
        ranked = [ranked[k] for k in farthest_points(np.concatenate(found), ranking.top, first=0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # were given when these crystals were screened
        chosen = ranked[: ranking.top]
        return chosen, [as_structure(crystals[number]) for _, number, _ in chosen]


def write_top(path, chosen, structures, columns):
    """Write the best crystals as a table that `sitenet fit` and `sitenet predict` read.

    Parameters
    ----------
    path : path-like
        CSV file.
    chosen : list of (score, number, Finished)
        n crystals, in order.
    structures : list of pymatgen.core.Structure
        Their crystals.
    columns : list of str
        Names of the answers.

    Returns
    -------
    pandas.DataFrame
        n rows: `rank` from 1, `score`, those of `table_of`, and `cif`, the crystal as text.
    """
    table = table_of([row for _, _, row in chosen], columns).drop(columns=["duplicate_of", "reason"])
    table.insert(0, "rank", range(1, len(table) + 1))
    table.insert(1, "score", [score for score, _, _ in chosen])
    table["cif"] = [structure.to(fmt="cif") for structure in structures]
    write_whole_file(path, as_text(table).encode())
    return table


def _as_table(items):
    return CrystalTable([str(k) for k in range(len(items))], items, pd.DataFrame(index=range(len(items))))
