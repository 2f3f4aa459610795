"""Crystals as users have them: Structures, files, dicts, ASE Atoms; and whether they can be used."""

import json
import os
import re
from pathlib import Path

import numpy as np
from pymatgen.core import IStructure, Lattice, PeriodicSite, Structure

from sitenet_sklearn.exceptions import CrystalError

from .elements import MAX_ATOMIC_NUMBER

MAX_SITES = 1000
"""Largest primitive cell, and the largest cell given that is searched for a smaller one: memory grows as its square."""

MAX_LENGTH = 1e7
"""Largest number in a lattice (angstrom) or in fractional coordinates: beyond it positions have no meaning."""

MAX_BYTES = 2**26
"""Largest file of a crystal that is read as text, in bytes after decompression."""

MAX_GENERATED = 4000
"""Most positions that the symmetry operations of a CIF file may generate from its sites."""

MAX_OXIDATION_STATE = 20

_OTHER_FORMATS = (
    r"^(chgcar|locpot|vasprun.*\.xml|input.*\.xml|ctrl)|\.(cssr|xsf|config|pwmat)|(rndstr|lat)\.in|bestsqs|\.(res|nc)$"
)
"""Names of files that pymatgen reads by itself, beside CIF, POSCAR, JSON and YAML."""

_SPECIES_KEYS = ("element", "oxidation_state", "occu")


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
        if not (isinstance(item, IStructure | dict | str | os.PathLike) or _is_atoms(item)):
            raise TypeError(
                f"{owner} expects pymatgen Structures, paths, dicts or ASE Atoms, got {type(item).__name__} at index "
                f"{index}: {item!r:.80}"
            )
    labels = getattr(X, "index", None)
    if labels is not None and not callable(labels):
        return items, [str(label) for label in labels]
    return items, [os.fspath(item) if isinstance(item, str | os.PathLike) else "" for item in items]


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
    item : pymatgen Structure, path, dict or ASE Atoms
        A crystal; a path names any file that pymatgen reads, a dict is what `Structure.as_dict` makes.

    Returns
    -------
    pymatgen.core.Structure

    Raises
    ------
    CrystalError
        If it cannot be read.
    """
    if isinstance(item, IStructure):
        return item
    is_path = isinstance(item, str | os.PathLike)
    if is_path and not is_file(item):
        raise CrystalError("no such file")
    try:
        return _read(item)
    except Exception as error:  # parsers of damaged files raise anything
        kind = "file" if is_path else type(item).__name__
        raise CrystalError(f"the {kind} is not read as a crystal ({type(error).__name__}: {error!s:.120})") from error


def is_file(path):
    """Whether a path is a file; a name that no file can have is none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _read(item):
    if isinstance(item, dict):
        return structure_from_dict(item)
    if _is_atoms(item):
        from pymatgen.io.ase import AseAtomsAdaptor

        return AseAtomsAdaptor.get_structure(item)
    name = Path(item).name.lower()
    if found := re.search(r"\.(m?cif)|(poscar|contcar|\.vasp)", name):
        return structure_from_text(_read_text(item), "cif" if found[1] else "poscar")
    if found := re.search(r"\.(json|mson|ya?ml)", name):
        return structure_from_dict(_read_dict(item, found[1]))
    if not re.search(_OTHER_FORMATS, name):  # pymatgen would import whatever a folder nearby says it can read it with
        raise ValueError("its name tells no format: rename it to POSCAR, or to end in .cif, .vasp, .json or .yaml")
    return Structure.from_file(item)


def _read_dict(path, kind):
    from ruamel.yaml import YAML

    text = _read_text(path)
    return YAML(typ="safe").load(text) if kind.startswith("y") else json.loads(text)


def _read_text(path):
    """Read a file, compressed or not, but no more of it than a crystal can need."""
    from monty.io import zopen

    with zopen(path, mode="rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it holds more than {MAX_BYTES // 2**20} MiB of text")
    return content.decode("utf-8", errors="replace")


def structure_from_text(text, kind):
    """Read a crystal from text, and refuse what would take minutes or fill the memory.

    Parameters
    ----------
    text : str
        Content of a file.
    kind : {"cif", "poscar", "json"}
        Its format; JSON is read as by `structure_from_dict`.

    Returns
    -------
    pymatgen.core.Structure

    Raises
    ------
    ValueError
        If it claims more sites than can be used, or is no crystal.
    """
    if kind == "json":
        return structure_from_dict(json.loads(text))
    n_sites = _sites_in_cif(text) if kind == "cif" else _sites_in_poscar(text)
    largest = MAX_GENERATED if kind == "cif" else MAX_SITES
    if n_sites > largest:
        remedy = "; write it without symmetry (P1)" if kind == "cif" else ""
        raise ValueError(f"it states {n_sites} sites, at most {largest} are expected{remedy}")
    return Structure.from_str(text, fmt=kind)


def _sites_in_poscar(text):
    """Count the sites that the sixth or seventh line of a POSCAR states; 0 where none does."""
    for line in text.split("\n", 8)[5:7]:
        words = line.split()
        if words and all(word.isdigit() for word in words):
            return sum(map(int, words))
    return 0


def _sites_in_cif(text):
    """Count the positions, not all different, that the symmetry operations of a CIF file make of its sites."""
    part = r"[-+xyz0-9/. ]+"
    operations = re.findall(rf"^[ \t\d'\"]*{part},{part},{part}['\"]?[ \t\r]*$", text, re.MULTILINE | re.IGNORECASE)
    sites = re.findall(r"^[ \t]*[A-Z]\S*(?:[ \t]+\S+){3,}[ \t\r]*$", text, re.MULTILINE)
    return max(1, len(operations)) * len(sites)


def structure_from_dict(values):
    """Read a crystal from what `Structure.as_dict` makes, and run no code that it names.

    Only lattice, species, occupancies, oxidation states and positions are read. pymatgen's own reader imports and calls
    whatever classes the dict names.

    Parameters
    ----------
    values : dict
        With `lattice` and `sites`.

    Returns
    -------
    pymatgen.core.Structure

    Raises
    ------
    LookupError, TypeError, ValueError
        If it describes no crystal.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> iron = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> structure_from_dict(iron.as_dict()) == iron
    True
    """
    if len(values["sites"]) > MAX_SITES:
        raise ValueError(f"it has {len(values['sites'])} sites, at most {MAX_SITES} are expected")
    lattice = Lattice.from_dict(values["lattice"])
    sites = [
        {"species": [{key: entry[key] for key in _SPECIES_KEYS if key in entry} for entry in site["species"]]}
        | {"abc": site["abc"]}
        for site in values["sites"]
    ]
    return Structure.from_sites([PeriodicSite.from_dict(site, lattice) for site in sites])


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
        raise CrystalError("the structure is disordered (partial occupancies): choose ordered approximants first")
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
        return as_structure(item).composition.formula.replace(" ", "")
    except CrystalError:
        return "?"


def _is_atoms(item):
    """Whether an object is ASE Atoms, without importing ASE."""
    return hasattr(item, "get_atomic_numbers") and hasattr(item, "get_cell")
