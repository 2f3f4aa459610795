"""Whether what a user names can hold crystals at all, told before any work begins."""

from pathlib import Path

from sitenet_sklearn.crystals.structures import has_known_name

from .plain_text import printable
from .reading import TABLES

EXPECTED = (
    "expected are tables (.csv, .tsv, .jsonl, .json, also as .gz), folders of crystals, zip archives (.zip), databases "
    "of ASE (.db), and files of one crystal, whose names tell the format: POSCAR, CONTCAR, or an ending as .cif, "
    ".vasp, .xyz, .json or .yaml"
)


def check_sources(paths):
    """Refuse paths that are not there, or that cannot hold crystals, all in one error.

    Parameters
    ----------
    paths : iterable of path-like
        What `read_tables` is to read. Nothing but names and kinds of files is looked at.

    Raises
    ------
    FileNotFoundError
        If one does not exist.
    ValueError
        If all exist, but one is no file, or one whose name tells no format.

    Examples
    --------
    >>> check_sources(["train.cv"])
    Traceback (most recent call last):
    FileNotFoundError: 1 of 1 sources cannot be read:
      train.cv: there is no such file or folder
    expected are tables (.csv, ...
    """
    paths = list(map(Path, paths))
    reasons = {path: reason for path in paths if (reason := _reason(path)) is not None}
    if reasons:
        listed = "\n  ".join(f"{printable(str(path))}: {reason}" for path, reason in reasons.items())
        kind = ValueError if all(path.exists() for path in reasons) else FileNotFoundError
        raise kind(f"{len(reasons)} of {len(paths)} sources cannot be read:\n  {listed}\n{EXPECTED}")


def _reason(path):
    """Why a path cannot hold crystals; None if it may."""
    if path.is_dir():
        return None
    if not path.exists():
        return "there is no such file or folder"
    if not path.is_file():
        return "it is a device or pipe"
    if path.name.lower().endswith(TABLES) or has_known_name(path.name):
        return None
    return "its name tells no format"
