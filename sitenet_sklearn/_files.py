"""Files that are whole or absent, and long ones that survive a kill half-way."""

import errno
import json
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from numbers import Integral, Real
from pathlib import Path

from filelock import FileLock, Timeout

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def temporary_beside(path):
    """Name for what will be renamed to a path, in the same folder and never used before.

    Parameters
    ----------
    path : path-like
        The final name.

    Returns
    -------
    Path
    """
    path = Path(path)
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(6)}.tmp")


@contextmanager
def written_whole(path, *, temporary=None):
    """Give another name to write to, and rename it to `path` if nothing was raised.

    Parameters
    ----------
    path : path-like
        File to make or to replace.
    temporary : path-like, default=None
        The other name, on the same disk; None makes one in the same folder.

    Yields
    ------
    pathlib.Path
        The other name.

    Raises
    ------
    OSError
        With the name of the file, if the disk is full.
    """
    path, temporary = Path(path), Path(temporary or temporary_beside(path))
    try:
        with _named(path):
            yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _named(path):
    """Let errors of a full disk, which name no file, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def write_whole_file(path, content):
    """Write a file so that its name always stands for a whole one, the old or the new.

    Parameters
    ----------
    path : path-like
        File to write or to replace.
    content : bytes
        All of it.

    Raises
    ------
    OSError
        If it cannot be written, for instance on a full disk; a file that was there before stays as it was.
    """
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def lock_of(path, *, patience=0.0):
    """Lock a file for this process, as long as it lives.

    Parameters
    ----------
    path : path-like
        File, which need not exist; the lock is a hidden file beside it.
    patience : float, default=0.0
        Seconds to wait for another process.

    Returns
    -------
    filelock.FileLock or None
        For `unlock`; None if another process has it.

    Raises
    ------
    FileExistsError
        If what has the name of the lock is none, but a file with content, a link, or the like.
    OSError
        If the lock cannot be made, and so neither the file: the error names the file.
    """
    path = Path(path)
    hidden = path.with_name(f".{path.name}.lock")
    if _is_foreign(hidden):
        raise FileExistsError(f"{hidden} is named like a lock, but no empty file: move it away, or choose another name")
    lock = FileLock(hidden)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        return None
    except BaseException as error:  # Ctrl-C after the lock was taken: whoever comes next must get it
        lock.release(force=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, f"cannot be written ({os.strerror(error.errno)})", str(path)) from error
        raise
    return lock


def unlock(lock):
    """Let others lock the file of a lock from `lock_of`."""
    path = Path(lock.lock_file)
    if not _is_foreign(path):
        path.unlink(missing_ok=True)
    lock.release()


def _is_foreign(path):
    """Whether there is something that `lock_of` has not made: all that it makes is a file without content."""
    with suppress(OSError):
        found = path.lstat()
        return not stat.S_ISREG(found.st_mode) or found.st_size > 0
    return False


class PartialFile:
    """Text that grows in ``<path>.partial``, in steps that are finished or not there, and becomes `path` at the end.

    A small file ``<path>.partial.json`` beside it says how much is finished, and of what.

    Parameters
    ----------
    path : path-like
        The file at the end.
    fingerprint : str
        What the content follows from: a file begun with another one is not continued.
    overwrite : bool, default=False
        Whether a finished file of that name may be replaced at the end.

    Attributes
    ----------
    rows : int
        How many rows are finished.

    Raises
    ------
    FileExistsError
        If another process writes the same file, or has just finished it, or if ``<path>.partial`` is of something else.
    ValueError
        If what is there was begun from something else, or is damaged.
    """

    def __init__(self, path, fingerprint, *, overwrite=False):
        self.path = Path(path)
        self.lock = lock_of(self.path)
        if self.lock is None:
            raise FileExistsError(f"{path} is being written by another process: wait, or choose another name")
        if self.path.exists() and not overwrite:
            unlock(self.lock)
            raise FileExistsError(f"{path} exists: choose another name")
        self.partial = self.path.with_name(f"{self.path.name}.partial")
        self.sidecar = self.path.with_name(f"{self.path.name}.partial.json")
        self.fingerprint, self.rows, self.n_bytes = fingerprint, 0, 0
        try:
            self._resume()
        except (FileExistsError, ValueError):
            unlock(self.lock)
            raise

    def append(self, text, rows):
        """Add text that holds so many rows; afterwards it is on the disk."""
        if not self.sidecar.exists():
            self._remember()
        mode = "r+b" if self.partial.exists() else "wb"
        with _named(self.path), self.partial.open(mode) as file:
            file.truncate(self.n_bytes)  # of a step that a kill interrupted
            file.seek(self.n_bytes)
            self.n_bytes += file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        self.rows += rows
        self._remember()

    def _remember(self):
        state = {"fingerprint": self.fingerprint, "rows": self.rows, "bytes": self.n_bytes}
        with written_whole(self.sidecar) as temporary:
            temporary.write_text(json.dumps(state), encoding="utf-8")

    def finish(self):
        """Give the file its name."""
        with self.partial.open("r+b") as file:
            file.truncate(self.n_bytes)
        self.partial.replace(self.path)
        self.sidecar.unlink()
        unlock(self.lock)

    def _resume(self):
        if not self.sidecar.exists():
            if self.partial.exists():
                raise FileExistsError(f"{self.partial} exists and would be replaced: choose another output")
            return
        remedy = f"remove {self.partial} and {self.sidecar} to begin anew"
        try:
            state = json.loads(self.sidecar.read_text(encoding="utf-8"))
            fingerprint, rows, n_bytes = state["fingerprint"], int(state["rows"]), int(state["bytes"])
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f"{self.sidecar} is damaged: {remedy}") from error
        if fingerprint != self.fingerprint:
            raise ValueError(f"{self.partial} was begun with another model, other data or options: {remedy}")
        if n_bytes and (not self.partial.is_file() or self.partial.stat().st_size < n_bytes):
            raise ValueError(f"{self.partial} is shorter than the {n_bytes} bytes that were finished: {remedy}")
        self.rows, self.n_bytes = rows, n_bytes


def as_python(value):
    """Turn a number of NumPy or torch into one of Python's own, and leave everything else as it is."""
    return value.item() if hasattr(value, "item") else value


def plain(value):
    """Turn a value into what JSON holds: numbers of NumPy and torch into Python's own, sequences into lists.

    Parameters
    ----------
    value : object
        None, text, a truth value, a number, or a sequence of these.

    Returns
    -------
    object

    Raises
    ------
    TypeError
        If it is anything else.

    Examples
    --------
    >>> import numpy as np
    >>> plain((np.int64(3), np.float32(0.5), None, "a"))
    [3, 0.5, None, 'a']
    """
    value = as_python(value)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    raise TypeError(f"JSON holds numbers, text and lists of them, got {type(value).__name__}")
