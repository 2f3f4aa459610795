"""Databases of ASE (SQLite), opened for reading only.

ASE itself makes tables in any SQLite file that it opens, and its rows hold objects to decode. Here numbers, positions,
cell, periodicity and key-value pairs are read, and nothing else.
"""

import json
import sqlite3
from contextlib import closing
from functools import partial

import numpy as np
from pymatgen.core import Element

from sitenet_sklearn.crystals.crystal_files import MAX_SITES
from sitenet_sklearn.crystals.elements import MAX_ATOMIC_NUMBER
from sitenet_sklearn.exceptions import CrystalError

from .rows import MAX_COLUMNS, MAX_RECORD, TOO_MANY, parts

MAX_PAIRS = 2**20
"""Longest text of key-value pairs, in characters."""

_NO_COLUMN = ("", 0, None, 0, 0)

_QUERY = f"""
SELECT id, length(numbers) / 4, CASE WHEN length(numbers) <= {4 * MAX_SITES} THEN numbers END,
CASE WHEN length(positions) <= {24 * MAX_SITES} THEN positions END, CASE WHEN length(cell) = 72 THEN cell END,
CASE WHEN typeof(pbc) = 'integer' THEN pbc END,
CASE WHEN length(key_value_pairs) <= {MAX_PAIRS} THEN key_value_pairs END
FROM systems ORDER BY id
"""  # noqa: S608 - made of numbers


def read_ase_database(path, chunk_size=None):
    """Read the crystals of a database in chunks.

    Parameters
    ----------
    path : Path
        An SQLite file that `ase.db` wrote; it is not altered.
    chunk_size : int, default=None
        Most crystals to hold in memory at a time, fewer where they are long; None for all.

    Yields
    ------
    ids : list of str
        Numbers of the rows, as ASE counts them.
    crystals : list of (dict or CrystalError)
        As `Structure.as_dict` makes them, or why a row has no crystal.
    values : list of dict
        Key-value pairs of the rows.

    Raises
    ------
    ValueError
        If it is no database of ASE, is damaged, computes its columns, or has more than 10,000 names of values.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{_mode(path)}", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_RECORD)
            connection.text_factory = partial(str, encoding="utf-8", errors="replace")
            _check_columns(connection)
            rows = ((row, _size(row)) for row in connection.execute(_QUERY))
            for part in parts(rows, chunk_size):
                ids, *stated, pairs = zip(*part, strict=True)
                values = list(map(_pairs, pairs))
                if len(set().union(*values)) > MAX_COLUMNS:
                    raise sqlite3.DataError(TOO_MANY)
                yield list(map(str, ids)), list(map(_crystal, *stated)), values
    except sqlite3.Error as error:
        raise ValueError(f"{path} is not read as a database of ASE: {error}") from error


def _mode(path):
    """How to open a file without making others beside it: SQLite would for a journal that nobody writes (WAL)."""
    with path.open("rb") as file:
        has_journal = file.read(20)[18:] == b"\2\2"
    real = path.resolve()
    return "immutable=1" if has_journal and not real.with_name(f"{real.name}-wal").exists() else "mode=ro"


def _check_columns(connection):
    """Refuse what is no table as ASE makes it: columns, and tables that are views, may be computed at any length."""
    columns = {name: rest for _, name, *rest in connection.execute("PRAGMA table_xinfo(systems)")}
    if not columns:
        raise sqlite3.DatabaseError("it has no table of systems")
    kind, _, _, is_key, _ = columns.get("id", _NO_COLUMN)
    if kind.upper() != "INTEGER" or not is_key:
        raise sqlite3.DatabaseError("its systems are not numbered by an id, as those of ASE")
    computed = [name for name, (*_, hidden) in columns.items() if hidden]
    if computed:
        raise sqlite3.DatabaseError(f"its column {computed[0]!r:.40} is computed: those of ASE are not")


def _size(row):
    return sum(len(entry) for entry in row if isinstance(entry, bytes | str))


def _crystal(n_sites, numbers, positions, cell, pbc):
    """Turn what stands in a row into the dict of a Structure."""
    if n_sites is not None and n_sites > MAX_SITES:
        return CrystalError(f"the row has {n_sites} atoms, at most {MAX_SITES} are expected")
    try:
        numbers = np.frombuffer(numbers, "<i4")
        positions = np.frombuffer(positions, "<f8").reshape(len(numbers), 3)
        cell = np.frombuffer(cell, "<f8").reshape(3, 3)
        coords = positions @ np.linalg.inv(cell)
    except (TypeError, ValueError, np.linalg.LinAlgError):
        return CrystalError("the row has no crystal: a cell with three vectors, atoms and their positions are expected")
    if pbc not in range(8):
        return CrystalError("the row does not say along which axes it repeats: a whole number up to 7 is expected")
    if pbc != 7:
        axes = "".join(axis for k, axis in enumerate("abc") if pbc >> k & 1) or "no axis"
        return CrystalError(f"the row is a molecule, chain or slab, no crystal: it repeats along {axes}")
    if not len(numbers) or numbers.min() < 1 or numbers.max() > MAX_ATOMIC_NUMBER:
        return CrystalError("the row has an atom that is no chemical element, or no atom at all")
    symbols = [Element.from_Z(int(number)).symbol for number in numbers]
    sites = [
        {"species": [{"element": symbol, "occu": 1}], "abc": abc}
        for symbol, abc in zip(symbols, coords.tolist(), strict=True)
    ]
    return {"lattice": {"matrix": cell.tolist()}, "sites": sites}


def _pairs(text):
    """Read key-value pairs, numbers, truth values and text; none where they cannot be read."""
    try:
        pairs = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    known = pairs.items() if isinstance(pairs, dict) else ()
    return {name: value for name, value in known if isinstance(value, str | int | float)}
