"""Folders of crystals: which files in them, and in the folders inside, are crystals."""

import os
import re
from pathlib import Path

_CRYSTALS = re.compile(r"\.m?cif(\.gz)?$|^(POSCAR|CONTCAR)|\.vasp$|\.(ext)?xyz$", re.IGNORECASE)
_LEFT_OUT = re.compile(r"(^|/)(\.(?!\.?(/|$))|(__MACOSX|[^/]*\.partial(\.json)?)(/|$))")


def crystals_in(folder):
    """List the crystals in a folder and in all folders inside.

    Hidden files and folders, `__MACOSX`, and unfinished work of this library (`*.partial`) are left out. Links to
    folders are not followed.

    Parameters
    ----------
    folder : path-like
        The folder.

    Returns
    -------
    crystals : list of str
        Names of files in CIF, POSCAR and XYZ: paths from the folder on, with `/`, in their order as text.
    others : list of str
        Names of all other files, in their order.
    links : list of str
        Names of links to folders, in their order.

    Raises
    ------
    OSError
        If the folder, or one inside, cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("run_1/POSCAR", "run_1/INCAR", "a.cif", ".git/b.cif"):
    ...         path = Path(folder) / name
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     crystals_in(folder)
    (['a.cif', 'run_1/POSCAR'], ['run_1/INCAR'], [])
    """
    crystals, others, links = [], [], []
    for place, folders, files in os.walk(folder, onerror=_refuse):
        above = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if not is_left_out(name)]
        links += [(above / name).as_posix() for name in folders if Path(place, name).is_symlink()]
        for name in files:
            if not is_left_out(name):
                (crystals if _CRYSTALS.search(name) else others).append((above / name).as_posix())
    return sorted(crystals), sorted(others), sorted(links)


def is_left_out(name):
    """Whether a path from a folder or an archive on is hidden, of macOS, or unfinished work of this library.

    Examples
    --------
    >>> [is_left_out(name) for name in ("a/b.cif", "../b.cif", ".git/b.cif", "__MACOSX/._b.cif", "gaps.csv.partial/x")]
    [False, False, True, True, True]
    """
    return _LEFT_OUT.search(name) is not None


def _refuse(error):
    raise error
