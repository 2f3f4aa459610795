import bz2
import gzip
import json
import lzma
import sys
import tracemalloc

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import (
    DisorderedRegressor,
    SiteNetClassifier,
    SiteNetRegressor,
    SupercellFeaturizer,
    predict_table,
)
from sitenet_sklearn.analysis.surroundings import surroundings_of
from sitenet_sklearn.server import answers as module
from sitenet_sklearn.server.answers import Answers, describe_surroundings
from sitenet_sklearn.server.uploads import CrystalFile


def cif(structure):
    return structure.to(fmt="cif").encode()


def the_row(answers, name, content):
    (row,) = answers.rows(name, content)
    return json.loads(json.dumps(row, allow_nan=False))


def test_an_answer_is_that_of_predict_table(answers, model, structures):
    expected = predict_table(model, structures[:3])
    for k in range(3):
        row = the_row(answers, "a.cif", cif(structures[k]))
        assert row["file"] == "a.cif"
        assert row["formula"] == expected["formula"][k]
        assert list(row["values"]) == list(expected.columns[1:])
        for name, value in row["values"].items():
            known = expected[name][k]
            assert value == known if isinstance(known, str) else value == pytest.approx(known, rel=1e-3)


def test_every_format_gives_the_same(answers, crystals, make_zip, tmp_path):
    structure = crystals["triclinic"]
    atoms = AseAtomsAdaptor.get_atoms(structure)
    atoms.write(tmp_path / "a.extxyz", format="extxyz")
    members = {
        "a.cif": cif(structure),
        "POSCAR": structure.to(fmt="poscar").encode(),
        "CONTCAR_2": structure.to(fmt="poscar").encode(),
        "a.extxyz": (tmp_path / "a.extxyz").read_bytes(),
        "a.json": structure.to(fmt="json").encode(),
    }
    alone = [the_row(answers, name, content) for name, content in members.items()]
    zipped = list(answers.rows("z.zip", make_zip(members)))
    assert [row["file"] for row in zipped] == [f"z.zip/{name}" for name in members]
    values = [row["values"]["prediction"] for row in (*alone, *zipped)]
    assert values == pytest.approx([values[0]] * len(values), rel=1e-4)


BAD = {
    "empty.cif": (b"", "the file is empty"),
    "a.cif": (b"data_\nno crystal", "the file is not read as a crystal: Invalid CIF file"),
    "a.json": (b'{"a": 1}', "the file is not read as a crystal: KeyError: 'sites'"),
    "notes.txt": (b"hello", "its name tells no format"),
    "gaps.csv": (b"file\na.cif\n", "it is a table, and the page takes crystals: sitenet predict takes tables"),
    "poscar.JSONL.gz": (b"{}", "it is a table"),
    "many.json": (b" [{}]", "it is a table"),
    "gaps.XLSX": (b"PK", "save it as CSV"),
    "model.joblib": (b"\x80\x04.", "its name tells no format"),
    "molecule.xyz": (b"1\nwater\nO 0 0 0\n", "it is a molecule, chain or slab"),
    "many.vasp": (b"x\n1\n4 0 0\n0 4 0\n0 0 4\nFe\n5000\nDirect\n0 0 0\n", "states 5000 sites, at most 1000"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_rows_with_the_reason(answers, name):
    content, reason = BAD[name]
    row = the_row(answers, name, content)
    assert reason in row["reason"]
    assert row["formula"] is None
    assert "values" not in row


def test_bad_files_do_not_harm_others(answers, crystals, make_zip):
    members = {name: content for name, (content, _) in BAD.items()} | {"good.cif": cif(crystals["NaCl"])}
    rows = list(answers.rows("a.zip", make_zip(members)))
    assert len(rows) == len(members)
    assert [row["file"] for row in rows if "values" in row] == ["a.zip/good.cif"]


def test_crystals_that_cannot_be_predicted_keep_their_formula(answers, crystals):
    alloy = crystals["NaCl"].copy()
    alloy.replace_species({"Na": {"Na": 0.5, "K": 0.5}})
    row = the_row(answers, "alloy.cif", cif(alloy))
    assert row["reason"] == module.PARTLY_OCCUPIED
    assert row["formula"] == alloy.composition.reduced_formula
    for n, reason in ((1500, "the cell has 1500 sites, at most 1000"), (5000, "it states 5000 sites, at most 4000")):
        large = Structure(Lattice.cubic(60), ["Fe"] * n, np.random.default_rng(0).random((n, 3)))
        assert reason in the_row(answers, "large.cif", cif(large))["reason"]


@pytest.mark.parametrize("packed", [gzip, bz2, lzma])
def test_compressed_files_that_expand_to_much_cost_little(answers, packed):
    ending = {gzip: "gz", bz2: "bz2", lzma: "xz"}[packed]
    content = packed.compress(b"0" * 2 * 10**8)
    tracemalloc.start()
    assert "more than 4 MiB of text" in the_row(answers, f"a.cif.{ending}", content)["reason"]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5 * 2**23


def test_what_nobody_expected_is_a_row_too(answers, monkeypatch, crystals):
    def fails(*_):
        raise KeyError("odd")

    monkeypatch.setattr(module, "predict_rows", fails)
    assert the_row(answers, "a.cif", cif(crystals["NaCl"]))["reason"] == "unexpected KeyError: 'odd'"


def test_what_nobody_expected_in_a_zip_is_the_last_row(answers, monkeypatch, crystals):
    def fails(name, content):
        yield CrystalFile(name, content)
        raise IndexError("odd")

    monkeypatch.setattr(module, "crystal_files", fails)
    first, last = answers.rows("a.cif", cif(crystals["NaCl"]))
    assert first["values"]
    assert last == {"file": "a.cif", "formula": None, "reason": "not read to its end: unexpected IndexError: odd"}


def test_warnings_of_readers_are_notes(answers, crystals):
    text = str(crystals["graphite"].to(fmt="cif", symprec=0.01)).encode()
    assert "rounded to ideal values" in " ".join(the_row(answers, "a.cif", text)["notes"])


def test_large_cells_are_predicted_and_not_drawn(answers, crystals, monkeypatch):
    monkeypatch.setattr(module, "MAX_DRAWN", 7)
    row = the_row(answers, "a.cif", cif(crystals["NaCl"]))
    assert row["values"]["prediction"] > 4
    assert row["not_drawn"] == "The cell has 8 sites; up to 7 are shown."
    assert "sites" not in row


def test_surroundings_are_described(crystals, answers):
    found = surroundings_of(crystals["graphite"], answers.featurizer, answers.networks)
    kinds = describe_surroundings(found)
    assert sum(kind["count"] for kind in kinds) == 4
    assert sum(kind["count"] * kind["received"] for kind in kinds) == pytest.approx(4, abs=1e-3)
    for kind in kinds:
        shares = [share for *_, share in kind["neighbors"]]
        assert shares == sorted(shares, reverse=True)
        assert len(shares) <= module.MAX_NEIGHBORS
        assert sum(shares) + kind["itself"] <= 1 + 1e-3
        nearest = min(np.linalg.norm(position) for _, *position, _ in kind["neighbors"])
        assert nearest == pytest.approx(2.46 / np.sqrt(3), abs=1e-5)


def test_models_of_other_kinds(structures, band_gaps, crystals):
    featurizer = SupercellFeaturizer(max_atoms=20)
    tiny = {"max_epochs": 1, "site_dim": 3, "random_state": 0}
    pair = np.stack([band_gaps[:10], band_gaps[:10]], axis=1)
    two = make_pipeline(featurizer, SiteNetRegressor(**tiny)).fit(structures[:10], pair)
    row = the_row(Answers(two), "a.cif", cif(crystals["NaCl"]))
    assert list(row["values"]) == ["prediction_1", "prediction_2"]
    assert row["sites"]
    metal = np.where(band_gaps[:10] > 1, "yes", "no")
    classifier = make_pipeline(featurizer, SiteNetClassifier(**tiny)).fit(structures[:10], metal)
    row = the_row(Answers(classifier), "a.cif", cif(crystals["NaCl"]))
    assert row["values"]["prediction"] in {"yes", "no"}
    averaged = DisorderedRegressor.from_fitted(
        make_pipeline(featurizer, SiteNetRegressor(**tiny)).fit(structures[:10], band_gaps[:10]), random_state=0
    )
    row = the_row(Answers(averaged), "a.cif", cif(crystals["NaCl"]))
    assert row["values"]["arrangements"] == 1
    assert row["not_drawn"] == "This model has no attention to show."


def test_nothing_is_kept(structures, band_gaps, crystals, tmp_path):
    featurizer = SupercellFeaturizer(max_atoms=20, cache=tmp_path / "cache")
    pipeline = make_pipeline(featurizer, SiteNetRegressor(max_epochs=1, site_dim=3))
    answers = Answers(pipeline.fit(structures[:10], band_gaps[:10]))
    before = (tmp_path / "cache").read_bytes()
    assert "values" in the_row(answers, "a.cif", cif(crystals["triclinic"]))
    assert (tmp_path / "cache").read_bytes() == before


def test_no_code_of_a_file_runs(answers, crystals, tmp_path, monkeypatch):
    (tmp_path / "planted_by_others.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\nTrap = dict\n")
    monkeypatch.syspath_prepend(tmp_path)
    values = json.loads(crystals["NaCl"].to(fmt="json"))
    values["properties"] = {"a": {"@module": "planted_by_others", "@class": "Trap", "@callable": "Trap"}}
    assert "values" in the_row(answers, "a.json", json.dumps(values).encode())
    assert not (tmp_path / "sprung").exists()
    assert "planted_by_others" not in sys.modules


def test_a_model_that_takes_no_crystals_says_so(crystals):
    fitted = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    assert "unexpected" in the_row(Answers(fitted), "a.cif", cif(crystals["NaCl"]))["reason"]
