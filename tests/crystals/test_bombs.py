"""What a file claims costs nothing: small files that state or hold too much are refused at once."""

import bz2
import gzip
import json
import lzma
import resource
import time

import numpy as np
import pytest
from ase import Atoms
from pymatgen.core import Lattice, Structure

from sitenet_sklearn import RaggedCrystals, SupercellFeaturizer
from sitenet_sklearn.crystals.structures import MAX_BYTES, as_structure, structure_from_text, usable_species
from sitenet_sklearn.exceptions import CrystalError

CELL = "x\n1.0\n4 0 0\n0 4 0\n0 0 4\n"
OPERATIONS = "\n".join(f"'x+{k}/200, y, z'" for k in range(200))
SITES = "\n".join(f"Fe Fe{k} 1 0.{k:03d} 0.1 0.2 1" for k in range(200))
CIF = f"""data_x
_cell_length_a 9
_cell_length_b 9
_cell_length_c 9
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_symmetry_equiv_pos_as_xyz
{OPERATIONS}
loop_
_atom_site_type_symbol
_atom_site_label
_atom_site_symmetry_multiplicity
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{SITES}
"""
SITE = {"species": [{"element": "Fe", "occu": 1}], "abc": [0, 0, 0]}


def bounded(function):
    """Call a function that is to end within 2 s and 500 MB more."""
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        function()
    finally:
        assert time.process_time() - begin < 2
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("POSCAR", f"{CELL}Fe\n500000000\nDirect\n0 0 0\n", "states 500000000 sites, at most 1000 are expected"),
        ("POSCAR", f"{CELL}500000000\nDirect\n0 0 0\n", "states 500000000 sites"),
        ("POSCAR", f"{CELL}Fe Co\n900 101\nDirect\n0 0 0\n", "states 1001 sites"),
        ("a.cif", CIF, r"states 40000 sites, at most 4000 are expected; write it without symmetry \(P1\)"),
        ("a.json", json.dumps({"lattice": {}, "sites": [SITE] * 10**5}), "it has 100000 sites, at most 1000"),
    ],
)
def test_small_files_that_claim_much(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(CrystalError, match=message):
        bounded(lambda: as_structure(tmp_path / name))
    kind = {"POSCAR": "poscar", "a.cif": "cif", "a.json": "json"}[name]
    with pytest.raises(ValueError, match=message):
        bounded(lambda: structure_from_text(text, kind))


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
@pytest.mark.parametrize("name", ["POSCAR", "a.cif", "a.json", "a.yaml"])
def test_small_files_that_hold_much(tmp_path, name, suffix, compress):
    (tmp_path / f"{name}{suffix}").write_bytes(compress(b" " * (MAX_BYTES + 10)))
    with pytest.raises(CrystalError, match="it holds more than 64 MiB of text"):
        as_structure(tmp_path / f"{name}{suffix}")


def test_compressed_files_of_crystals_are_read(tmp_path, crystals):
    for name, fmt in (("POSCAR", "poscar"), ("a.cif", "cif"), ("a.json", "json")):
        for suffix, compress in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
            (tmp_path / f"{name}{suffix}").write_bytes(compress(crystals["NaCl"].to(fmt=fmt).encode()))
            assert as_structure(tmp_path / f"{name}{suffix}").matches(crystals["NaCl"])


def test_high_symmetry_is_no_bomb(tmp_path, crystals):
    crystals["HfH3"].to(filename=str(tmp_path / "a.cif"), symprec=0.01)
    assert as_structure(tmp_path / "a.cif").matches(crystals["HfH3"])


@pytest.mark.parametrize("max_atoms", [10_001, 10**7, np.int64(10**7), 10**30])
def test_supercells_of_millions_are_refused_at_once(crystals, max_atoms):
    with pytest.raises(
        ValueError, match="The 'max_atoms' parameter of SupercellFeaturizer must be an int in the range"
    ):
        bounded(lambda: SupercellFeaturizer(max_atoms).fit_transform([crystals["Po"]]))


def test_slabs_and_molecules_are_no_crystals():
    slab = Structure(Lattice.cubic(4, pbc=(True, True, False)), ["Po"], [[0, 0, 0]])
    with pytest.raises(CrystalError, match=r"is periodic along \(True, True, False\), all three axes are expected"):
        usable_species(slab)
    atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 2.4]], cell=[9, 9, 9], pbc=False)
    with pytest.raises(CrystalError, match="is periodic along"):
        usable_species(as_structure(atoms))


@pytest.mark.parametrize(
    ("numbers", "distances", "message"),
    [
        ([11], [[np.nan]], "crystal 0: distances and oxidation states must be finite"),
        ([11], [[-1.0]], "no distance negative"),
        ([0], [[0.0]], "crystal 0: atomic_numbers must be integers from 1 to 118, got"),
        ([119], [[0.0]], "atomic_numbers must be integers"),
        ([1.5], [[0.0]], "atomic_numbers must be integers"),
    ],
)
def test_distances_computed_elsewhere_are_checked(numbers, distances, message):
    with pytest.raises(ValueError, match=message):
        RaggedCrystals.from_distances([numbers], [distances], [1])
