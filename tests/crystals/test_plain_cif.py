"""Plain CIF files are read as pymatgen reads them; every other file is left to pymatgen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser

from sitenet_sklearn.crystals import crystal_files
from sitenet_sklearn.crystals.crystal_files import structure_from_text
from sitenet_sklearn.crystals.plain_cif import read_plain_cif

pytestmark = pytest.mark.filterwarnings("ignore:Issues encountered while parsing CIF. [0-9]+ fractional")

ROCK_SALT = """data_NaCl
_cell_length_a 4
_cell_length_b 4.1
_cell_length_c 5
_cell_angle_alpha 90
_cell_angle_beta 91(1)
_cell_angle_gamma 120
_chemical_formula_sum 'Na1 Cl1'
loop_
_space_group_symop_operation_xyz
'x, y, z'
loop_
_atom_site_type_symbol
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na Na1 0.3333 -0.2 0 1
Cl Cl1 0.66667 0.5(2) 1.25 1.0
"""
"""Stands for a plain file with all that numbers in CIF may look like."""


def by_pymatgen(text):
    return CifParser.from_str(text).parse_structures(primitive=False)[0]


def assert_same(found, expected):
    assert found.lattice == expected.lattice
    found, expected = (sorted(s, key=lambda site: (site.specie.Z, *site.frac_coords)) for s in (found, expected))
    assert [site.specie for site in found] == [site.specie for site in expected]
    np.testing.assert_allclose([s.frac_coords for s in found], [s.frac_coords for s in expected], rtol=0, atol=1e-12)


coordinates = st.lists(st.tuples(*[st.floats(-2, 2)] * 3), min_size=1, max_size=8)


@given(
    coordinates,
    st.lists(st.sampled_from(["H", "D", "N", "No", "Nb", "O", "Os", "Co", "Cu", "W", "U"]), min_size=8, max_size=8),
    st.tuples(*[st.floats(2, 9)] * 3),
    st.tuples(*[st.floats(75, 105)] * 3),
)
def test_same_crystal_as_pymatgen_reads(coordinates, symbols, lengths, angles):
    crystal = Structure(Lattice.from_parameters(*lengths, *angles), symbols[: len(coordinates)], coordinates)
    text = str(crystal.to(fmt="cif"))
    found = read_plain_cif(text)
    if found is not None:
        assert_same(found, by_pymatgen(text))
    else:  # sites on top of each other
        distances = crystal.distance_matrix + 9 * np.eye(len(crystal))
        assert distances.min() < 0.01


def test_bundled_crystals(crystals):
    for crystal in crystals.values():
        text = str(crystal.to(fmt="cif"))
        assert_same(read_plain_cif(text), by_pymatgen(text))


def test_numbers_as_people_write_them():
    assert_same(read_plain_cif(ROCK_SALT), by_pymatgen(ROCK_SALT))
    assert read_plain_cif(ROCK_SALT).frac_coords[0, 0] == 1 / 3


def test_pymatgen_is_not_asked_about_plain_files(monkeypatch):
    monkeypatch.setattr(crystal_files, "_BoundedCifParser", None)
    assert len(structure_from_text(ROCK_SALT, "cif")) == 2


LEFT_TO_PYMATGEN = {
    "symmetry": ("'x, y, z'", "'x, y, z'\n'-x, -y, -z'"),
    "another setting": ("'x, y, z'", "'x, y+1/2, z'"),
    "no operations": ("loop_\n_space_group_symop_operation_xyz\n'x, y, z'\n", ""),
    "two lists of operations": ("'x, y, z'", "'x, y, z'\nloop_\n_symmetry_equiv_pos_as_xyz\n'-x, -y, -z'"),
    "partial occupancy": (" 1.0\n", " 0.5\n"),
    "unknown occupancy": (" 1.0\n", " ?\n"),
    "charge in the symbol": ("Na Na1", "Na1+ Na1"),
    "no element": ("Na Na1", "Wat Na1"),
    "one site twice": ("0.66667 0.5(2) 1.25", "0.33334 0.8 0"),
    "another formula": ("Na1 Cl1", "Na1 Cl1 H2"),
    "another structural formula": ("_cell_length_a", "_chemical_formula_structural 'K Br'\n_cell_length_a"),
    "two formulas": ("_chemical_formula_sum 'Na1 Cl1'", "loop_\n_chemical_formula_sum\n'Na1 Cl1'\nX"),
    "operations under an old name": (
        "_cell_length_a",
        "loop_\n_symmetry_equiv_pos_as_xyz_\n'-x, y, z'\n_cell_length_a",
    ),
    "a frame": ("_cell_length_a", "save_a\n_atom_site_occupancy 0.5\nsave_\n_cell_length_a"),
    "all sites in one place": ("Cl Cl1 0.66667 0.5(2) 1.25 1.0\n", "Na Na1 0.3333 -0.2 0 1\n" * 3000),
    "hydrogen that is not there": ("_atom_site_occupancy", "_atom_site_attached_hydrogens"),
    "charges": ("loop_\n_atom", "loop_\n_atom_type_symbol\n_atom_type_oxidation_number\nNa 1\nCl -1\nloop_\n_atom"),
    "moments": ("_cell_length_a", "_space_group_magn.number_BNS 1.1\n_cell_length_a"),
    "no cell": ("_cell_length_b 4.1\n", ""),
    "a flat cell": ("_cell_length_c 5", "_cell_length_c 0.001"),
    "no position": ("0.66667", "?"),
    "no sites": ("Na Na1 0.3333 -0.2 0 1\nCl Cl1 0.66667 0.5(2) 1.25 1.0\n", ""),
    "no CIF": ("loop_", "("),
}


@pytest.mark.parametrize("case", LEFT_TO_PYMATGEN)
def test_left_to_pymatgen(case):
    text = ROCK_SALT.replace(*LEFT_TO_PYMATGEN[case])
    assert text != ROCK_SALT
    assert read_plain_cif(text) is None


def test_more_sites_than_allowed_are_left_to_pymatgen():
    assert read_plain_cif(ROCK_SALT, 2) is not None
    assert read_plain_cif(ROCK_SALT, 1) is None


def test_several_crystals_are_left_to_pymatgen():
    assert read_plain_cif(ROCK_SALT + ROCK_SALT.replace("data_NaCl", "data_other")) is None


def test_what_pymatgen_warns_about_is_still_said():
    with pytest.warns(UserWarning, match="Missing elements"):
        structure_from_text(ROCK_SALT.replace("Na1 Cl1", "Na1 Cl1 H2"), "cif")
