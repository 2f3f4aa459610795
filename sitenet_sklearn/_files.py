"""Files and folders that are whole or absent: written under another name, then renamed."""

import secrets
from contextlib import contextmanager
from pathlib import Path


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
def written_whole(path):
    """Give another name to write to, and rename it to `path` if nothing was raised.

    Parameters
    ----------
    path : path-like
        File to make or to replace.

    Yields
    ------
    pathlib.Path
        The other name, in the same folder.
    """
    path, temporary = Path(path), temporary_beside(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
