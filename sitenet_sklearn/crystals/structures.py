"""Crystals as users have them: Structures, files, dicts, ASE Atoms; and whether they can be used."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import IStructure, Structure

from sitenet_sklearn.exceptions import CrystalError

from .crystal_files import (
    EMPTY,
    MAX_SITES,
    decoded_text,
    read_text,
    refuse_empty,
    structure_from_atoms,
    structure_from_dict,
    structure_from_text,
)
from .elements import MAX_ATOMIC_NUMBER

MAX_LENGTH = 1e7
"""Largest number in a lattice (angstrom) or in fractional coordinates: beyond it positions have no meaning."""

MAX_OXIDATION_STATE = 20

_FORMATS = {
    "cif": r"\.m?cif",
    "poscar": r"poscar|contcar|\.vasp",
    "json": r"\.(json|mson)",
    "yaml": r"\.ya?ml",
    "xyz": r"\.(ext)?xyz",
}
"""Names of files that are read here."""

_OTHER_FORMATS = re.compile(
    r"(chgcar|locpot|ctrl)[^\n]*|vasprun[^\n]*\.xml[^\n]*|input[^\n]*\.xml|[^\n]*\.(cssr|xsf)[^\n]*"
    r"|[^\n]*((rndstr|lat)\.in|bestsqs)[^\n]*|(?!inp_|.*\.in)[^\n]*\.(res|nc|(config|pwmat)[^\n]*)"
)
"""Whole names of files that pymatgen reads by itself, beside CIF, POSCAR, JSON and YAML.

For any other name pymatgen imports whatever a folder nearby says it can read it with.
"""

LINES_OF_POSCAR = 8
"""Lines of the shortest POSCAR, which names no elements and has one site."""

UNKNOWN_NAME = "its name tells no format: rename it to POSCAR, or to end in .cif, .vasp, .xyz, .json or .yaml"


def list_crystals(X, owner):
    """Turn what a user passes as crystals into a list, without looking into them.

    Parameters
    ----------
    X : iterable or one-column DataFrame
        Crystals in any of the forms that `as_structure` takes.
    owner : str
        Name for messages.

    Returns
    -------
    items : list
        The crystals.
    names : list of str
        Labels of a Series or DataFrame, else paths of files or empty strings.

    Raises
    ------
    TypeError
        If X is a single crystal or no iterable of crystals; the first wrong item is named.
    ValueError
        If X is empty or has several columns.
    """
    X = only_column(X, owner)
    items = list(X)
    if not items:
        raise ValueError(f"{owner} expects at least one crystal, got an empty {type(X).__name__}")
    for index, item in enumerate(items):
        if not (isinstance(item, IStructure | dict | str | os.PathLike) or _is_atoms(item) or is_missing(item)):
            raise TypeError(
                f"{owner} expects pymatgen Structures, paths, text in CIF or POSCAR, dicts or ASE Atoms, got "
                f"{type(item).__name__} at index {index}: {item!r:.80}"
            )
    labels = getattr(X, "index", None)
    if labels is not None and not callable(labels):
        return items, [str(label) for label in labels]
    return items, [os.fspath(item) if is_path(item) else "" for item in items]


def only_column(X, owner):
    """Return the only column of a table of crystals, other iterables as they are; errors as of `list_crystals`."""
    if isinstance(X, IStructure | dict | str | bytes | os.PathLike) or not hasattr(X, "__iter__"):
        raise TypeError(f"{owner} expects a list of crystals, got a single {type(X).__name__}: pass [crystal]")
    if getattr(X, "ndim", 1) == 1:
        return X
    if X.shape[1] != 1:
        raise ValueError(f"{owner} expects one column of crystals, got shape {X.shape}: select the column")
    return X.iloc[:, 0] if hasattr(X, "iloc") else X[:, 0]


def as_structure(item):
    """Read one crystal.

    Parameters
    ----------
    item : pymatgen Structure, path, text, dict or ASE Atoms
        A crystal; a path names any file that pymatgen reads, or one in XYZ with a lattice; text is CIF or POSCAR, of
        several lines, or JSON; a dict is what `Structure.as_dict` makes.

    Returns
    -------
    pymatgen.core.Structure

    Raises
    ------
    CrystalError
        If it cannot be read, or if there is none: None, NaN or empty text.
    """
    if isinstance(item, IStructure):
        return item
    if is_missing(item) or (isinstance(item, str) and not item.strip()):
        raise CrystalError("there is no crystal: expected a Structure, a path, CIF, POSCAR or JSON")
    if is_path(item) and not is_file(item):
        raise CrystalError("no such file")
    try:
        return _read(item)
    except CrystalError:
        raise
    except Exception as error:  # parsers of damaged files raise anything
        what = "file" if is_path(item) else type(item).__name__
        form = ""
        if isinstance(item, str) and not is_path(item):
            what, form = "text", _form_of_text(item)
        raise _unreadable(error, what, form) from error


def structure_from_content(name, content):
    r"""Read one crystal from the content of a file, which need not lie on a disk.

    Parameters
    ----------
    name : str
        Name of the file, without folders: it tells the format, and nothing is opened by it.
    content : bytes
        What the file holds, compressed if the name says so.

    Returns
    -------
    pymatgen.core.Structure

    Raises
    ------
    CrystalError
        If it cannot be read, or if its format is not CIF, POSCAR, XYZ, JSON or YAML.

    Examples
    --------
    >>> cell = b"iron\n2.87\n1 0 0\n0 1 0\n0 0 1\nFe\n2\ndirect\n0 0 0\n0.5 0.5 0.5"
    >>> structure_from_content("POSCAR", cell).formula
    'Fe2'
    """
    if not content:
        raise CrystalError(EMPTY)
    kind = _format_of_name(name)
    if kind is None:
        raise CrystalError(UNKNOWN_NAME)
    try:
        return structure_from_text(decoded_text(name, content, kind), kind)
    except CrystalError:
        raise
    except Exception as error:  # as in as_structure
        raise _unreadable(error, "file") from error


def _unreadable(error, what, form=""):
    return CrystalError(f"the {what} is not read as a crystal{form} ({type(error).__name__}: {error!s:.120})")


def is_file(path):
    """Whether a path is a file; a name that no file can have is none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_path(item):
    """Whether an item names a file; text of several lines, or in JSON, is the crystal itself."""
    if isinstance(item, str):
        return "\n" not in item and not item.lstrip().startswith("{")
    return isinstance(item, os.PathLike)


def has_known_name(name):
    """Whether the name of a file, without folders, tells a format that is read.

    Examples
    --------
    >>> [has_known_name(name) for name in ("a.cif.gz", "POSCAR_1", "vasprun.xml", "gaps.parquet", "notes.html")]
    [True, True, True, False, False]
    """
    return _format_of_name(name) is not None or _OTHER_FORMATS.fullmatch(name.lower()) is not None


def is_missing(item):
    """Whether an item is what tables have where nothing is: None, NaN, pandas.NA."""
    return pd.api.types.is_scalar(item) and pd.isna(item)


def _format_of_text(text):
    if text.lstrip().startswith("{"):
        return "json"
    return "cif" if re.search(r"^\s*(data_|_cell_length_a)", text, re.MULTILINE) else "poscar"


def _form_of_text(text):
    """Say what a text that cannot be read was taken for."""
    kind = _format_of_text(text)
    if kind == "poscar" and len(text.strip().splitlines()) < LINES_OF_POSCAR:
        return f": it is neither CIF nor JSON, and a POSCAR has at least {LINES_OF_POSCAR} lines"
    return f" in {kind.upper()}"


def _read(item):
    if isinstance(item, dict):
        return structure_from_dict(item)
    if _is_atoms(item):
        return structure_from_atoms(item)
    if not is_path(item):
        return structure_from_text(item, _format_of_text(item))
    name = Path(item).name
    if (kind := _format_of_name(name)) is not None:
        return structure_from_text(read_text(item, kind), kind)
    if not has_known_name(name):
        raise ValueError(UNKNOWN_NAME)
    refuse_empty(item)
    return Structure.from_file(item)


def _format_of_name(name):
    """Format that a name of a file tells, out of those that are read here; None for any other."""
    return next((kind for kind, pattern in _FORMATS.items() if re.search(pattern, name.lower())), None)


def usable_species(structure):
    """List the species of a structure, one for every site.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        A crystal.

    Returns
    -------
    list of pymatgen Element or Species

    Raises
    ------
    CrystalError
        Where the structure is disordered, empty, flat, too large, or holds what is no element.
    """
    if len(structure) == 0:
        raise CrystalError("the structure has no sites")
    if not all(structure.lattice.pbc):
        raise CrystalError(f"the structure is periodic along {structure.lattice.pbc}, all three axes are expected")
    if not structure.is_ordered:
        raise CrystalError(
            "the structure is disordered (partial occupancies): predict with DisorderedRegressor, or with --disordered "
            "on the command line, which average over ordered approximants"
        )
    if len(structure) > MAX_SITES:
        raise CrystalError(f"the cell has {len(structure)} sites, at most {MAX_SITES} are expected")
    _check_numbers(structure)
    species = [site.specie for site in structure]
    for specie in species:
        if not 1 <= getattr(specie, "Z", 0) <= MAX_ATOMIC_NUMBER:
            raise CrystalError(f"species {specie} is no chemical element")
        if not abs(getattr(specie, "oxi_state", 0) or 0) <= MAX_OXIDATION_STATE:
            raise CrystalError(f"oxidation state {specie.oxi_state:g} of {specie.symbol}: at most 20 is expected")
    return species


def _check_numbers(structure):
    lattice = structure.lattice.matrix
    if not np.isfinite(lattice).all() or not np.isfinite(structure.frac_coords).all():
        raise CrystalError("lattice or coordinates are not finite")
    if max(np.abs(lattice).max(), np.abs(structure.frac_coords).max()) > MAX_LENGTH:
        raise CrystalError(f"lattice or coordinates exceed {MAX_LENGTH:g}")
    if abs(np.linalg.det(lattice)) < 1e-3:
        raise CrystalError(f"the cell has no volume ({structure.volume:.3g} cubic angstrom)")


def is_usable(item):
    """Whether a look at a crystal in memory finds nothing wrong; what is no Structure is not looked at."""
    try:
        if isinstance(item, IStructure):
            usable_species(item)
    except CrystalError:
        return False
    return True


def formula_of(item):
    """Name a crystal in a message by its formula, "?" where there is none."""
    try:
        return as_structure(item).composition.reduced_formula
    except CrystalError:
        return "?"


def _is_atoms(item):
    """Whether an object is ASE Atoms, without importing ASE."""
    return hasattr(item, "get_atomic_numbers") and hasattr(item, "get_cell")
