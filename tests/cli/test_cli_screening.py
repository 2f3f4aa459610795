import json
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

from sitenet_sklearn import CalibratedRegressor, SiteNetRegressor, SupercellFeaturizer, load_model, save_model
from sitenet_sklearn.cli.app import app
from sitenet_sklearn.cli.screening import named_by, told_of
from sitenet_sklearn.pretrained import pretrained_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory, structures, band_gaps):
    """A model and 30 crystals in lines of JSON."""
    path = tmp_path_factory.mktemp("screen")
    network = SiteNetRegressor(max_epochs=1, site_dim=4, attention_hidden_layers=(5,), random_state=0)
    model = CalibratedRegressor(network, calibration_fraction=0.5, random_state=0)
    pipeline = make_pipeline(SupercellFeaturizer(20), model).fit(structures[:30], band_gaps[:30])
    save_model(pipeline, path / "gap.safetensors", about={"target": "band_gap", "unit": "eV"})
    rows = [
        json.dumps({"id": f"x{k}", "structure": structure.as_dict()}) for k, structure in enumerate(structures[:30])
    ]
    (path / "candidates.jsonl").write_text("\n".join(rows))
    return path


def sitenet(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_screen_writes_a_table_the_best_and_a_report(folder, tmp_path):
    output = tmp_path / "gaps.parquet"
    options = ["--output", output, "--top", 3, "--by", "interval", "--between", 1, 3, "--jobs", 1, "--quiet"]
    result = sitenet("screen", folder / "gap.safetensors", folder / "candidates.jsonl", *options)
    assert result.exit_code == 0, result.output
    assert "30 rows, 30 different crystals, 0 found again, 0 failed" in result.stderr
    assert len(pd.read_parquet(output)) == 30
    table, top = pd.read_parquet(output), pd.read_csv(tmp_path / "gaps-top.csv")
    margin = pd.concat([table["lower"] - 1, 3 - table["upper"]], axis=1).min(axis=1)[table["prediction"].between(1, 3)]
    assert top["id"].tolist() == table["id"][margin.sort_values(ascending=False, kind="stable").index[:3]].tolist()
    report = (tmp_path / "gaps-report.html").read_text(encoding="utf-8")
    assert "Screening: band gap" in report
    assert "gap.safetensors on candidates.jsonl (30 rows)" in report
    assert "inside the window 1 to 3 eV" in report
    again = sitenet("screen", folder / "gap.safetensors", folder / "candidates.jsonl", *options)
    assert again.exit_code == 2
    assert "exists" in again.stderr


def test_quiet_silences_progress_and_no_warning_is_told_twice(folder, structures, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for k in range(3):
        structures[k].to(filename=str(tmp_path / "in" / "deep" / f"{k}.cif"), symprec=0.01)
    (tmp_path / "in" / "notes.txt").touch()
    call = [
        sys.executable,
        "-m",
        "sitenet_sklearn",
        "screen",
        folder / "gap.safetensors",
        "in",
        "--jobs",
        "1",
        "--quiet",
    ]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(tmp_path / "screening.csv")["id"].tolist() == ["deep/0.cif", "deep/1.cif", "deep/2.cif"]
    assert "crystal/s" not in done.stderr
    warned = [
        line for line in done.stderr.splitlines() if line.startswith("Warning") and "rounded to ideal" not in line
    ]
    assert warned == ["Warning: not read, as their names are of no CIF, POSCAR or XYZ files: in/notes.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--between", 3.5, 2.5], "between must be two numbers, the smaller one first, got (3.5, 2.5)"),
        (["--by", "interval"], "ranking by 'interval' takes a window: give its ends, --between A B"),
        (["--by", "upper", "--smallest"], "smallest goes with ranking by 'value', not by 'upper': leave out smallest"),
        (["--top", 0], "--top"),
        (["--output", "gaps.xlsx"], "must end in .csv or .parquet"),
    ],
)
def test_wrong_options_are_wrong_usage(folder, tmp_path, options, message):
    call = ["screen", folder / "gap.safetensors", folder / "candidates.jsonl", "--output", tmp_path / "gaps.csv"]
    result = sitenet(*call, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_help_says_what_processes_do():
    shown = " ".join(sitenet("screen", "--help").stdout.replace("│", " ").split())
    assert "Processes that featurize and predict" in shown
    assert "best tenth of all ranked crystals" in shown


def test_what_is_known_of_a_model_is_told(folder, tmp_path):
    told = told_of(pretrained_file("formation_energy"))
    assert told["name"] == "formation_energy"
    assert told["mean absolute error"] == "0.029 eV/atom on 1,741 crystals held out"
    assert all(isinstance(value, str) for value in told.values())
    assert told_of(folder / "gap.safetensors") == {"name": "gap.safetensors", "predicts": "band_gap", "unit": "eV"}
    about = {"target": "g", "date": "2026-11-27", "held out": 9, "mean absolute error": {"Site-Net": 0.25}}
    save_model(load_model(folder / "gap.safetensors"), tmp_path / "a.safetensors", about=about)
    expected = {"name": "a.safetensors", "predicts": "g", "made on": "2026-11-27"}
    assert told_of(tmp_path / "a.safetensors") == expected | {"mean absolute error": "0.25 on 9 crystals held out"}
    assert told_of(tmp_path / "other.joblib") == {"name": "other.joblib"}


def test_a_model_names_quantity_and_unit(folder, tmp_path):
    assert named_by(folder / "gap.safetensors") == ("band gap", "eV")
    assert named_by(pretrained_file("formation_energy")) == ("formation energy", "eV/atom")
    assert named_by(tmp_path / "other.joblib") == ("prediction", "")


def test_ctrl_c_stops_and_the_same_command_goes_on(folder, tmp_path):
    output = tmp_path / "gaps.csv"
    call = [sys.executable, "-m", "sitenet_sklearn", "screen", folder / "gap.safetensors", folder / "candidates.jsonl"]
    call += ["--output", output, "--top", "3", "--jobs", "2", "--chunk-size", "2"]
    process = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not (tmp_path / "gaps.csv.partial" / "ledger.sqlite").exists() and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "run the same command again to resume" in told
    assert not output.exists()
    call[call.index("--jobs") + 1] = "1"
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(output)) == 30
    assert "30/30" in done.stderr
