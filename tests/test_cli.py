import csv
import io
import subprocess
import sys

import joblib
import pytest
from sklearn.linear_model import LinearRegression
from typer.testing import CliRunner

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, save_model
from sitenet_sklearn.cli import app, run
from sitenet_sklearn.demo import DemoResult


@pytest.fixture(scope="module")
def model(tmp_path_factory, structures, band_gaps):
    from sklearn.pipeline import make_pipeline

    regressor = SiteNetRegressor(max_epochs=1, site_dim=6, random_state=0)
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), regressor).fit(structures[:10], band_gaps[:10])
    path = tmp_path_factory.mktemp("model") / "pipeline.joblib"
    joblib.dump(pipeline, path)
    return path


def sitenet(*arguments):
    command = [sys.executable, "-m", "sitenet_sklearn", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_predict_takes_files_of_save_model(model, structures, tmp_path):
    pipeline = joblib.load(model)
    save_model(pipeline, tmp_path / "gap.safetensors")
    structures[0].to(filename=str(tmp_path / "a.cif"))
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "gap.safetensors"), str(tmp_path / "a.cif")])
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert float(row["prediction"]) == pytest.approx(pipeline.predict(structures[:1])[0], rel=1e-3)
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    result = sitenet("predict", tmp_path / "bad.safetensors", tmp_path / "a.cif")
    assert result.returncode == 1
    assert "is no model saved by save_model, or was cut off" in result.stderr


def test_predict_reads_cif_and_poscar(model, structures, tmp_path):
    structures[0].to(filename=str(tmp_path / "a.cif"))
    structures[1].to(filename=str(tmp_path / "POSCAR"))
    result = sitenet("predict", model, tmp_path / "a.cif", tmp_path / "POSCAR")
    assert result.returncode == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["formula"] for row in rows] == [s.composition.reduced_formula for s in structures[:2]]
    expected = joblib.load(model).predict(structures[:2])
    assert [float(row["prediction"]) for row in rows] == pytest.approx(list(expected), rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "no.joblib", "x.cif"], "no model file no.joblib"),
        (["predict", "MODEL", "x.cif"], "index 0 (x.cif ?): no such file"),
        (["predict", "MODEL", "broken.cif"], "index 0 (broken.cif ?): the file is not read as a crystal"),
        (["predict", "broken.cif", "broken.cif"], "broken.cif is no model written by joblib"),
        (["predict", "other.joblib", "broken.cif"], "holds a dict, which cannot predict"),
        (["predict", "MODEL", "alloy.cif"], "Error: 1 of the crystals cannot be featurized"),
        (["predict", "linear.joblib", "good.cif"], "Error: "),
        (["demo", "--max-epochs", "0"], "--max-epochs"),
        (["dmeo"], "dmeo"),
    ],
)
def test_errors_are_one_message_without_traceback(model, structures, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.cif").write_text("data_\nno crystal")
    joblib.dump({}, tmp_path / "other.joblib")
    joblib.dump(LinearRegression(), tmp_path / "linear.joblib")
    structures[0].to(filename="good.cif")
    alloy = structures[0].copy()
    alloy.replace_species({alloy[0].specie: {alloy[0].specie: 0.5}})
    alloy.to(filename="alloy.cif")
    with pytest.raises(SystemExit) as ended:
        run([str(model) if argument == "MODEL" else argument for argument in arguments])
    assert ended.value.code != 0
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_demo_prints_a_table(monkeypatch, tmp_path):
    def quick(folder, **options):
        assert options == {"max_atoms": 30, "max_epochs": 2, "random_state": 1, "n_crystals": 50}
        return DemoResult({"Site-Net": 0.4, "median": 1.25}, [folder / "pipeline.joblib"])

    monkeypatch.setattr("sitenet_sklearn.cli.run_demo", quick)
    arguments = ["demo", "--output", str(tmp_path), "--max-atoms", "30", "--max-epochs", "2", "--seed", "1"]
    result = CliRunner().invoke(app, [*arguments, "--crystals", "50"])
    assert result.exit_code == 0
    assert "Site-Net                           0.400" in result.stdout
    assert f"wrote {tmp_path / 'pipeline.joblib'}" in result.stdout


def test_help_lists_the_commands():
    result = sitenet("--help")
    assert result.returncode == 0
    assert "demo" in result.stdout
    assert "predict" in result.stdout


def test_without_typer_it_says_what_to_install():
    code = "import sys; sys.modules['typer'] = None; from sitenet_sklearn.__main__ import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "pip install 'sitenet-sklearn[cli]'" in result.stderr
