"""Crystals as text: CIF, POSCAR, JSON and YAML, read in bounded time and memory, and without running any code.

What a file states is counted before pymatgen acts on it. The bounds are far beyond crystals, and near what takes a
second to read.
"""

import bz2
import gzip
import io
import json
import lzma
import re
from pathlib import Path

from pymatgen.core import Lattice, PeriodicSite, Structure
from pymatgen.io.cif import CifParser

from sitenet_sklearn.exceptions import CrystalError

from .plain_cif import read_plain_cif

MAX_SITES = 1000
"""Largest primitive cell, and the largest cell given that is searched for a smaller one: memory grows as its square."""

MAX_BYTES = {"cif": 2**22, "poscar": 2**22, "json": 2**22, "yaml": 2**17, "xyz": 2**22}
"""Longest text of a crystal in each format, in bytes after decompression; YAML is read slowly."""

MAX_GENERATED = 4000
"""Most positions that the symmetry operations of a CIF file may generate from its sites."""

MAX_BLOCKS = 20
"""Most blocks of data in a CIF file, of which the first crystal is read."""

MAX_QUOTING = 10**8
"""Most characters that may follow the quotation marks of a CIF file on their lines, summed over the marks."""

EMPTY = "the file is empty"

_COMPRESSED = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".lzma": lzma.open}

MAX_COLUMNS = 100
"""Most numbers that a file in XYZ may hold for each site."""

_SPECIES_KEYS = ("element", "oxidation_state", "occu")


class _BoundedCifParser(CifParser):
    """pymatgen's reader, stopped before symmetry generates more positions than a crystal has."""

    def get_symops(self, data):
        return self._bounded(super().get_symops(data), data)

    def get_magsymops(self, data):
        return self._bounded(super().get_magsymops(data), data)

    def _bounded(self, operations, data):
        n_positions = len(operations) * len(data["_atom_site_label"])
        if n_positions > MAX_GENERATED:
            raise OverflowError(  # pymatgen would go on after a ValueError
                f"it states {n_positions} sites, at most {MAX_GENERATED} are expected; write it without symmetry (P1)"
            )
        return operations


def read_text(path, kind):
    """Read a file, compressed or not, but no more of it than a crystal can need.

    Parameters
    ----------
    path : path
        A file.
    kind : {"cif", "poscar", "json", "yaml", "xyz"}
        Its format.

    Returns
    -------
    str

    Raises
    ------
    CrystalError
        If it is empty.
    OSError
        If it cannot be read.
    ValueError
        If it is too long.
    """
    return _decoded(_beginning(path, MAX_BYTES[kind] + 1), kind)


def refuse_empty(path):
    """Raise a CrystalError for a file, compressed or not, that holds nothing but blanks."""
    if not _beginning(path, 2**16).strip():
        raise CrystalError(EMPTY)


def _beginning(path, n_bytes):
    from monty.io import zopen

    if Path(path).stat().st_size == 0:  # where it should be compressed, that would be the error
        raise CrystalError(EMPTY)
    with zopen(path, mode="rb") as file:
        return file.read(n_bytes)


def decoded_text(name, content, kind):
    """Read the text of a file from its content in memory; errors as of `read_text`.

    Parameters
    ----------
    name : str
        Name of the file, whose ending says how it is compressed.
    content : bytes
        What it holds.
    kind : {"cif", "poscar", "json", "yaml", "xyz"}
        Its format.

    Returns
    -------
    str
    """
    open_stream = _COMPRESSED.get(f".{name.lower().rpartition('.')[2]}", _as_it_is)
    with open_stream(io.BytesIO(content)) as stream:
        return _decoded(stream.read(MAX_BYTES[kind] + 1), kind)


def _as_it_is(stream):
    return stream


def _decoded(content, kind):
    _check_length(content, kind)
    if not content.strip():
        raise CrystalError(EMPTY)
    return content.decode("utf-8", errors="replace")


def _check_length(text, kind):
    if len(text) > MAX_BYTES[kind]:
        raise ValueError(f"it holds more than {MAX_BYTES[kind] / 2**20:g} MiB of text: keep only the crystal")


def structure_from_text(text, kind):
    """Read a crystal from text, and refuse what would take minutes or fill the memory.

    Parameters
    ----------
    text : str
        Content of a file.
    kind : {"cif", "poscar", "json", "yaml", "xyz"}
        Its format; JSON and YAML are read as by `structure_from_dict`. XYZ takes ASE.

    Returns
    -------
    pymatgen.core.Structure

    Raises
    ------
    LookupError, OverflowError, TypeError, ValueError, ImportError
        If it claims or holds more than can be used, or is no crystal.
    """
    _check_length(text, kind)
    readers = {"cif": _read_cif, "poscar": _read_poscar, "json": _read_json, "yaml": _read_yaml, "xyz": _read_xyz}
    return readers[kind](text)


def _read_cif(text):
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if sum(len(line) * (line.count("'") + line.count('"')) for line in lines) > MAX_QUOTING:
        raise ValueError("it has too many quotation marks on long lines")
    plain = read_plain_cif(text, MAX_GENERATED)
    if plain is not None:
        return plain
    parser = _BoundedCifParser.from_str("\n".join(lines))
    if len(parser.as_dict()) > MAX_BLOCKS:
        raise ValueError(f"it has {len(parser.as_dict())} blocks of data, at most {MAX_BLOCKS} are expected: split it")
    found = parser.parse_structures(primitive=False)[0]
    for site in found:
        site.label = None  # one for all sites of an orbit, which no CIF may have again, and nobody reads
    return found


def _read_poscar(text):
    n_sites = sum(map(_sum_of_integers, text.split("\n", 30)[5:30]))
    if n_sites > MAX_SITES:
        raise ValueError(f"it states {n_sites} sites, at most {MAX_SITES} are expected")
    return Structure.from_str(text, fmt="poscar")


def _sum_of_integers(line):
    """Add the numbers of atoms on a line of a POSCAR; 0 for a line of anything else."""
    try:
        return sum(map(int, line.split("#")[0].split()))
    except ValueError:
        return 0


def _read_json(text):
    return structure_from_dict(json.loads(text))


def _read_yaml(text):
    from ruamel.yaml import YAML

    if re.search(r"(^|[\s\[{,:-])\*\S", text):
        raise ValueError("it repeats parts by aliases (*name): write them out")
    return structure_from_dict(YAML(typ="safe").load(text))


def _read_xyz(text):
    try:
        from ase.io import read
    except ImportError as error:
        raise ImportError("files in XYZ are read with ASE: pip install ase") from error
    _check_xyz(text)
    return structure_from_atoms(read(io.StringIO(text), index=0, format="extxyz"))


def _check_xyz(text):
    """Raise a ValueError where a file in XYZ states more than one crystal can have, before ASE makes room for it."""
    lines = [*text.rstrip().split("\n"), ""]
    n_sites = _sum_of_integers(lines[0])
    if n_sites > MAX_SITES:
        raise ValueError(f"it states {n_sites} sites, at most {MAX_SITES} are expected")
    n_columns = sum(int(n[:9]) for n in re.findall(r":[a-z]:(\d+)", lines[1], re.IGNORECASE))
    if n_columns > MAX_COLUMNS:
        raise ValueError(f"it states {n_columns} numbers for every site, at most {MAX_COLUMNS} are expected")
    if len(lines) - 3 > n_sites:
        raise ValueError("it holds several structures: write each into a file of its own")


def structure_from_atoms(atoms):
    """Read a crystal from ASE Atoms; without a cell that repeats along three axes they are none: a CrystalError."""
    from pymatgen.io.ase import AseAtomsAdaptor

    if atoms.cell.rank != 3 or not atoms.pbc.all():
        along = "".join(axis for axis, repeats in zip("abc", atoms.pbc, strict=True) if repeats) or "no axis"
        raise CrystalError(
            f"it is a molecule, chain or slab, no crystal: its cell has {atoms.cell.rank} vectors, and it repeats "
            f"along {along}; give it a cell, and periodicity along all three"
        )
    return AseAtomsAdaptor.get_structure(atoms)


def structure_from_dict(values):
    """Read a crystal from what `Structure.as_dict` makes, and run no code that it names.

    Only lattice, species, occupancies, oxidation states and positions are read, and those properties of the whole
    crystal that are a number or text. pymatgen's own reader imports and calls whatever classes the dict names.

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
    found = Structure.from_sites([PeriodicSite.from_dict(site, lattice) for site in sites])
    properties = values.get("properties") or {}
    found.properties = {str(key): value for key, value in properties.items() if isinstance(value, str | int | float)}
    return found
