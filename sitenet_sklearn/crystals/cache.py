"""A file that remembers the records of crystals, safe for several processes at once."""

import hashlib
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from sitenet_sklearn._files import plain
from sitenet_sklearn.exceptions import CrystalError

from .crystal import Crystal
from .store import SCHEMA
from .stored_crystals import is_record
from .structures import as_structure

WAIT = 60.0
"""Seconds to wait for another process that writes."""

_DIGEST = hashlib.sha256().digest_size
_OF_THE_DISK = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}


class CrystalCache:
    """Records of crystals by content, in one SQLite file.

    The key of a record is a hash of the lattice, positions and species of the crystal (to 1e-8) and of every
    parameter that matters, so copies of a crystal share a record and a change of parameters never meets an old one.

    Parameters
    ----------
    path : path-like
        File, made if missing.
    parameters : dict
        What records depend on beside the crystal, as JSON takes it.

    Raises
    ------
    OSError
        If the file cannot be read or written, for instance on a full disk.
    RuntimeError
        If the file is no cache or damaged.
    """

    def __init__(self, path, parameters):
        self.path = Path(path)
        self.parameters = parameters
        self._run("CREATE TABLE IF NOT EXISTS crystals (key BLOB PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID")

    def get(self, items):
        """Look up crystals.

        Parameters
        ----------
        items : list of crystals
            In any form that `SupercellFeaturizer` takes.

        Returns
        -------
        list of (Crystal or None)
            None where a record is missing or damaged.
        """
        keys = [self.key(item) for item in items]
        rows = [self._run("SELECT record FROM crystals WHERE key = ?", (key,)) for key in keys]
        n = len(self.parameters["site_features"])
        return [_decode(row[0][0], key, n) if row else None for row, key in zip(rows, keys, strict=True)]

    def put(self, items, records):
        """Remember the records of crystals, all of them or none."""
        keys = [self.key(item) for item in items]
        rows = [(key, _encode(record, key)) for key, record in zip(keys, records, strict=True)]
        self._run("INSERT OR REPLACE INTO crystals VALUES (?, ?)", rows, many=True)

    def key(self, item):
        """Hash of a crystal and the parameters: bytes."""
        return fingerprint(self.parameters, [item]).digest()

    def _run(self, statement, values=(), *, many=False):
        try:
            with closing(sqlite3.connect(self.path, timeout=WAIT)) as connection, connection:
                cursor = connection.executemany(statement, values) if many else connection.execute(statement, values)
                return cursor.fetchall()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK:
                raise OSError(f"the cache {self.path} cannot be read or written: {error}") from error
            raise RuntimeError(f"{self.path} is no usable cache of crystals ({error}): name another file") from error


def fingerprint(parameters, items):
    """Hash the content of crystals and all that their records depend on.

    Parameters
    ----------
    parameters : dict
        Parameters of the featurizer that matter.
    items : list of crystals
        In any form that `SupercellFeaturizer` takes.

    Returns
    -------
    hash object
        Of SHA-256; equal for copies of the crystals.
    """
    digest = hashlib.sha256(SCHEMA.encode())
    digest.update(json.dumps({name: plain(value) for name, value in parameters.items()}, sort_keys=True).encode())
    for item in items:
        digest.update(content_of(item))
    return digest


def content_of(item):
    """Lattice, positions and species of a crystal as bytes, or the reason why it cannot be read.

    Parameters
    ----------
    item : pymatgen Structure, path, dict or ASE Atoms
        A crystal.

    Returns
    -------
    bytes
        Equal for copies of a crystal, whatever was computed with them.
    """
    try:
        structure = as_structure(item)
    except CrystalError as error:
        return str(error).encode()
    species = " ".join(map(str, structure.species_and_occu))
    numbers = np.vstack([structure.lattice.matrix, structure.frac_coords]).round(8) + 0.0
    periodic = structure.lattice.pbc
    species += "" if all(periodic) else f" periodic along {periodic}"
    return species.encode() + numbers.tobytes()


def _encode(crystal, key):
    """Turn a record into bytes, with a checksum of it and of its key."""
    buffer = io.BytesIO()
    for array in crystal:
        np.lib.format.write_array(buffer, array, allow_pickle=False)
    content = buffer.getvalue()
    return hashlib.sha256(key + content).digest() + content


def _decode(record, key, n_site_features):
    """Read what `_encode` wrote under that key, of so many site features; None for anything else, whoever wrote it."""
    if not isinstance(record, bytes):
        return None
    expected, content = record[:_DIGEST], record[_DIGEST:]
    if hashlib.sha256(key + content).digest() != expected:
        return None
    buffer = io.BytesIO(content)
    try:
        crystal = Crystal(*(np.lib.format.read_array(buffer, allow_pickle=False) for _ in Crystal._fields))
    except Exception:  # whatever NumPy raises for other content  # noqa: BLE001
        return None
    return crystal if is_record(crystal, n_site_features) else None
