"""Arrays on disk: a folder that is complete or absent, checked when it is opened, and read through memory maps."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

SCHEMA = "sitenet_sklearn crystals 1"
_INDEX = "index.json"
_BLOCK = 2**24


class StoreError(RuntimeError):
    """A folder is no store of crystals, or it is damaged; the message names the file."""


def write_store(path, arrays, metadata):
    """Write arrays into a new folder, which appears only when it is complete.

    Parameters
    ----------
    path : path-like
        Folder to make.
    arrays : dict of str to ndarray
        What to write; numbers only.
    metadata : dict
        What describes them, as JSON takes it.

    Raises
    ------
    FileExistsError
        If the folder exists.
    """
    concatenate_stores(path, [(arrays, metadata)])


def concatenate_stores(path, parts):
    """Write the arrays of several parts one after the other, without holding them in memory.

    Parameters
    ----------
    path : path-like
        Folder to make.
    parts : list of (dict of str to ndarray, dict)
        Arrays and metadata of every part; the metadata must be equal.

    Raises
    ------
    FileExistsError
        If the folder exists.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists: choose another name or remove it")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    try:
        for name, first in parts[0][0].items():
            rows = sum(len(arrays[name]) for arrays, _ in parts)
            shape = (rows, *first.shape[1:])
            _write_array(temporary / f"{name}.npy", [arrays[name] for arrays, _ in parts], shape, first.dtype)
        files = {file.name: _checksum(file) for file in sorted(temporary.glob("*.npy"))}
        index = {"schema": SCHEMA, "metadata": parts[0][1], "sha256": files}
        (temporary / _INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_store(path, *, verify=True):
    """Open the arrays of a folder through memory maps.

    Parameters
    ----------
    path : path-like
        Folder that `write_store` made.
    verify : bool, default=True
        Whether to read every byte once and compare checksums.

    Returns
    -------
    arrays : dict of str to ndarray
        Read-only memory maps.
    metadata : dict
        As written.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    StoreError
        If the folder holds something else, or a file is missing or altered.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"no folder {path}")
    try:
        index = json.loads((path / _INDEX).read_text(encoding="utf-8"))
        schema, files, metadata = index["schema"], index["sha256"], index["metadata"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is no store of crystals: {_INDEX} is missing or damaged") from error
    if schema != SCHEMA:
        raise StoreError(f"{path} was written as {schema!r}, this version reads {SCHEMA!r}: featurize again")
    arrays = {}
    for name, checksum in files.items():
        file = path / Path(name).name
        try:
            if verify and _checksum(file) != checksum:
                raise StoreError(f"{file} is damaged: its checksum differs")
            arrays[file.stem] = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise StoreError(f"{file} is missing or damaged: {error}") from error
    return arrays, metadata


def _write_array(path, parts, shape, dtype):
    if 0 in shape:
        np.save(path, np.zeros(shape, dtype))
        return
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    start = 0
    for part in parts:
        array[start : start + len(part)] = part
        start += len(part)
    array.flush()


def _checksum(path):
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
