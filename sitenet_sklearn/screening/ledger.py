"""The ledger of a screening: an SQLite file of all that is finished, in transactions that are whole or absent."""

import json
import sqlite3
from contextlib import closing
from typing import NamedTuple

import numpy as np

from .fingerprint import is_same

_TABLES = """
CREATE TABLE IF NOT EXISTS job (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL, formula TEXT, crystal INTEGER, reason TEXT);
CREATE TABLE IF NOT EXISTS crystals (
    number INTEGER PRIMARY KEY, key INTEGER NOT NULL, projections BLOB NOT NULL, answers TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS crystals_by_key ON crystals (key);
"""
_READ = """
SELECT rows.row, rows.id, rows.formula, rows.reason, rows.crystal, first.id, crystals.answers FROM rows
LEFT JOIN crystals ON crystals.number = rows.crystal LEFT JOIN rows AS first ON first.row = rows.crystal
ORDER BY rows.row
"""


class Row(NamedTuple):
    """A row of the sources: its number from 0, id, formula or None, and the number of its crystal or why it has none.

    The number of a crystal is that of the first row that has it.
    """

    row: int
    id: str
    formula: str | None
    crystal: int | None
    reason: str | None


class Finished(NamedTuple):
    """A row with its answers, which are None where the crystal failed, and the id of the first row of its crystal."""

    row: int
    id: str
    formula: str | None
    reason: str | None
    crystal: int | None
    first_id: str | None
    answers: list | None


class Ledger:
    """What a screening has finished.

    Parameters
    ----------
    path : path-like
        File, made if missing.
    job : dict of str to str
        What the answers follow from; "options" is a dict as JSON. A file of another job is refused.

    Raises
    ------
    ValueError
        If the file belongs to another job, or is no ledger.
    """

    def __init__(self, path, job):
        remedy = f"run the same command as before, choose another output, or remove {path.parent} to begin anew"
        try:
            self._connection = sqlite3.connect(path)
            self._connection.executescript(_TABLES)
            known = dict(self._connection.execute("SELECT name, value FROM job"))
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path} is no usable ledger of a screening ({error}): remove {path.parent}") from error
        changed = [_change(name, known[name], job[name]) for name in job if known.get(name, job[name]) != job[name]]
        if changed:
            self.close()
            raise ValueError(f"{path} was begun with {' and '.join(changed)}: {remedy}")
        self._remember(job)

    def close(self):
        """Close the file."""
        self._connection.close()

    @property
    def n_rows(self):
        """Number of rows that are finished; they are the first ones."""
        return self._connection.execute("SELECT coalesce(max(row) + 1, 0) FROM rows").fetchone()[0]

    def counts(self):
        """Count rows, crystals and rows that failed."""
        failed = self._connection.execute("SELECT count(*) FROM rows WHERE reason IS NOT NULL").fetchone()[0]
        crystals = self._connection.execute("SELECT count(*) FROM crystals").fetchone()[0]
        return self.n_rows, crystals, failed

    def find(self, fingerprint):
        """Find the number of a crystal that is finished, None where there is none."""
        marks = ", ".join("?" * len(fingerprint.keys))
        found = self._connection.execute(
            f"SELECT number, projections FROM crystals WHERE key IN ({marks})",  # noqa: S608
            fingerprint.keys,
        )
        for number, projections in found:
            if is_same(fingerprint.projections, np.frombuffer(projections)):
                return number
        return None

    def add(self, rows, crystals):
        """Add rows and new crystals, all of them or none.

        Parameters
        ----------
        rows : list of Row
            The next rows.
        crystals : list of tuple
            Number, `Fingerprint` and answers as JSON, of each crystal of these rows that is new.
        """
        encoded = [(number, found.key, found.projections.tobytes(), answers) for number, found, answers in crystals]
        with self._connection:
            self._connection.executemany("INSERT INTO crystals VALUES (?, ?, ?, ?)", encoded)
            self._connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)

    def __iter__(self):
        """Yield `Finished` rows in order."""
        for *known, answers in self._connection.execute(_READ):
            yield Finished(*known, None if answers is None else json.loads(answers))

    def reasons(self, n):
        """Return the n most frequent reasons of failures, with their counts."""
        query = (
            "SELECT reason, count(*) AS n FROM rows WHERE reason IS NOT NULL GROUP BY reason ORDER BY n DESC LIMIT ?"
        )
        return self._connection.execute(query, (n,)).fetchall()

    def spoil(self):
        """Let no job go on with this file, as its answers are not those of the sources that it names."""
        self._remember({"sources": "altered"})

    def sign(self, outputs):
        """Remember what this screening is about to write: checksums by the name of the file."""
        self._remember({"outputs": json.dumps(outputs)})

    def _remember(self, job):
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO job VALUES (?, ?)", job.items())


def _change(name, before, now):
    """Say what of a job is another one than before; of options, which ones, and what they were."""
    if name != "options":
        return f"other {name}"
    before, now = json.loads(before), json.loads(now)
    values = [(option, before.get(option), now[option]) for option in now if before.get(option) != now[option]]
    said = [f"{option.replace('_', ' ')} {_said(old)}, now {_said(new)}" for option, old, new in values]
    return " and ".join(said) or "other options"


def _said(value):
    return "not given" if value is None else value


def outputs_in(path):
    """Read from a ledger what its screening has written, or was about to write when it ended.

    Parameters
    ----------
    path : pathlib.Path
        File, which need not exist.

    Returns
    -------
    dict of str to str
        Checksums by the name of the file, as given to `Ledger.sign`; empty if there is no such ledger.
    """
    if not path.is_file():
        return {}
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT value FROM job WHERE name = 'outputs'").fetchone()
    except sqlite3.DatabaseError:  # `Ledger` says so
        return {}
    return json.loads(found[0]) if found else {}
