"""Sources that hold many crystals and no columns: folders, zip archives and databases of ASE."""

import warnings

from .ase_databases import read_ase_database
from .folders import crystals_in
from .plain_text import printable
from .zips import other_members, read_zip

PROPERTIES = "id_prop.csv"
"""Name of CGCNN's table: a folder that has it is a table."""

_NO_CRYSTALS = "not read, as their names are of no {} files"
_IN_FOLDERS, _IN_ZIPS = _NO_CRYSTALS.format("CIF, POSCAR or XYZ"), _NO_CRYSTALS.format("CIF, POSCAR or JSON")
_LINKS = "not read, as links to folders are not followed"


class Unread:
    """Files that are found beside crystals and not read: kept, to tell of them in one warning a reason."""

    def __init__(self):
        self._names = {}

    def add(self, reason, path, names):
        """Keep names of files in a folder or an archive."""
        if names:
            self._names.setdefault(reason, []).extend(f"{path}/{name}" for name in names)

    def tell(self):
        """Warn of all, by the names of a few."""
        for reason, names in self._names.items():
            warnings.warn(f"{reason}: {printable(some(names, 5))}", stacklevel=3)


def holds_crystals(path):
    """Whether a path is a folder or file that holds the crystals themselves, and no columns that may name files."""
    if path.is_dir():
        return not (path / PROPERTIES).is_file()
    return path.name.lower().endswith((".zip", ".db"))


def read_container(path, chunk_size, unread):
    """Read the crystals of a folder, a zip archive or a database of ASE in chunks.

    Parameters
    ----------
    path : Path
        A path that `holds_crystals`.
    chunk_size : int or None
        Most crystals to hold in memory at a time; None for all.
    unread : Unread
        Gets the files that are not read.

    Yields
    ------
    names : list of str
        Paths of files from the folder or the archive on, or numbers of rows.
    crystals : list
        As `CrystalTable` has them.
    values : list of dict or None
        Key-value pairs of a database.

    Raises
    ------
    FileNotFoundError
        If a folder holds no crystals.
    OSError, ValueError
        If it cannot be read, or if a zip is damaged or holds no crystals.
    """
    if path.is_dir():
        yield from _read_folder(path, chunk_size, unread)
    elif path.name.lower().endswith(".db"):
        yield from read_ase_database(path, chunk_size)
    else:
        yield from _read_zip(path, chunk_size, unread)


def _read_folder(path, chunk_size, unread):
    names, others, links = crystals_in(path)
    if not names:
        held = _listed(others + links)
        raise FileNotFoundError(
            f"the folder {path} and those inside hold neither {PROPERTIES} nor CIF, POSCAR or XYZ files, but {held}"
        )
    unread.add(_IN_FOLDERS, path, others)
    unread.add(_LINKS, path, links)
    step = chunk_size or len(names)
    for start in range(0, len(names), step):
        part = names[start : start + step]
        yield part, [path / name for name in part], None


def _read_zip(path, chunk_size, unread):
    is_empty = True
    for names, crystals in read_zip(path, chunk_size):
        yield names, crystals, None
        is_empty = False
    others = other_members(path)
    if is_empty:
        raise ValueError(f"{path} holds no crystals in CIF, POSCAR or JSON, but {_listed(others)}")
    unread.add(_IN_ZIPS, path, others)


def _listed(names):
    return printable(some(names, 5)) or "no files"


def some(names, n):
    """List n names, and how many more there are.

    Examples
    --------
    >>> some(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")
