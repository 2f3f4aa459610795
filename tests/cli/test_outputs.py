"""No command replaces what it reads, nor any other file unless asked; two commands never write one file."""

import os
import subprocess
import sys
import time

import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, save_model
from sitenet_sklearn._files import PartialFile, lock_of, unlock
from sitenet_sklearn.cli.app import app


@pytest.fixture(scope="module")
def fitted(structures, band_gaps):
    model = make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(max_epochs=1, site_dim=6, random_state=0))
    return model.fit(structures[:10], band_gaps[:10])


@pytest.fixture
def folder(tmp_path, monkeypatch, structures, band_gaps, fitted):
    """A user's folder: a model, a table, a folder of crystals, a crystal, and links to them."""
    save_model(fitted, tmp_path / "gap.safetensors")
    texts = [structure.to(fmt="poscar") for structure in structures[:4]]
    pd.DataFrame({"poscar": texts, "gap": band_gaps[:4]}).to_csv(tmp_path / "gaps.csv", index=False)
    (tmp_path / "cifs").mkdir()
    structures[0].to(filename=str(tmp_path / "cifs" / "a.cif"))
    (tmp_path / "cifs" / "id_prop.csv").write_text("a,0.5\n")
    (tmp_path / "runs" / "run_1").mkdir(parents=True)
    structures[0].to(filename=str(tmp_path / "runs" / "run_1" / "a.cif"))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "id_prop.csv").write_text("../cifs/a,0.5\n")
    pd.DataFrame({"file": ["cifs/a.cif"], "gap": [0.5]}).to_csv(tmp_path / "files.csv", index=False)
    (tmp_path / "link.csv").symlink_to(tmp_path / "gaps.csv")
    os.link(tmp_path / "gaps.csv", tmp_path / "hard.csv")
    (tmp_path / "notes.csv").write_text("mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def sitenet(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


READS = [
    ("predict gap.safetensors gaps.csv --output gaps.csv", "gaps.csv"),
    ("predict gap.safetensors gaps.csv --output ./cifs/../gaps.csv", "gaps.csv"),
    ("predict gap.safetensors gaps.csv --output link.csv", "gaps.csv"),
    ("predict gap.safetensors link.csv --output gaps.csv", "link.csv"),
    ("predict gap.safetensors gaps.csv --output hard.csv", "gaps.csv"),
    ("predict gap.safetensors gaps.csv --output gap.safetensors", "gap.safetensors"),
    ("predict gap.safetensors cifs/a.cif --output cifs/a.cif", "cifs/a.cif"),
    ("predict gap.safetensors files.csv --output cifs/a.cif", "files.csv"),
    ("predict gap.safetensors cifs --output cifs/id_prop.csv", "cifs"),
    ("predict gap.safetensors outside --output cifs/a.cif", "outside"),
    ("predict gap.safetensors runs --output runs/run_1/a.cif", "runs"),
    ("explain gap.safetensors gaps.csv --output gaps.csv", "gaps.csv"),
    (
        "fit gaps.csv --target gap --parameter sitenet__pretrained=gap.safetensors --output gap.safetensors",
        "gap.safetensors",
    ),
    ("evaluate gap.safetensors gaps.csv --target gap --report gaps.csv", "gaps.csv"),
    ("evaluate gap.safetensors gaps.csv --target gap --report gap.safetensors", "gap.safetensors"),
]


@pytest.mark.parametrize(("command", "read"), READS)
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_what_a_command_reads_is_never_replaced(folder, command, read, overwrite):
    before = contents(folder)
    result = sitenet(*command.split(), *overwrite)
    assert result.exit_code == 2
    assert f"would replace what is read from {read}" in " ".join(result.stderr.replace("│", " ").split())
    assert contents(folder) == before


EXISTS = [
    "predict gap.safetensors gaps.csv --output notes.csv",
    "explain gap.safetensors gaps.csv --output notes.csv",
    "evaluate gap.safetensors gaps.csv --target gap --report notes.csv",
    "fit gaps.csv --target gap --output other.safetensors --max-epochs 1 --max-atoms 20 -q",
    "tune gaps.csv --target gap --output new.safetensors --trials 1 --folds 2 --max-epochs 1 --max-atoms 20 -q",
    "demo --output demo --crystals 40 --max-epochs 1 --max-atoms 10",
]


@pytest.mark.parametrize("command", EXISTS)
def test_other_files_are_replaced_only_when_asked(folder, command):
    (folder / "demo").mkdir()
    for name in ("other.safetensors", "new-trials.csv", "demo/predictions.csv"):
        (folder / name).write_text("mine")
    before = contents(folder)
    result = sitenet(*command.split())
    assert result.exit_code == 2
    assert "exists: choose another name, or replace it with" in " ".join(result.stderr.replace("│", " ").split())
    assert contents(folder) == before
    result = sitenet(*command.split(), "--overwrite")
    assert result.exit_code == 0, result.stderr
    after = contents(folder)
    assert any(before[name] == b"mine" != after[name] for name in before)


def test_a_finished_file_is_not_written_again(folder):
    assert sitenet("predict", "gap.safetensors", "gaps.csv", "--output", "out.csv").exit_code == 0
    assert len(pd.read_csv("out.csv")) == 4
    assert sitenet("predict", "gap.safetensors", "gaps.csv", "--output", "out.csv").exit_code == 2
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".out") or "partial" in path.name]


def test_a_file_is_written_by_one_process_at_a_time(tmp_path):
    first = PartialFile(tmp_path / "a.csv", "x")
    first.append("1\n", 1)
    with pytest.raises(
        FileExistsError, match=r"a\.csv is being written by another process: wait, or choose another name"
    ):
        PartialFile(tmp_path / "a.csv", "x")
    first.finish()
    with pytest.raises(FileExistsError, match=r"a\.csv exists: choose another name"):
        PartialFile(tmp_path / "a.csv", "x")
    again = PartialFile(tmp_path / "a.csv", "x", overwrite=True)
    again.append("2\n", 1)
    assert (tmp_path / "a.csv").read_text() == "1\n"
    again.finish()
    assert (tmp_path / "a.csv").read_text() == "2\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.usefixtures("folder")
def test_of_two_commands_on_one_file_one_refuses_and_the_other_is_whole():
    table = pd.concat([pd.read_csv("gaps.csv")] * 20)
    table.to_csv("many.csv", index=False)
    command = [
        sys.executable,
        "-m",
        "sitenet_sklearn",
        "predict",
        "gap.safetensors",
        "many.csv",
        "--output",
        "same.csv",
    ]
    processes = [
        subprocess.Popen([*command, "--chunk-size", "4", "-q"], stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes == [0, 1] or (codes == [0, 2] and any("exists" in error for error in errors)), errors
    assert any("written by another process" in error or "exists: choose" in error for error in errors)
    assert len(pd.read_csv("same.csv")) == 80


def test_a_killed_command_leaves_no_lock(folder):
    pd.concat([pd.read_csv("gaps.csv")] * 50).to_csv("many.csv", index=False)
    command = [
        sys.executable,
        "-m",
        "sitenet_sklearn",
        "predict",
        "gap.safetensors",
        "many.csv",
        "--output",
        "same.csv",
    ]
    with subprocess.Popen([*command, "--chunk-size", "4", "-q"]) as process:
        while not (folder / "same.csv.partial.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert not (folder / "same.csv").exists()
    subprocess.run([*command, "--chunk-size", "4", "-q"], check=True)
    assert len(pd.read_csv("same.csv")) == 200


def test_the_partial_file_of_somebody_else_is_not_replaced(folder):
    (folder / "out.csv.partial").write_text("mine")
    result = sitenet("predict", "gap.safetensors", "gaps.csv", "--output", "out.csv")
    assert result.exit_code != 0
    assert "out.csv.partial exists and would be replaced: choose another output" in str(result.exception)
    assert (folder / "out.csv.partial").read_text() == "mine"
    assert not list(folder.glob(".*.lock"))


def test_a_link_to_nothing_is_replaced_only_when_asked(folder):
    (folder / "dangling.csv").symlink_to(folder / "nothing")
    result = sitenet("predict", "gap.safetensors", "gaps.csv", "--output", "dangling.csv")
    assert result.exit_code == 2
    assert (folder / "dangling.csv").is_symlink()


@pytest.mark.parametrize(
    "command",
    [
        "fit gaps.csv --target gap --output out.safetensors",
        "explain gap.safetensors gaps.csv --output out.safetensors",
        "evaluate gap.safetensors gaps.csv --target gap --report out.safetensors",
    ],
)
def test_what_another_command_writes_is_not_written(folder, command):
    lock = lock_of(folder / "out.safetensors")
    result = sitenet(*command.split())
    unlock(lock)
    assert result.exit_code == 2
    assert "being written by another" in " ".join(result.output.replace("│", "").split())
    assert not (folder / "out.safetensors").exists()


@pytest.mark.parametrize("command", ["predict gap.safetensors gaps.csv", "explain gap.safetensors gaps.csv"])
@pytest.mark.parametrize("path", ["/dev/stdout", "pipe"])
def test_devices_and_pipes_are_not_replaced(folder, command, path):
    os.mkfifo(folder / "pipe")
    options = ["--overwrite"] if path == "pipe" else []  # where this fails, devices of the machine stay as they are
    result = sitenet(*command.split(), "--output", path, *options)
    assert result.exit_code == 2
    assert "as it is a device or pipe: name a file" in " ".join(result.stderr.replace("│", " ").split())
    assert (folder / "pipe").is_fifo()


def test_a_study_is_not_replaced_by_its_own_output(folder):
    command = "tune gaps.csv --target gap --output best.safetensors --storage ./best.safetensors"
    result = sitenet(*command.split())
    assert result.exit_code == 2
    assert "would be replaced by the output" in " ".join(result.output.replace("│", "").split())
    assert not (folder / "best.safetensors").exists()


@pytest.mark.usefixtures("folder")
def test_two_studies_do_not_write_one_file(monkeypatch):
    from sitenet_sklearn.tuning import search

    pd.read_csv("gaps.csv").assign(gap=[3.0, 2.0, 1.0, 0.5]).to_csv("others.csv", index=False)
    options = "--target gap --output best.safetensors --trials 1 --folds 2 --max-epochs 1 --max-atoms 20 -q"
    tune, refused = search.tune, []

    def while_another_begins(*arguments, **settings):
        monkeypatch.setattr(search, "tune", tune)
        refused.append(sitenet("tune", "others.csv", *options.split()))
        return tune(*arguments, **settings)

    monkeypatch.setattr(search, "tune", while_another_begins)
    assert sitenet("tune", "gaps.csv", *options.split()).exit_code == 0
    assert refused[0].exit_code == 2
    assert "is of the study sitenet-" in " ".join(refused[0].stderr.replace("│", " ").split())
    assert pd.read_csv("best-trials.csv").shape[0] == 1


COMMANDS = [
    "predict gap.safetensors gaps.csv --output",
    "explain gap.safetensors gaps.csv --output",
    "screen gap.safetensors gaps.csv --jobs 1 --output",
    "evaluate gap.safetensors gaps.csv --target gap --report",
]
OTHER_COMMANDS = ["fit gaps.csv --target gap --output", "tune gaps.csv --target gap --folds 2 --trials 1 --output"]


@pytest.mark.parametrize("command", [*COMMANDS, *OTHER_COMMANDS])
def test_outputs_that_cannot_be_written_are_named(folder, command, monkeypatch):
    before, end = contents(folder), ".safetensors" if command in OTHER_COMMANDS else ".csv"
    result = sitenet(*command.split(), "x" * 240 + end)
    assert result.exit_code == 2
    assert "its name is longer than 235 bytes" in " ".join(result.stderr.replace("│", " ").split())
    result = sitenet(*command.split(), f"x\udcff{end}")
    assert result.exit_code == 2
    assert "its name is not in UTF-8" in " ".join(result.stderr.replace("│", " ").split())
    monkeypatch.setattr("os.access", lambda path, _: folder != path)  # root may write everywhere
    result = sitenet(*command.split(), "out" + end)
    assert result.exit_code == 2
    told = " ".join(result.stderr.replace("│", " ").split())
    assert f"out{end} cannot be written: nothing can be written into ." in told
    assert contents(folder) == before


@pytest.mark.parametrize("command", [*COMMANDS, *OTHER_COMMANDS])
def test_no_command_removes_what_is_only_named_like_its_lock(folder, command):
    name = "out.safetensors" if command in OTHER_COMMANDS else "out.csv"
    (folder / f".{name}.lock").write_text("mine")
    quick = ["--max-epochs", "1", "--max-atoms", "20"] if command in OTHER_COMMANDS else []
    result = sitenet(*command.split(), name, *quick)
    assert result.exit_code == (1 if "predict" in command else 2)
    told = " ".join(f"{result.stderr} {result.exception}".replace("│", " ").split())
    assert "is named like a lock, but no empty file: move it away, or choose another" in told
    assert (folder / f".{name}.lock").read_text() == "mine"
    assert not (folder / name).exists()
