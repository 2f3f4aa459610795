"""Arrays on disk: a folder that is complete or absent, checked when it is opened, and read through memory maps."""

import hashlib
import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sitenet_sklearn._files import temporary_beside
from sitenet_sklearn.exceptions import StoreError

SCHEMA = "sitenet_sklearn crystals 1"
_INDEX = "index.json"
_BLOCK = 2**24


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
        If the folder exists, unless another process has just made the same.
    OSError
        If it cannot be written, for instance on a full disk; nothing is left then.
    """
    with _new_folder(path, metadata) as folder:
        for name, array in arrays.items():
            _write_array(folder / f"{name}.npy", [array], array.shape, array.dtype)


def concatenate_stores(path, folders):
    """Write the arrays of several stores one after the other, without holding them in memory.

    Parameters
    ----------
    path : path-like
        Folder to make.
    folders : list of path-like
        Stores to join; their metadata must be equal.

    Raises
    ------
    FileExistsError, OSError
        As in `write_store`.
    StoreError
        If a store is damaged, or does not fit to the first one.
    """
    first, metadata = read_store(folders[0])
    rows = dict.fromkeys(first, 0)
    for folder in folders:
        arrays, described = read_store(folder)
        if described != metadata or {n: a.shape[1:] for n, a in arrays.items()} != {
            n: a.shape[1:] for n, a in first.items()
        }:
            raise StoreError(f"{folder} holds other arrays or metadata than {folders[0]}")
        rows = {name: total + len(arrays[name]) for name, total in rows.items()}
    with _new_folder(path, metadata) as new:
        for name, total in rows.items():
            parts = (_open_array(Path(folder) / f"{name}.npy") for folder in folders)
            _write_array(new / f"{name}.npy", parts, (total, *first[name].shape[1:]), first[name].dtype)


@contextmanager
def _new_folder(path, metadata):
    """Give a folder for arrays; when they are there, add the index and rename it."""
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists: choose another name or remove it")
    temporary = temporary_beside(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        files = {file.name: _checksum(file) for file in sorted(temporary.glob("*.npy"))}
        index = json.dumps({"schema": SCHEMA, "metadata": metadata, "sha256": files}, indent=1)
        (temporary / _INDEX).write_text(index, encoding="utf-8")
        try:
            temporary.rename(path)
        except OSError as error:
            if not path.exists():
                raise
            if not (path / _INDEX).is_file() or (path / _INDEX).read_text(encoding="utf-8") != index:
                raise FileExistsError(f"{path} was made by another process meanwhile") from error
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
        _refuse_links(path / _INDEX)
        index = json.loads((path / _INDEX).read_text(encoding="utf-8"))
        schema, files, metadata = index["schema"], dict(index["sha256"]), dict(index["metadata"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{path} is not a store of crystals: {_INDEX} is missing or damaged") from error
    if schema != SCHEMA:
        raise StoreError(f"{path} was written as {schema!r}, this version reads {SCHEMA!r}: featurize again")
    arrays = {}
    for name, checksum in files.items():
        file = path / Path(name).name
        try:
            _refuse_links(file)
            if verify and _checksum(file) != checksum:
                raise StoreError(f"{file} is damaged: its checksum differs")
            arrays[file.stem] = _open_array(file)
        except OSError as error:
            raise StoreError(f"{file} is missing or damaged: {error}") from error
    return arrays, metadata


def _refuse_links(file):
    """Raise an OSError for what is no file of its own: a link could lead to any other, a pipe would never end."""
    if file.is_symlink() or (file.exists() and not file.is_file()):
        raise OSError("it is a link or no regular file, and a store holds files of its own only")


def _open_array(file):
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # whatever a damaged header makes numpy raise
        raise StoreError(f"{file} is missing or damaged: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        raise StoreError(f"{file} is missing or damaged: it holds no rows of numbers")
    return array


def _write_array(path, parts, shape, dtype):
    """Write a .npy file part by part; through a memory map a full disk would end the process without an error."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            if part.size:
                file.write(np.ascontiguousarray(part, dtype).data)


def _checksum(path):
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
