import bz2
import gzip
import json
import lzma
import sys
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from pymatgen.core import DummySpecies, IStructure, Lattice, Molecule, Species, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.crystals.structures import (
    MAX_SITES,
    as_structure,
    formula_of,
    list_crystals,
    structure_from_content,
    usable_species,
)
from sitenet_sklearn.exceptions import CrystalError, Failure, FeaturizationError

CUBE = Lattice.cubic(4.0)
GOOD = Structure(CUBE, ["Po"], [[0, 0, 0]])


def object_array(items):
    array = np.empty(len(items), dtype=object)
    for k, item in enumerate(items):
        array[k] = item
    return array


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        iter,
        object_array,
        lambda items: object_array(items)[:, None],
        lambda items: pd.Series(items, index=["a", "b"]),
        lambda items: pd.DataFrame({"structure": items}),
    ],
)
def test_every_sequence_becomes_a_list(make):
    assert list_crystals(make([GOOD, GOOD]), "test")[0] == [GOOD, GOOD]


def test_names_are_labels_or_paths():
    assert list_crystals(pd.Series([GOOD], index=["mp-1"]), "test")[1] == ["mp-1"]
    assert list_crystals([GOOD, "a/b.cif"], "test")[1] == ["", "a/b.cif"]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "at least one crystal, got an empty list"),
        (GOOD, TypeError, r"got a single Structure: pass \[crystal\]"),
        ("a.cif", TypeError, r"got a single str: pass \[crystal\]"),
        (GOOD.as_dict(), TypeError, "got a single dict"),
        (7, TypeError, "got a single int"),
        ([GOOD, 7], TypeError, "expects pymatgen Structures, paths, text .*, got int at index 1: 7"),
        ([Molecule(["H"], [[0, 0, 0]])], TypeError, "got Molecule at index 0"),
        (pd.DataFrame({"a": [GOOD], "b": [1]}), ValueError, r"one column of crystals, got shape \(1, 2\)"),
    ],
)
def test_what_is_no_sequence_of_crystals_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        list_crystals(X, "test")


def test_all_forms_of_a_crystal_are_the_same(structures, tmp_path):
    structure = structures[0]
    structure.to(filename=str(tmp_path / "a.cif"))
    structure.to(filename=str(tmp_path / "POSCAR"))
    forms = [structure, IStructure.from_sites(structure), structure.as_dict(), tmp_path / "a.cif"]
    texts = [structure.to(fmt=form) for form in ("cif", "poscar", "json")]
    for form in [*forms, str(tmp_path / "POSCAR"), *texts]:
        found = as_structure(form)
        assert found.composition == structure.composition
        assert found.volume == pytest.approx(structure.volume, rel=1e-4)


def test_ase_atoms_are_read(structures):
    structure = structures[0]
    atoms = Atoms(structure.atomic_numbers, structure.cart_coords, cell=structure.lattice.matrix, pbc=True)
    np.testing.assert_allclose(as_structure(atoms).distance_matrix, structure.distance_matrix, atol=1e-9)
    assert list_crystals([atoms], "test")[0] == [atoms]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("no.cif", "no such file"),
        (Path("no.cif"), "no such file"),
        ("", "there is no crystal: expected a Structure, a path, CIF, POSCAR or JSON"),
        (None, "there is no crystal"),
        (float("nan"), "there is no crystal"),
        (pd.NA, "there is no crystal"),
        ("{}", "the text is not read as a crystal in JSON"),
        ("data_x\n_cell_length_a 1", "the text is not read as a crystal in CIF"),
        ("a\nb\n", "it is neither CIF nor JSON, and a POSCAR has at least 8 lines"),
        ("a\n" * 9, "the text is not read as a crystal in POSCAR"),
        ({}, "the dict is not read as a crystal"),
        ({"lattice": 1}, "the dict is not read as a crystal"),
    ],
)
def test_what_cannot_be_read_is_refused(item, message):
    with pytest.raises(CrystalError, match=message):
        as_structure(item)
    assert formula_of(item) == "?"


@pytest.mark.parametrize("suffix", [".xyz", ".extxyz", ".xyz.gz"])
def test_files_in_xyz_are_read(tmp_path, structures, suffix):
    structure = structures[0]
    path = tmp_path / f"crystal{suffix}"
    ase.io.write(tmp_path / "plain.xyz", AseAtomsAdaptor.get_atoms(structure), format="extxyz")
    text = (tmp_path / "plain.xyz").read_bytes()
    path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    np.testing.assert_allclose(as_structure(path).distance_matrix, structure.distance_matrix, atol=1e-6)
    (tmp_path / "two.xyz").write_bytes(2 * text)
    with pytest.raises(CrystalError, match="it holds several structures: write each into a file of its own"):
        as_structure(tmp_path / "two.xyz")
    (tmp_path / "molecule.xyz").write_text("2\n\nH 0 0 0\nH 0 0 0.74\n")
    with pytest.raises(CrystalError, match="it is a molecule, chain or slab, no crystal: its cell has 0 vectors"):
        as_structure(tmp_path / "molecule.xyz")


@pytest.mark.parametrize("name", ["a.cif", "POSCAR", "a.json", "a.extxyz", "a.cif.gz", "POSCAR.bz2", "a.json.XZ"])
def test_content_is_read_as_the_file_is(tmp_path, structures, name):
    plain = tmp_path / Path(name).name.removesuffix(Path(name).suffix if Path(name).suffix in COMPRESS else "")
    if plain.suffix == ".extxyz":
        AseAtomsAdaptor.get_atoms(structures[0]).write(plain)
    else:
        structures[0].to(filename=str(plain))
    content = COMPRESS.get(Path(name).suffix, bytes)(plain.read_bytes())
    (tmp_path / name).write_bytes(content)
    assert structure_from_content(name, content) == as_structure(plain)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.cif", b"", "the file is empty"),
        ("POSCAR", b" \r\n\t\n", "the file is empty"),
        ("a.cif.gz", gzip.compress(b"\n", mtime=0), "the file is empty"),
        ("a.cif.xz", b"", "the file is empty"),
        ("a.cif", b"data_", "the file is not read as a crystal"),
        ("a.cif.gz", b"data_", r"not read as a crystal \(BadGzipFile"),
        ("a.txt", b"data_", "its name tells no format"),
        ("vasprun.xml", b"<x/>", "its name tells no format"),
        ("a.cif", b" " * (2**22 + 1), "more than 4 MiB of text"),
        ("a.cif.gz", gzip.compress(b" " * 10**8), "more than 4 MiB of text"),
    ],
)
def test_content_that_is_no_crystal_is_refused(name, content, message):
    with pytest.raises(CrystalError, match=message):
        structure_from_content(name, content)


COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".XZ": lzma.compress}


def test_missing_crystals_and_text_are_masked_or_read(structures):
    texts = [structures[0].to(fmt="cif"), None, structures[1], float("nan"), "a\nb\n"]
    with pytest.warns(UserWarning, match="there is no crystal"):
        X = SupercellFeaturizer(20, on_error="mask").transform(texts)
    assert X.valid.tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("name", ["a.cif", "POSCAR", "a.json", "a.yaml", "a.xyz", "CHGCAR", "vasprun.xml", "a.cif.bz2"])
def test_empty_files_are_called_so(tmp_path, name):
    for content in (b"", b"\n") if name != "a.cif.bz2" else (b"", bz2.compress(b" \n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CrystalError, match=r"^the file is empty$"):
            as_structure(tmp_path / name)


def test_damaged_files_are_refused(tmp_path):
    (tmp_path / "a.cif").write_bytes(b"\x00\xff data_ loop_")
    with pytest.raises(CrystalError, match="the file is not read as a crystal"):
        as_structure(tmp_path / "a.cif")


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (
            Structure(CUBE, [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]]),
            "disordered .*: predict with DisorderedRegressor, or with --disordered",
        ),
        (Structure(CUBE, [{"Fe": 0.5}], [[0, 0, 0]]), "disordered"),
        (Structure(CUBE, [DummySpecies("X")], [[0, 0, 0]]), r"species X0\+ is no chemical element"),
        (Structure(Lattice([[1, 0, 0], [0, 1, 0], [1, 1, 1e-9]]), ["Po"], [[0, 0, 0]]), "the cell has no volume"),
        (Structure(CUBE, ["Po"], [[np.nan, 0, 0]]), "lattice or coordinates are not finite"),
        (Structure(Lattice([[4, 0, 1e300], [0, 4, 0], [0, 0, 4]]), ["Po"], [[0, 0, 0]]), r"coordinates exceed 1e\+07"),
        (Structure(CUBE, ["Po"], [[1e15, 0, 0]]), r"coordinates exceed 1e\+07"),
        (Structure(CUBE, [], []), "the structure has no sites"),
        (Structure(CUBE, ["Po"] * 1001, np.zeros((1001, 3))), f"1001 sites, at most {MAX_SITES} are expected"),
    ],
)
def test_unusable_structures_are_refused(structure, message):
    with pytest.raises(CrystalError, match=message):
        usable_species(structure)


@pytest.mark.parametrize("suffix", [".json", ".mson", ".yaml", ".yml", ".json.gz", ".JSON", None])
def test_crystals_of_others_import_and_run_nothing(tmp_path, monkeypatch, suffix):
    (tmp_path / "trap.py").write_text("class Trap:\n    from_dict = staticmethod(print)\nraise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    values = json.loads(GOOD.to(fmt="json"))
    trap = {"@module": "trap", "@class": "Trap", "@callable": "Trap"}
    values |= {"properties": {"a": trap}, "charge": trap}
    values["sites"][0] |= {"properties": {"a": trap}, "label": trap}
    values["sites"][0]["species"][0] |= {"properties": trap, "spin": trap}
    item = values
    if suffix is not None:
        item = tmp_path / f"crystal{suffix}"
        text = json.dumps(values).encode()
        item.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    structure = as_structure(item)
    assert structure == GOOD
    assert structure.site_properties == {}
    assert "trap" not in sys.modules


def test_dicts_keep_oxidation_states_and_occupancies():
    alloy = Structure(CUBE, [{Species("Fe", 2): 0.5, Species("Co", 3): 0.25}, "D"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert as_structure(alloy.as_dict()) == alloy


def test_error_lists_every_crystal():
    error = FeaturizationError([Failure(0, "", "Fe1", "too hot"), Failure(7, "mp-1", "Co1", "too cold")])
    assert str(error).splitlines() == [
        "2 of the crystals cannot be featurized:",
        "  index 0 (Fe1): too hot",
        "  index 7 (mp-1 Co1): too cold",
    ]
    assert isinstance(error, RuntimeError)
    assert not isinstance(error, ValueError)


def test_impossible_oxidation_states_are_refused():
    values = Structure(CUBE, [Species("Fe", 2)], [[0, 0, 0]]).as_dict()
    values["sites"][0]["species"][0]["oxidation_state"] = 1e308
    with pytest.raises(CrystalError, match=r"oxidation state 1e\+308 of Fe: at most 20 is expected"):
        usable_species(as_structure(values))


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_names_that_no_file_can_have_are_missing_files(name):
    with pytest.raises(CrystalError, match="no such file"):
        as_structure(name)


def test_slabs_and_molecules_are_no_crystals():
    slab = Structure(Lattice.cubic(4, pbc=(True, True, False)), ["Po"], [[0, 0, 0]])
    with pytest.raises(CrystalError, match=r"is periodic along \(True, True, False\), all three axes are expected"):
        usable_species(slab)
    atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 2.4]], cell=[9, 9, 9], pbc=False)
    with pytest.raises(CrystalError, match=r"slab, no crystal: its cell has 3 vectors, and it repeats along no axis"):
        usable_species(as_structure(atoms))
