import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

from sitenet_sklearn import CalibratedRegressor, SiteNetRegressor, SupercellFeaturizer, load_model, save_model
from sitenet_sklearn.cli.app import app, run
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


def call_of(folder, output):
    call = [sys.executable, "-m", "sitenet_sklearn", "screen", folder / "gap.safetensors", folder / "candidates.jsonl"]
    return [*call, "--output", output, "--top", "3", "--jobs", "2", "--chunk-size", "2"]


def wait_until(condition, process=None, seconds=120):
    end = time.monotonic() + seconds
    while not condition() and (process is None or process.poll() is None):
        assert time.monotonic() < end
        time.sleep(0.01)


def workers_of(process):
    """Processes that joblib has made for another one."""
    command = ["pgrep", "-P", str(process.pid), "-f", "LokyProcess"]
    found = subprocess.run(command, capture_output=True, check=False)
    return list(map(int, found.stdout.split()))


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_stops_and_the_same_command_goes_on(folder, tmp_path):
    output = tmp_path / "gaps.csv"
    call = call_of(folder, output)
    process = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "gaps.csv.partial" / "ledger.sqlite").exists, process)
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


needs_pgrep = pytest.mark.skipif(shutil.which("pgrep") is None, reason="looks for processes with pgrep")


@needs_pgrep
@pytest.mark.parametrize("ctrl_c", ["heard", "ignored"])
def test_sigterm_ends_all_processes_and_the_same_command_goes_on(folder, tmp_path, ctrl_c):
    output = tmp_path / "gaps.csv"
    call = call_of(folder, output)
    ignore = None if ctrl_c == "heard" else lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # as shells do
    process = subprocess.Popen(call, stderr=subprocess.PIPE, text=True, preexec_fn=ignore)  # noqa: PLW1509
    wait_until(lambda: len(workers_of(process)) == 2, process)
    workers = workers_of(process)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 143, told
    assert "run the same command again to resume" in told
    assert "Traceback" not in told
    wait_until(lambda: not any(map(is_running, workers)), seconds=20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gaps.csv.partial"]
    assert subprocess.run(call, capture_output=True, check=False).returncode == 0
    assert len(pd.read_csv(output)) == 30


@needs_pgrep
def test_a_killed_process_of_a_screening_is_told_with_what_to_do(folder, tmp_path):
    call = call_of(folder, tmp_path / "gaps.csv")
    process = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(workers_of(process)) == 2, process)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Error: a process of the screening was killed" in told
    assert f"finished rows are kept in {tmp_path / 'gaps.csv.partial'}, run the same command again" in told
    assert "Traceback" not in told
    assert subprocess.run(call, capture_output=True, check=False).returncode == 0


def test_words_in_dollars_are_drawn_as_they_are(folder, tmp_path):
    call = ["screen", folder / "gap.safetensors", folder / "candidates.jsonl", "--output", tmp_path / "gaps.csv"]
    result = sitenet(*call, "--jobs", 1, "--quiet", "--unit", "$^$", "--quantity", "$\\frac{$")
    assert result.exit_code == 0, result.output
    assert "$\\frac{$" in (tmp_path / "gaps-report.html").read_text(encoding="utf-8")


def test_a_damaged_ledger_is_one_message(folder, tmp_path, monkeypatch, capsys):
    call = ["screen", folder / "gap.safetensors", folder / "candidates.jsonl", "--output", tmp_path / "gaps.csv"]
    with monkeypatch.context() as patch:
        screening = sys.modules["sitenet_sklearn.screening.screen"]
        patch.setattr(screening, "choose_top", lambda *_args, **_options: 1 / 0)
        assert sitenet(*call, "--jobs", 1, "--quiet").exit_code == 1
    ledger = tmp_path / "gaps.csv.partial" / "ledger.sqlite"
    content = bytearray(ledger.read_bytes())
    content[8192:11192] = os.urandom(3000)
    ledger.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        run(list(map(str, [*call, "--jobs", 1, "--quiet"])))
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert f"Error: {ledger} is no usable ledger of a screening" in told
    assert f"remove {ledger.parent} to begin anew" in told


@pytest.mark.parametrize("name", [".gaps.csv.lock", ".gaps-top.csv.lock", ".gaps-report.html.lock"])
def test_a_file_that_is_named_like_a_lock_stays(folder, tmp_path, name):
    (tmp_path / name).write_text("mine")
    call = ["screen", folder / "gap.safetensors", folder / "candidates.jsonl", "--output", tmp_path / "gaps.csv"]
    result = sitenet(*call, "--jobs", 1, "--quiet", "--overwrite")
    assert result.exit_code == 2
    assert "is named like a lock, but no empty file" in " ".join(result.stderr.replace("│", " ").split())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
