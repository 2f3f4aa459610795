"""What tables hold, as a number of rows and a checksum."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from sitenet_sklearn.crystals.structures import is_file, is_missing


class Contents(NamedTuple):
    """Number of rows of some tables, and their SHA-256."""

    n_rows: int
    checksum: str


def contents_of(tables):
    """Count and hash tables and all files that they name, so that altered ones are recognised.

    Parameters
    ----------
    tables : iterable of CrystalTable
        From `read_tables`.

    Returns
    -------
    Contents
        The checksum is equal for copies elsewhere with the same ids, and for other sizes of chunks.
    """
    digest, n_rows = hashlib.sha256(), 0
    for table in tables:
        records = table.properties.to_dict("records") or [{}] * len(table)  # without columns there are no records
        for name, crystal, values in zip(table.ids, table.crystals, records, strict=True):
            if isinstance(crystal, Path):
                content = crystal.read_bytes() if is_file(crystal) else b"no such file"
            else:
                content = _canonical(crystal)
            known = {key: value for key, value in values.items() if not is_missing(value)}  # a chunk has all names
            for part in (name.encode(errors="backslashreplace"), content, _canonical(known)):
                digest.update(hashlib.sha256(part).digest())
        n_rows += len(table)
    return Contents(n_rows, digest.hexdigest())


def _canonical(value):
    return json.dumps(value, sort_keys=True, default=str).encode()
