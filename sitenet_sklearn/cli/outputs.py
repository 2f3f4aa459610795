"""Where the output of a command goes: never over what it reads, and over other files only when asked."""

import os
import sys
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import typer

from sitenet_sklearn._files import lock_of, unlock, written_whole
from sitenet_sklearn.tables.plain_text import is_utf8, printable
from sitenet_sklearn.tables.predictions import as_text
from sitenet_sklearn.tables.reading import files_read

LONGEST_NAME = 235
"""Bytes of a name; disks allow 255, and hidden files and folders beside it have longer names."""


def check_output(path, inputs=(), *, overwrite, option="--output", suffixes=None):
    """Refuse a file that cannot or must not be written, before anything long begins.

    Parameters
    ----------
    path : Path or None
        File to write; None is always right.
    inputs : sequence of Path, default=()
        Files, tables and folders that the command reads. They are told apart by what they are, not by their spelling,
        and are never replaced, nor any file in them or named by them.
    overwrite : bool
        Whether other files may be replaced.
    option : str, default="--output"
        Option that named the file, for messages.
    suffixes : sequence of str, default=None
        Endings that its name may have; None for any.

    Raises
    ------
    typer.BadParameter
        If it must not be written.
    """
    if path is None:
        return
    _check_name(path, option, suffixes)
    if not path.exists() and not path.is_symlink():
        return
    for name in inputs:
        if path.exists() and any(path.samefile(found) for found in files_read(name) if found.exists()):
            raise typer.BadParameter(f"{option} {path} would replace what is read from {name}: choose another name")
    if not overwrite:
        raise typer.BadParameter(f"{option} {path} exists: choose another name, or replace it with --overwrite")


def check_folder(path, option):
    """Refuse a folder that cannot be made, as what has its name, or that of a folder above it, is none.

    Parameters
    ----------
    path : Path
        Folder, which need not exist.
    option : str
        Option that named it, for messages.

    Raises
    ------
    typer.BadParameter
        If it cannot be made.
    """
    for place in (path, *path.absolute().parents):
        if (place.exists() or place.is_symlink()) and not place.is_dir():
            raise typer.BadParameter(f"{option} {path} is to be a folder, but {place} is none: choose another name")


def writes(option):
    """Decorate a command that writes the file of an option: meanwhile no other command can write it.

    Parameters
    ----------
    option : str
        Name of the parameter that has the path, or None for no file.
    """

    def decorate(command):
        @wraps(command)
        def alone(**options):
            with _locked(options[option], f"--{option}"):
                command(**options)

        return alone

    return decorate


@contextmanager
def _locked(path, option):
    if path is None:
        yield
        return
    _check_name(path, option, ())
    try:
        lock = lock_of(path)
    except OSError as error:
        raise typer.BadParameter(f"{option}: {error}") from error
    if lock is None:
        raise typer.BadParameter(f"{option} {path} is being written by another process: wait, or choose another name")
    try:
        yield
    finally:
        unlock(lock)


def _check_name(path, option, suffixes):
    if suffixes and path.suffix not in suffixes:
        raise typer.BadParameter(f"{option} {path} must end in {' or '.join(suffixes)}")
    if not is_utf8(path):
        raise typer.BadParameter(f"{option} {printable(str(path))} cannot be written: its name is not in UTF-8")
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise typer.BadParameter(f"{option} {path} cannot be written: its name is longer than {LONGEST_NAME} bytes")
    if path.is_dir():
        raise typer.BadParameter(f"{option} {path} cannot be written: it is a folder")
    if not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"{option} {path} cannot be written: the folder {path.parent} does not exist")
    folder = path.absolute().parent.resolve()
    if (path.exists() and not path.is_file()) or folder == Path("/dev") or _is_of_system(folder):
        raise typer.BadParameter(f"{option} {path} cannot be written, as it is a device or pipe: name a file")
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{option} {path} cannot be written: nothing can be written into {path.parent}")


def _is_of_system(folder):
    return any(map(folder.is_relative_to, ("/proc", "/sys")))


@contextmanager
def opened(output):
    """Give a text stream: stdout, or a file that gets its name at the end."""
    if output is None:
        yield sys.stdout
        return
    with written_whole(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def write_table(frame, stream, *, as_json=False, header=True):
    """Write a data frame as CSV or as lines of JSON."""
    stream.write(as_text(frame, form="json" if as_json else "csv", header=header))
    stream.flush()
