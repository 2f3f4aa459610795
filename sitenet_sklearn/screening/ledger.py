"""The ledger of a screening: an SQLite file of all that is finished, in transactions that are whole or absent.

The screening keeps the file locked as long as it runs: whoever opens it meanwhile is told that it is locked, and
disturbs nothing, on network file systems too.
"""

import json
import secrets
import sqlite3
import warnings
from contextlib import closing, contextmanager
from typing import NamedTuple

import numpy as np

from .fingerprint import is_same

PATIENCE = 600
"""Seconds to wait at the beginning for a program that has the file open."""

_APPLICATION = b"Stnt"
_TABLES = (
    f"PRAGMA application_id = {int.from_bytes(_APPLICATION, 'big')}",
    "CREATE TABLE IF NOT EXISTS job (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS rows (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL, formula TEXT, crystal INTEGER, reason TEXT)""",
    """CREATE TABLE IF NOT EXISTS crystals (
    number INTEGER PRIMARY KEY, key INTEGER NOT NULL, projections BLOB NOT NULL, answers TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS crystals_by_key ON crystals (key)",
)
_JOB = "SELECT name, value FROM job"
_READ = """
SELECT rows.row, rows.id, rows.formula, rows.reason, rows.crystal, first.id, crystals.answers FROM rows
LEFT JOIN crystals ON crystals.number = rows.crystal LEFT JOIN rows AS first ON first.row = rows.crystal
ORDER BY rows.row
"""
_ALTERED = "altered"
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
_DAMAGED = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    None,
)


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
    """What a screening has finished. Nobody else can open the file meanwhile.

    Parameters
    ----------
    path : pathlib.Path
        File, made if missing.
    job : dict of str to str
        What the answers follow from; "options" is a dict as JSON. A file of another job is refused.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    token : str
        Random word that the other files of this screening have in their names.

    Raises
    ------
    OSError
        If the file cannot be read or written, for instance on a full disk, or if another program has it open for
        longer than `PATIENCE`. So do all methods.
    ValueError
        If the file belongs to another job, is damaged, or is no ledger.

    Warns
    -----
    UserWarning
        While another program has the file open.
    """

    def __init__(self, path, job):
        self.path = path
        if path.exists() and not is_ledger(path):
            raise ValueError(f"{path} is no usable ledger of a screening: move it away, or choose another output")
        self._reading = None
        with _explained(path):
            self._connection = sqlite3.connect(path, timeout=1)
        try:
            known = self._open()
            _check_job(path, known, job)
            self.token = known["token"]
            self._remember(job)
        except BaseException:
            self.close()
            raise

    def _open(self):
        """Lock the file, make what is missing, look for damage, and return the job that it knows."""
        with _explained(self.path, ValueError):
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            _when_free(self.path, self._connection, "BEGIN EXCLUSIVE")
            with self._connection:
                for statement in _TABLES:
                    self._connection.execute(statement)
                self._connection.execute("INSERT OR IGNORE INTO job VALUES ('token', ?)", (secrets.token_hex(8),))
            (state,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise ValueError(" ".join(state.split()))
            return dict(self._connection.execute(_JOB))

    def close(self):
        """Close the file, also where somebody has not read all rows; others can open it from then on."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        self._connection.close()

    @property
    def n_rows(self):
        """Number of rows that are finished; they are the first ones."""
        return self._fetch("SELECT coalesce(max(row) + 1, 0) FROM rows")[0][0]

    def counts(self):
        """Count rows, crystals and rows that failed."""
        ((failed,),) = self._fetch("SELECT count(*) FROM rows WHERE reason IS NOT NULL")
        ((crystals,),) = self._fetch("SELECT count(*) FROM crystals")
        return self.n_rows, crystals, failed

    def find(self, fingerprint):
        """Find the number of a crystal that is finished, None where there is none."""
        marks = ", ".join("?" * len(fingerprint.keys))
        found = self._fetch(
            f"SELECT number, projections FROM crystals WHERE key IN ({marks})",  # noqa: S608
            fingerprint.keys,
        )
        with _explained(self.path, TypeError, ValueError):
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

        Raises
        ------
        FileNotFoundError
            If somebody has removed the file.
        """
        self._check_there()
        encoded = [(number, found.key, found.projections.tobytes(), answers) for number, found, answers in crystals]
        with _explained(self.path), self._connection:
            self._connection.executemany("INSERT INTO crystals VALUES (?, ?, ?, ?)", encoded)
            self._connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)

    def __iter__(self):
        """Yield `Finished` rows in order."""
        self._check_there()
        with _explained(self.path):
            found = self._reading = self._connection.execute(_READ)
        while True:
            with _explained(self.path, TypeError, ValueError):
                row = found.fetchone()
                if row is None:
                    return
                finished = Finished(*row[:-1], None if row[-1] is None else json.loads(row[-1]))
            yield finished

    def reasons(self, n):
        """Return the n most frequent reasons of failures, with their counts."""
        query = (
            "SELECT reason, count(*) AS n FROM rows WHERE reason IS NOT NULL GROUP BY reason ORDER BY n DESC LIMIT ?"
        )
        return self._fetch(query, (n,))

    def spoil(self):
        """Let no job go on with this file, as its answers are not those of the sources that it names."""
        self._remember({"sources": _ALTERED})

    def sign(self, outputs):
        """Remember what this screening is about to write: checksums by the name of the file."""
        self._remember({"outputs": json.dumps(outputs)})

    def _remember(self, job):
        with _explained(self.path), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO job VALUES (?, ?)", job.items())

    def _fetch(self, query, values=()):
        with _explained(self.path):
            return self._connection.execute(query, values).fetchall()

    def _check_there(self):
        if not self.path.exists():
            raise FileNotFoundError(
                f"{self.path} was removed while the screening ran: remove {self.path.parent}, if it is there, and "
                "run the same command again, which begins anew"
            )


def is_ledger(path):
    """Whether a file was made by a `Ledger`, which is told without writing; one without content was begun by it."""
    with path.open("rb") as file:
        header = file.read(100)
    return not header or (header.startswith(b"SQLite format 3\0") and header[68:72] == _APPLICATION)


def stored_job(path):
    """Read from a ledger what its screening was, or is about to do.

    Parameters
    ----------
    path : pathlib.Path
        File, which need not exist; if it does, `is_ledger` is true.

    Returns
    -------
    dict of str to str
        What was given as `job`; `token`; and `outputs`, what was given to `Ledger.sign`. Empty if there is no ledger.

    Raises
    ------
    OSError, ValueError
        As `Ledger`.
    """
    if not path.is_file() or not path.stat().st_size:
        return {}
    with _explained(path), closing(sqlite3.connect(path, timeout=1)) as connection:
        return dict(_when_free(path, connection, _JOB))


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


def _check_job(path, known, job):
    """Raise a ValueError if what a ledger holds is of another job."""
    if known.get("sources") == _ALTERED:
        raise ValueError(
            f"{path} holds answers for sources that were altered while an earlier run read them: "
            f"remove {path.parent} and run the same command again, which begins anew"
        )
    if changed := [_change(name, known[name], job[name]) for name in job if known.get(name, job[name]) != job[name]]:
        raise ValueError(
            f"{path} was begun with {' and '.join(changed)}: "
            f"run the same command as before, choose another output, or remove {path.parent} to begin anew"
        )


def _when_free(path, connection, query):
    """Execute a query as soon as no other program has the file locked."""
    for second in range(PATIENCE):  # SQLite waits for a second each time, and Ctrl-C is noticed in between
        try:
            return connection.execute(query)
        except sqlite3.OperationalError as error:
            if _code_of(error) not in _LOCKED:
                raise
        if second == 1:
            warnings.warn(f"another program has {path} open: waiting until it closes the file", stacklevel=5)
    return connection.execute(query)


@contextmanager
def _explained(path, *of_damage):
    """Turn errors of SQLite, and those that damaged content raises, into ones that name the file and a remedy."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except (sqlite3.Error, *of_damage) as error:
        code, again = _code_of(error), "and run the same command again: finished rows are kept"
        if code in _DAMAGED:
            damaged = f"{path} is no usable ledger of a screening ({error}): remove {path.parent} to begin anew"
            raise ValueError(damaged) from error
        if code in _LOCKED:
            text = "is locked: close the program that has it open (or the file system knows no locks),"
        elif code == sqlite3.SQLITE_FULL:
            text = "cannot be written, as the disk is full: free space"
        else:
            text = f"cannot be read or written ({error}): look after the disk, its free space and permissions,"
        raise OSError(f"{path} {text} {again}") from error


def _code_of(error):
    """Primary code of SQLite for an error, None if it has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
