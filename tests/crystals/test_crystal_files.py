"""Files of crystals, compressed or not, are read; those that state or hold too much are refused at once."""

import bz2
import gzip
import lzma
import resource
import time

import pytest
from bombs import BOMBS, CRYSTALS, MEBIBYTES, SECONDS
from pymatgen.core import Structure

from sitenet_sklearn.crystals.crystal_files import structure_from_text
from sitenet_sklearn.crystals.structures import as_structure
from sitenet_sklearn.exceptions import CrystalError


def bounded(function):
    """Call a function that is to end within some CPU time and memory."""
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        function()
    finally:
        assert time.process_time() - begin < SECONDS
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEBIBYTES * 1024


@pytest.mark.filterwarnings("ignore:No _symmetry_equiv_pos_as_xyz")
@pytest.mark.parametrize("name", BOMBS)
def test_small_files_that_state_or_hold_too_much(tmp_path, name):
    make, message = BOMBS[name]
    open_it = make(tmp_path)
    with pytest.raises((CrystalError, ValueError), match=message):
        bounded(open_it)


@pytest.mark.filterwarnings("ignore:No _symmetry_equiv_pos_as_xyz")
@pytest.mark.parametrize("name", [name for name in CRYSTALS if not name.startswith("YAML")])
def test_text_that_states_or_holds_too_much(name):
    file, text, message = CRYSTALS[name]
    kind = {"POSCAR": "poscar", "a.cif": "cif", "a.json": "json", "a.xyz": "xyz"}[file]
    with pytest.raises(
        (ArithmeticError, RuntimeError, ValueError), match=message.replace("RecursionError", "recursion")
    ):
        bounded(lambda: structure_from_text(text, kind))


def test_compressed_files_of_crystals_are_read(tmp_path, crystals):
    for name, fmt in (("POSCAR", "poscar"), ("a.cif", "cif"), ("a.json", "json")):
        for suffix, compress in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
            (tmp_path / f"{name}{suffix}").write_bytes(compress(crystals["NaCl"].to(fmt=fmt).encode()))
            assert as_structure(tmp_path / f"{name}{suffix}").matches(crystals["NaCl"])


def test_high_symmetry_is_no_bomb(tmp_path, crystals):
    crystals["HfH3"].to(filename=str(tmp_path / "a.cif"), symprec=0.01)
    assert as_structure(tmp_path / "a.cif").matches(crystals["HfH3"])


def test_sites_that_symmetry_made_can_be_written_again(crystals):
    text = crystals["NaCl"].to(fmt="cif", symprec=0.01)
    again = structure_from_text(text, "cif").to(fmt="cif")  # pymatgen would warn of labels that are not unique
    assert structure_from_text(again, "cif").matches(crystals["NaCl"])


@pytest.mark.filterwarnings("ignore:Issues encountered while parsing CIF")
@pytest.mark.parametrize("symprec", [None, 0.01])
def test_cif_text_is_read_as_pymatgen_reads_it(structures, symprec):
    for structure in structures:
        text = structure.to(fmt="cif", symprec=symprec)
        spaced = text.replace("\n", "  \n \n")
        assert structure_from_text(spaced, "cif") == Structure.from_str(text, fmt="cif")
