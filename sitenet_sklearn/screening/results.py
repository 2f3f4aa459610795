"""The table of all rows of a screening, in CSV or Parquet, and what is summed up while it is written."""

import re
from collections import Counter
from contextlib import contextmanager

import numpy as np
import pandas as pd

from sitenet_sklearn.tables.predictions import as_text

SUFFIXES = (".csv", ".parquet")
BATCH = 8192
"""Rows that are written at once."""

_TEXTS = ("id", "formula", "flags", "nearest", "duplicate_of", "reason")
_ELEMENT = re.compile(r"[A-Z][a-z]?")


def table_of(finished, columns):
    """Make a table of finished rows.

    Parameters
    ----------
    finished : list of Finished
        n rows of a `Ledger`.
    columns : list of str
        Names of the answers.

    Returns
    -------
    pandas.DataFrame
        n rows: `id`, `formula`, the answers, `duplicate_of` (the id of the first row of the same crystal) and `reason`
        (why a row has no answers).
    """
    nothing = [None] * len(columns)
    rows = [
        [row.id, row.formula, *(row.answers or nothing), row.first_id if row.crystal != row.row else None, row.reason]
        for row in finished
    ]
    table = pd.DataFrame(rows, columns=["id", "formula", *columns, "duplicate_of", "reason"], dtype=object)
    return table.astype({name: float for name in columns if name not in _TEXTS})


@contextmanager
def table_writer(path, form):
    """Give a function that appends tables to a new file.

    Parameters
    ----------
    path : pathlib.Path
        File to write.
    form : {".csv", ".parquet"}
        The latter takes pyarrow.

    Yields
    ------
    callable
        Takes a table of `table_of`.
    """
    if form == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            yield lambda table: file.write(as_text(table, header=not file.tell()))
        return
    import pyarrow as pa
    from pyarrow import parquet

    writers = []

    def append(table):
        kinds = [(name, pa.string() if name in _TEXTS else pa.float64()) for name in table]
        rows = pa.Table.from_pandas(table, pa.schema(kinds), preserve_index=False)
        if not writers:
            writers.append(parquet.ParquetWriter(path, rows.schema))
        writers[0].write_table(rows)

    try:
        yield append
    finally:
        for writer in writers:
            writer.close()


class Distributions:
    """How the answers are distributed over crystals, and how many crystals hold an element.

    Values are counted by their first three digits, so that the memory does not grow.

    Attributes
    ----------
    counts : dict of str to Counter
        Of `prediction`, `width` (of the interval) and `novelty`, where there are such: crystals by value.
    elements : Counter
        Crystals by symbol.
    n_flagged : int
        Crystals with a reason to doubt.
    """

    def __init__(self):
        self.counts, self.elements, self.n_flagged = {}, Counter(), 0

    def add(self, table):
        """Count the crystals of a table of `table_of`, each once."""
        new = table[table["duplicate_of"].isna() & table["reason"].isna()]
        for symbols in map(_ELEMENT.findall, new["formula"]):
            self.elements.update(set(symbols))
        columns = {"prediction": new["prediction"]}
        if "upper" in new:
            columns["width"] = new["upper"] - new["lower"]
        if "novelty" in new:
            columns["novelty"] = new["novelty"]
            self.n_flagged += int((new["flags"].fillna("") != "").sum())
        for name, values in columns.items():
            finite = values[np.isfinite(values)].to_numpy(float)
            rounded, times = np.unique([float(f"{value:.3g}") for value in finite], return_counts=True)
            found = dict(zip(rounded.tolist(), times.tolist(), strict=True))
            self.counts.setdefault(name, Counter()).update(found)
