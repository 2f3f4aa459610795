"""Databases of ASE (SQLite), opened for reading only.

ASE itself makes tables in any SQLite file that it opens, and its rows hold objects to decode. Here numbers, positions,
cell, periodicity and key-value pairs are read, and nothing else.
"""

import json
import sqlite3
from contextlib import closing

import numpy as np
from pymatgen.core import Element

from sitenet_sklearn.crystals.crystal_files import MAX_SITES
from sitenet_sklearn.crystals.elements import MAX_ATOMIC_NUMBER
from sitenet_sklearn.exceptions import CrystalError

MAX_PAIRS = 2**20
"""Longest text of key-value pairs, in characters."""

_QUERY = f"""
SELECT id, length(numbers) / 4, CASE WHEN length(numbers) <= {4 * MAX_SITES} THEN numbers END,
CASE WHEN length(positions) <= {24 * MAX_SITES} THEN positions END, CASE WHEN length(cell) = 72 THEN cell END, pbc,
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
        Most crystals to hold in memory at a time; None for all.

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
        If it is no database of ASE, or is damaged.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            kind = connection.execute("SELECT type FROM sqlite_master WHERE name = 'systems'").fetchone()
            if kind != ("table",):
                raise sqlite3.DatabaseError("it has no table of systems")
            rows = connection.execute(_QUERY)
            while chunk := rows.fetchmany(chunk_size) if chunk_size else rows.fetchall():
                ids, *stated, pairs = zip(*chunk, strict=True)
                yield list(map(str, ids)), list(map(_crystal, *stated)), list(map(_pairs, pairs))
    except sqlite3.Error as error:
        raise ValueError(f"{path} is not read as a database of ASE: {error}") from error


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
    if pbc != 7:
        axes = "".join(axis for k, axis in enumerate("abc") if (pbc or 0) >> k & 1) or "no axis"
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
