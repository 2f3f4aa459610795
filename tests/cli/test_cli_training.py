import csv
import io
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from sitenet_sklearn import CalibratedRegressor, SiteNetClassifier, load_model
from sitenet_sklearn.cli.app import app

SMALL = ["--max-atoms", "20", "--max-epochs", "2", "-q", "--parameter", "sitenet__site_dim=4"]


@pytest.fixture(scope="module")
def table(structures, band_gaps, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "gaps.jsonl"
    rows = zip(range(20), structures, band_gaps, strict=False)
    records = [{"id": f"x{k}", "structure": s.as_dict(), "gap": float(y), "kind": str(y > 2)} for k, s, y in rows]
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def sitenet(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_fit_trains_what_was_asked_for(table, tmp_path, structures, band_gaps):
    output = tmp_path / "gap.safetensors"
    result = sitenet("fit", table, "--target", "gap", "--output", output, *SMALL, "--seed", 3)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == [output]
    model = load_model(output)
    assert (
        model["sitenet"].get_params() | {"site_dim": 4, "max_epochs": 2, "random_state": 3}
        == model["sitenet"].get_params()
    )
    again = model.__class__(model.steps)
    again.set_params(sitenet__device="cpu").fit(structures[:20], band_gaps[:20])
    np.testing.assert_allclose(load_model(output).predict(structures[:5]), again.predict(structures[:5]), rtol=1e-4)


def test_fit_holds_out_calibrates_and_tells_errors(table, tmp_path, structures):
    output = tmp_path / "gap.safetensors"
    options = ["--held-out", 0.5, "--members", 2, "--unit", "eV", *SMALL]
    result = sitenet("fit", table, "--target", "gap", "--output", output, *options)
    assert result.exit_code == 0, result.stderr
    assert "mean absolute error on 10 held-out crystals (eV):" in result.stderr
    for name in ("Site-Net", "gradient boosting, Magpie", "median"):
        assert name in result.stderr
    assert "10 training crystals" in result.stderr
    model = load_model(output)
    assert isinstance(model["sitenet"], CalibratedRegressor)
    assert len(model["sitenet"].estimator_.estimators_) == 2
    about = json.loads(sitenet("info", output, "--json").stdout)
    assert (about["target"], about["unit"], about["crystals"], about["held out"]) == ("gap", "eV", 20, 10)
    assert set(about["mean absolute error"]) == {"Site-Net", "gradient boosting, Magpie", "median"}
    structures[0].to(filename=str(tmp_path / "a.cif"))
    (row,) = csv.DictReader(io.StringIO(sitenet("predict", output, tmp_path / "a.cif", "--level", 0.8, "-q").stdout))
    assert float(row["lower"]) <= float(row["prediction"]) <= float(row["upper"])
    assert row["nearest"].count(";") == 2


def test_few_crystals_give_no_intervals_and_that_is_said(table, tmp_path):
    result = sitenet("fit", table, "--target", "gap", "--output", tmp_path / "gap.safetensors", *SMALL)
    assert "crystals: 20, too few to hold out some: errors are not measured" in result.stderr
    assert "20 training crystals" in result.stderr


def test_fit_goes_on_from_a_trained_model(table, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert sitenet("fit", table, "--target", "gap", "--output", first, *SMALL).exit_code == 0
    result = sitenet("fit", table, "--target", "gap", "--output", second, "--max-epochs", 1, "-q", "--from", first)
    assert result.exit_code == 0, result.stderr
    begun, ended = load_model(first), load_model(second)
    assert ended["featurizer"].max_atoms == 20
    assert ended["sitenet"].net_.module_.config["site_dim"] == 4
    old, new = (model["sitenet"].net_.module_.state_dict() for model in (begun, ended))
    assert 0 < float((old["embedding.weight"] - new["embedding.weight"]).abs().max()) < 0.05


def test_fine_tuning_is_compared_with_training_from_scratch(table, tmp_path):
    first = tmp_path / "first.safetensors"
    assert sitenet("fit", table, "--target", "gap", "--output", first, *SMALL).exit_code == 0
    options = ["--max-epochs", 1, "-q", "--from", first, "--held-out", 0.5]
    result = sitenet("fit", table, "--target", "gap", "--output", tmp_path / "second.safetensors", *options)
    assert "Site-Net from scratch" in result.stderr
    about = json.loads(sitenet("info", tmp_path / "second.safetensors", "--json").stdout)
    assert set(about["mean absolute error"]) == {
        "Site-Net",
        "Site-Net from scratch",
        "gradient boosting, Magpie",
        "median",
    }


def test_crystals_that_were_learned_before_are_not_held_out(table, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    half = ["--held-out", 0.5]
    assert sitenet("fit", table, "--target", "gap", "--output", first, *half, *SMALL).exit_code == 0
    options = ["--target", "gap", "--output", second, "--max-epochs", 1, "-q", "--from", first, *half]
    result = sitenet("fit", table, *options)
    assert f"{first} learned from 10 of these 20 crystals: only others are held out" in result.stderr
    begun, ended = (load_model(path)["sitenet"].calibration_.known.labels for path in (first, second))
    assert sorted(begun) == sorted(ended)


@pytest.mark.parametrize(
    ("learned", "message"),
    [
        (None, "does not say what it learned from; some of these crystals may be among that: if it learned the same"),
        (
            np.ones(20, bool),
            "learned from 20 of these 20 crystals, and some of them are held out: if it learned the same",
        ),
    ],
)
def test_a_doubt_about_held_out_crystals_is_said(table, tmp_path, monkeypatch, learned, message):
    first = tmp_path / "first.safetensors"
    assert sitenet("fit", table, "--target", "gap", "--output", first, *SMALL).exit_code == 0
    monkeypatch.setattr("sitenet_sklearn.cli.held_out.learned_rows", lambda *_: learned)
    options = ["--max-epochs", 1, "-q", "--from", first, "--held-out", 0.5]
    result = sitenet("fit", table, "--target", "gap", "--output", tmp_path / "second.safetensors", *options)
    assert message in result.stderr
    assert "10 held-out crystals" in result.stderr


def test_a_model_that_cannot_be_written_is_not_trained_again(table, tmp_path, monkeypatch):
    options = ["fit", table, "--target", "gap", "--output", tmp_path / "a.safetensors", "--held-out", 0.5, *SMALL]
    with monkeypatch.context() as broken:
        broken.setattr("sitenet_sklearn.cli.training.write_fitted", lambda *_: 1 / 0)
        assert sitenet(*options).exit_code != 0
    assert list(tmp_path.glob("*.checkpoints/*.ckpt"))
    monkeypatch.setattr("sitenet_sklearn.training.trainer.SiteNetTrainer.train_step", lambda *_: 1 / 0)
    assert sitenet(*options).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_fit_classifies(table, tmp_path):
    output = tmp_path / "kind.safetensors"
    assert sitenet("fit", table, "--target", "kind", "--classify", "--output", output, *SMALL).exit_code == 0
    network = load_model(output)["sitenet"]
    assert isinstance(network, SiteNetClassifier)
    assert network.classes_.tolist() == ["False", "True"]
    options = ["--held-out", 0.5, "--overwrite", *SMALL]
    result = sitenet("fit", table, "--target", "kind", "--classify", "--output", output, *options)
    assert "accuracy on 10 held-out crystals:" in result.stderr
    about = json.loads(sitenet("info", output, "--json").stdout)
    assert set(about["accuracy"]) == {"Site-Net", "gradient boosting, Magpie", "most frequent class"}


def n_checkpoints(folder):
    return len(list(folder.glob("*.checkpoints/*.ckpt")))


@pytest.mark.parametrize(
    ("more", "begun", "stop", "code"),
    [
        ([], 1, signal.SIGKILL, -signal.SIGKILL),
        (["--members", "3", "--held-out", "0.5"], 2, signal.SIGINT, 130),
        (["--target", "kind", "--classify", "--held-out", "0.5"], 1, signal.SIGINT, 130),
    ],
)
def test_a_stopped_fit_goes_on_and_ends_the_same(table, tmp_path, structures, more, begun, stop, code):
    options = ["--max-atoms", "20", "--max-epochs", "6", "--parameter", "sitenet__site_dim=4", "-q"]
    options += more if "--target" in more else ["--target", "gap", *more]
    first, second = (tmp_path / f"{name}.safetensors" for name in "ab")
    command = [sys.executable, "-m", "sitenet_sklearn", "fit", str(table), *options, "--output", str(first)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE)
    end = time.monotonic() + 300
    while (
        len(list(tmp_path.glob("*.checkpoints/*.ckpt"))) < begun and running.poll() is None and time.monotonic() < end
    ):
        time.sleep(0.02)
    running.send_signal(stop)
    running.communicate()
    assert running.returncode == code
    assert len(list(tmp_path.glob("*.checkpoints/*.ckpt"))) >= begun
    assert sitenet("fit", table, *options, "--output", first).exit_code == 0
    assert sitenet("fit", table, *options, "--output", second).exit_code == 0
    stopped, whole = (load_model(path).predict(structures[:5]) for path in (first, second))
    np.testing.assert_array_equal(stopped, whole)
    assert {path.name for path in tmp_path.iterdir()} == {"a.safetensors", "b.safetensors"}


def test_fit_skips_and_says_so(table, tmp_path):
    lines = [*table.read_text().splitlines(), json.dumps({"id": "bad", "structure": {}, "gap": 1})]
    (tmp_path / "some.jsonl").write_text("\n".join(lines))
    arguments = ["fit", tmp_path / "some.jsonl", "--target", "gap", "--output", tmp_path / "a.joblib", *SMALL]
    result = sitenet(*arguments)
    assert result.exit_code == 1
    assert "index 20 (bad)" in str(result.exception)
    result = sitenet(*arguments, "--on-error", "skip")
    assert "left out: 1\n  index 20 (bad): the dict is not read as a crystal" in result.stderr
    assert "20 training crystals" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "kind", "--classify", "--members", 2], "--members averages numbers"),
        (["--target", "gap", "--held-out", 0.2], "--held-out 0.2 of 20 crystals are fewer than 10"),
        (["--target", "gap", "--from", "none.safetensors"], "--from none.safetensors: no such file"),
        (["--target", "gap", "--from", "gaps.csv"], "no file of save_model"),
        (["--target", "gap", "--from", "band_gap"], "--max-atoms: the model of --from has 50, and keeps it"),
    ],
)
def test_what_fit_cannot_hold_out_or_go_on_from_is_refused(table, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = sitenet("fit", table, "--output", "a.safetensors", *SMALL, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--output", "a.txt"], 2, "must end in .safetensors or .joblib"),
        (["--output", "none/a.joblib"], 2, "cannot be written"),
        (["--output", "a.joblib", "--parameter", "lr"], 2, "is not of the form NAME=VALUE"),
        (["--output", "a.joblib", "--parameter", "sitenet__lr=-1"], 2, "The 'lr' parameter"),
        (["--output", "a.joblib", "--parameter", "lr=0.1"], 2, "did you mean 'sitenet__lr'?"),
        (
            ["--output", "a.joblib", "--parameter", "sitenet__pretrained=no.safetensors"],
            2,
            "no model file no.safetensors",
        ),
        (["--output", "a.joblib", "--device", "tpu"], 2, "the device 'tpu' is unknown"),
        (["--output", "a.joblib", "--jobs", "0"], 2, "0 processes cannot work"),
        (["--output", "a.joblib", "--max-atoms", "10001"], 2, "--max-atoms"),
        (["--output", "a.joblib"], 1, "name the column of the target with --target"),
        (["--output", "a.joblib", "--on-error", "mask"], 2, "--on-error"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "tune"])
def test_wrong_options_are_found_at_once(table, tmp_path, monkeypatch, command, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    result = sitenet(command, table, *arguments)
    assert result.exit_code == code
    assert message in " ".join(f"{result.stderr} {result.exception}".replace("│", " ").split())
    assert not list(tmp_path.iterdir())


OWN = ["--output", "a.joblib", "--target", "gap"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", *OWN], "--checkpoint-dir (the default) a.joblib.checkpoints is to be a folder, but a.joblib.check"),
        (["fit", *OWN, "--checkpoint-dir", "file/x"], "--checkpoint-dir file/x is to be a folder"),
        (["tune", *OWN, "--storage", "."], "--storage . is a folder, but the journal of a study is a file"),
        (["tune", *OWN, "--storage", "file"], "--storage file is no journal of a study: name another file"),
        (["tune", *OWN, "--storage", "no/file"], "--storage no folder no for the journal file: make it first"),
        (["tune", *OWN, "--folds", "21"], "--folds 21 are more than the 20 crystals"),
    ],
)
def test_files_in_the_way_are_found_at_once(table, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name in ("file", "a.joblib.checkpoints"):
        (tmp_path / name).write_text("mine")
    result = sitenet(arguments[0], table, *arguments[1:])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert {path.name for path in tmp_path.iterdir()} == {"file", "a.joblib.checkpoints"}


def test_ctrl_c_tells_where_the_study_is(table, tmp_path, monkeypatch):
    from sitenet_sklearn.tuning import search

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "tune", interrupted)
    result = sitenet("tune", table, "--target", "gap", "--output", tmp_path / "a.joblib", *SMALL)
    assert result.exit_code == 130
    assert "interrupted; run the same command again to go on with the study sitenet-" in result.stderr


def test_tune_goes_on_with_its_study(table, tmp_path):
    output = tmp_path / "best.safetensors"
    arguments = ["tune", table, "--target", "gap", "--output", output, *SMALL, "--folds", "2", "--json", "--trials"]
    assert json.loads(sitenet(*arguments, 1).stdout)["trials"] == 1
    result = sitenet(*arguments, 2, "--overwrite")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["trials"] == 2
    assert found["score"] < 0
    assert load_model(output)["sitenet"].lr == pytest.approx(found["parameters"]["sitenet__lr"])
    assert len((tmp_path / "best-trials.csv").read_text().splitlines()) == 3
    assert (tmp_path / "best.safetensors.journal").is_file()


def test_tune_without_optuna_says_what_to_install(table, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name in {"optuna", "sitenet_sklearn.tuning.search"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = sitenet("tune", table, "--output", tmp_path / "a.joblib")
    assert "tune needs optuna: in a clone of the repository, run pip install '.[tune]'" in str(result.exception)


@pytest.mark.parametrize("name", ["featurizer__cache", "sitenet__checkpoint_dir"])
def test_what_fit_sets_itself_is_refused(table, tmp_path, name):
    result = sitenet("fit", table, "--target", "gap", "--output", tmp_path / "a.joblib", "--parameter", f"{name}=x")
    assert result.exit_code == 2
    assert "has no effect" in " ".join(result.output.replace("│", "").split())
