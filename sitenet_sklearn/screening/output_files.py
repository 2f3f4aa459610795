"""The three files that a screening writes: their names, one process at a time, and never over those of others."""

import hashlib
import importlib.util
import json
import os
from contextlib import ExitStack, contextmanager

from sitenet_sklearn._files import lock_of, unlock
from sitenet_sklearn.tables.plain_text import is_utf8, printable
from sitenet_sklearn.tables.reading import files_read

from .ledger import stored_job
from .results import SUFFIXES
from .work_folder import LEDGER, work_folder_of


def files_of(output):
    """Name the table, the best crystals and the report.

    Parameters
    ----------
    output : pathlib.Path
        The table.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    ModuleNotFoundError
        If a package is not installed with which the report, or a Parquet file, is written.
    ValueError
        If its name has another ending, or is not in UTF-8.
    """
    if output.suffix not in SUFFIXES:
        raise ValueError(f"output must end in {' or '.join(SUFFIXES)}, got {output}")
    if not is_utf8(output):
        raise ValueError(f"output must have a name in UTF-8, got {printable(str(output))}")
    for name in ("matplotlib", "jinja2"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"the report is made with {name}: pip install {name}", name=name)
    if output.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        told = "Parquet is written with pyarrow: pip install pyarrow, or let output end in .csv"
        raise ModuleNotFoundError(told, name="pyarrow")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"{output} cannot be written: the folder {output.parent} does not exist")
    return [output, *(output.with_name(f"{output.stem}{end}") for end in ("-top.csv", "-report.html"))]


@contextmanager
def sole_writer(files):
    """Keep other processes from writing any of the files; FileExistsError if one does already."""
    with ExitStack() as locks:
        for path in files:
            lock = lock_of(path)
            if lock is None:
                raise FileExistsError(f"{path} is being written by another process: wait, or choose another output")
            locks.callback(unlock, lock)
        yield


def check_outputs(files, sources, *, overwrite):
    """Refuse to write over what a screening must not replace.

    Parameters
    ----------
    files : list of pathlib.Path
        Of `files_of`.
    sources : list of pathlib.Path
        What is read.
    overwrite : bool
        Whether files of others may be replaced. Those that this screening wrote before a kill may be.

    Raises
    ------
    FileExistsError
        If a file exists, is a folder, device or pipe, or if the work folder holds what a screening did not write.
    OSError, ValueError
        If the ledger in the work folder cannot be read.
    ValueError
        If a file is one that is read, or a source lies in the work folder.
    """
    folder = work_folder_of(files[0])
    inside = [source for source in sources if source.resolve().is_relative_to(folder.resolve())]
    if inside:
        raise ValueError(f"{inside[0]} lies in {folder}, the folder of unfinished work: choose another output")
    own = json.loads(stored_job(folder / LEDGER).get("outputs", "{}"))
    for path in filter(os.path.lexists, files):
        if path.is_dir():
            raise FileExistsError(f"{path} is a folder: choose another output")
        if path.exists() and not path.is_file():
            raise FileExistsError(f"{path} is a device or pipe, which is never replaced: choose another output")
        read = (found for source in sources for found in files_read(source) if found.exists())
        if path.exists() and any(path.samefile(found) for found in read):
            raise ValueError(f"{path} would replace what is read: choose another output")
        if not overwrite and (path.name not in own or own[path.name] != checksum_of(path)):
            raise FileExistsError(
                f"{path} exists: choose another output, or replace it with --overwrite (overwrite=True)"
            )


def checksum_of(path):
    """SHA-256 of a file, None for what is no file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
