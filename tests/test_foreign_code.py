"""Files of others run no code: a class is planted on the path, and named wherever a file could name one."""

import gzip
import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, save_model
from sitenet_sklearn.cli.app import app
from sitenet_sklearn.crystals.structures import as_structure
from sitenet_sklearn.datasets import fetch_matbench
from sitenet_sklearn.exceptions import CrystalError
from sitenet_sklearn.tables.reading import read_structures, read_table

TRAP = {"@module": "planted_by_others", "@class": "Trap", "@callable": "Trap"}


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module on the path that leaves a file behind when it is imported."""
    mark = tmp_path / "sprung"
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / "planted_by_others.py").write_text(
        f"open({str(mark)!r}, 'w').close()\n"
        "class Trap:\n"
        "    def __init__(self, *args, **kwargs): pass\n"
        "    from_dict = classmethod(lambda cls, values: cls())\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield mark
    sys.modules.pop("planted_by_others", None)


@pytest.fixture
def planted(crystals):
    """A crystal as a dict that names the trap wherever pymatgen would look."""
    values = json.loads(crystals["NaCl"].to(fmt="json"))
    values |= {"properties": {"a": TRAP}, "charge": TRAP}
    values["sites"][0] |= {"properties": {"a": TRAP}, "label": TRAP}
    values["sites"][0]["species"][0] |= {"properties": TRAP, "spin": TRAP}
    return values


@pytest.fixture(scope="module")
def model(tmp_path_factory, structures, band_gaps):
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(max_epochs=1, site_dim=6, random_state=0))
    path = tmp_path_factory.mktemp("model") / "gap.safetensors"
    save_model(pipeline.fit(structures[:10], band_gaps[:10]), path)
    return path


def write(folder, form, values):
    """Write the crystal, with a target, in one of the forms that are read."""
    text, path = json.dumps(values), folder / form
    row = {"id": "a", "structure": text, "gap": 0.5}
    match form:
        case "text.csv" | "text.csv.gz":
            pd.DataFrame([row] * 2).to_csv(path, index=False)
        case "text.jsonl":
            path.write_text((json.dumps(row) + "\n") * 2)
        case "object.jsonl":
            path.write_text((json.dumps(row | {"structure": values}) + "\n") * 2)
        case "object.jsonl.gz":
            path.write_bytes(gzip.compress((json.dumps(row | {"structure": values}) + "\n").encode() * 2))
        case "id_prop" | "folder":
            path.mkdir()
            (path / "a.cif").write_text(text)
            (path / "b.json").write_text(text)
            if form == "id_prop":
                (path / "id_prop.csv").write_text("a,0.5\n")
        case "a.json.gz":
            path.write_bytes(gzip.compress(text.encode()))
        case _:
            path.write_text(text)
    return path


TABLES = ["text.csv", "text.csv.gz", "text.jsonl", "object.jsonl", "object.jsonl.gz"]
FOLDERS = ["id_prop", "folder"]
FILES = ["a.json", "a.mson", "a.yaml", "a.yml", "a.json.gz", "a.JSON", "a.cif", "POSCAR"]


@pytest.mark.filterwarnings("ignore:Not all sites have property")
def test_the_trap_works(trap, planted):
    from pymatgen.core import Structure

    assert not trap.exists()
    Structure.from_dict(planted)
    assert trap.exists()


def test_a_dict_runs_no_code(trap, planted, crystals):
    assert as_structure(planted) == crystals["NaCl"]
    assert len(SupercellFeaturizer(10).fit_transform([planted])) == 1
    assert not trap.exists()


@pytest.mark.filterwarnings("ignore:.*not read, as their names are of no CIF")
@pytest.mark.parametrize("form", [*TABLES, *FOLDERS])
def test_tables_and_folders_run_no_code(trap, planted, crystals, tmp_path, form):
    found, failures = read_structures(read_table(write(tmp_path, form, planted)))
    assert (found[0] is None) == (form in FOLDERS)
    assert form in FOLDERS or (found[0] == crystals["NaCl"] and not failures)
    assert not trap.exists()


@pytest.mark.parametrize("form", FILES)
def test_files_run_no_code(trap, planted, tmp_path, form):
    X, failures = SupercellFeaturizer(10).transform_with_failures([write(tmp_path, form, planted)])
    assert X.valid[0] == (form not in {"a.cif", "POSCAR"}) == (not failures)
    assert not trap.exists()


def test_matbench_files_run_no_code(trap, planted, tmp_path):
    content = {"index": [0, 1], "columns": ["structure", "gap pbe"], "data": [[planted, 0.5], [planted, 1.0]]}
    (tmp_path / "mp_gap.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="n_splits=5"):  # two crystals have no five folds
        fetch_matbench("mp_gap", path=tmp_path / "mp_gap.json")
    structures, gaps = fetch_matbench("mp_gap", path=tmp_path / "mp_gap.json", return_X_y=True)
    assert len(structures) == len(gaps) == 2
    assert not trap.exists()


@pytest.mark.parametrize("form", [*TABLES, *FOLDERS, *FILES])
@pytest.mark.parametrize("command", ["predict", "explain", "evaluate", "fit"])
def test_commands_run_no_code(trap, planted, model, tmp_path, command, form):
    path = str(write(tmp_path, form, planted))
    arguments = {
        "predict": [str(model), path],
        "explain": [str(model), path],
        "evaluate": [str(model), path, "--target", "gap"],
        "fit": [path, "--target", "gap", "--output", str(tmp_path / "new.safetensors"), "--max-epochs", "1"],
    }
    result = CliRunner().invoke(app, [command, *arguments[command]])
    assert (result.exit_code == 0) == (form in TABLES or (command in {"predict", "explain"} and form in FILES[:6]))
    assert not trap.exists()


def test_the_shell_runs_no_code(trap, planted, model, tmp_path):
    paths = [write(tmp_path, form, planted) for form in ("text.csv", "object.jsonl", "a.json")]
    command = [sys.executable, "-m", "sitenet_sklearn", "predict", model, *paths]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=True)
    assert len(pd.read_csv(io.StringIO(done.stdout))) == 5
    assert not trap.exists()


class Pickled:
    """What a pickle of others may do."""

    def __reduce__(self):
        return __import__, ("planted_by_others",)


@pytest.mark.parametrize("name", ["a.cif", "gaps.csv", "POSCAR", "a.pkl", "a.json", "a.jsonl", "a.safetensors"])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_pickle_with_the_name_of_something_else_is_not_opened(trap, model, tmp_path, name, swapped):
    (tmp_path / name).write_bytes(pickle.dumps(Pickled()))
    arguments = [str(model), str(tmp_path / name)]
    result = CliRunner().invoke(app, ["predict", *(arguments[::-1] if swapped else arguments)])
    assert result.exit_code != 0
    assert not trap.exists()


def test_what_lies_beside_a_file_reads_nothing(trap, tmp_path, monkeypatch):
    """pymatgen asks all packages on the path, those in the working folder included, who reads an unknown ending."""
    folder = tmp_path / "path" / "evil-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[pymatgen.io.structure_formats]\nevil = planted_by_others\n")
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    monkeypatch.chdir(tmp_path / "path")
    odd = ("input.xml.foo", "input.xml.in", "x.res\n", "x.in.res", "inp_x.nc", "y.nc\n")
    for name in ("crystal.txt", "crystal", "crystal.in", "a.pkl", *odd):
        (tmp_path / "path" / name).write_text("hello")
        with pytest.raises(CrystalError, match=r"its name tells no format: rename it to POSCAR, or to end in .cif"):
            as_structure(Path(name))
    assert not trap.exists()


@pytest.mark.parametrize("name", ["relaxed.json.cif", "POSCAR_b.yaml.bak"])
def test_a_format_is_told_as_pymatgen_does(tmp_path, crystals, name):
    kind = "cif" if name.endswith("cif") else "poscar"
    (tmp_path / name).write_text(crystals["NaCl"].to(fmt=kind))
    assert as_structure(tmp_path / name).matches(crystals["NaCl"])
