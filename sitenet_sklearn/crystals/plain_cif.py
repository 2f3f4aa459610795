"""CIF files that state every site as it is: no symmetry, occupancies, moments or charges to work out.

Most files that programs write are of this kind, and gemmi reads them many times as fast as pymatgen.
"""

import re

import numpy as np
from gemmi import cif
from pymatgen.core import Composition, Element, Lattice, Structure
from scipy.spatial import KDTree

_CELL = [f"_cell_{name}" for name in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")]
_SITE = [f"_atom_site_{name}" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z")]
_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
_OTHER_OPERATIONS = re.compile(r"(_symmetry_equiv_pos|_space_group_symop)(?!(_as_xyz|_operation_xyz|_site_id|_id)$)")
_FORMULAS = ("_chemical_formula_sum", "_chemical_formula_structural")
_HARMLESS = {*_SITE, "_atom_site_occupancy"} | {
    f"_atom_site_{name}" for name in ("symmetry_multiplicity", "thermal_displace_type", "b_iso_or_equiv")
}
"""What may be stated about sites in a plain file; occupancies must be 1."""

_TOLERANCE = 1e-4
"""As in pymatgen: coordinates this near to 1/3 and 2/3 mean these, and sites this near to each other are one."""

_MIN_THICKNESS = 0.01
"""As in pymatgen: thinnest cell in angstrom."""


def read_plain_cif(text, max_sites=4000):
    """Read a crystal from CIF, if the file states every site as it is.

    Parameters
    ----------
    text : str
        Content of a file.
    max_sites : int, default=4000
        Most sites that are read here.

    Returns
    -------
    pymatgen.core.Structure or None
        What pymatgen reads, with the sites in the order of the file. None if pymatgen must read the file: because of
        several crystals, symmetry, occupancies, charges, moments, another formula than that of the sites, or an error.
    """
    try:
        block = cif.read_string(text).sole_block()
        return _read_sites(block) if _is_plain(block, max_sites) else None
    except (ArithmeticError, RuntimeError, ValueError):
        return None


def _is_plain(block, max_sites):
    tags = {tag.lower() for item in block for tag in _tags(item)}
    operations = [operation for tag in _OPERATIONS for operation in block.find_loop(tag)]
    return (
        len(block.find_loop(_SITE[0])) <= max_sites
        and all(tag in _HARMLESS for tag in tags if tag.startswith("_atom"))
        and not any(_OTHER_OPERATIONS.match(tag) for tag in tags)
        and not any("magn" in tag or "moment" in tag for tag in tags)
        and not any(item.frame is not None for item in block)
        and [operation.strip("'\"").replace(" ", "").lower() for operation in operations] == ["x,y,z"]
        and all(float(occupancy) == 1 for occupancy in block.find_loop("_atom_site_occupancy"))
    )


def _tags(item):
    if item.loop:
        return item.loop.tags
    return item.pair[:1] if item.pair else ()


def _read_sites(block):
    rows = [list(row) for row in block.find(_SITE)]
    symbols = [row[1] for row in rows]
    cell = [_number(block.find_value(tag)) for tag in _CELL]
    positions = np.array([[_number(value) for value in row[2:]] for row in rows])
    if not symbols or not all(map(Element.is_valid_symbol, symbols)) or not np.isfinite([*cell, *positions.flat]).all():
        return None
    for third in (1 / 3, 2 / 3):
        positions[np.abs(positions / third - 1) < _TOLERANCE] = third
    positions %= 1
    lattice = Lattice.from_parameters(*cell)
    is_thin = max(lattice.reciprocal_lattice_crystallographic.abc) > 1 / _MIN_THICKNESS
    if is_thin or _overlap(positions) or not _has_formula(block, symbols):
        return None
    return Structure(lattice, symbols, positions)


def _number(text):
    return cif.as_number(text or "?")


def _overlap(positions):
    """Whether two sites are one; only the nearest neighbour is searched, as all sites may lie in one place."""
    distances, _ = KDTree(positions % 1, boxsize=1).query(positions % 1, k=2)
    return bool((distances[:, 1] < 2 * _TOLERANCE).any())


def _has_formula(block, symbols):
    """Whether the formulas that a file states, if any, are that of its sites."""
    if any(len(block.find_loop(tag)) for tag in _FORMULAS):
        return False
    stated = [cif.as_string(block.find_value(tag) or "") for tag in _FORMULAS]
    own = Composition("".join(symbols)).reduced_composition
    return all(Composition(text).reduced_composition == own for text in stated if text)
