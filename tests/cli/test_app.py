import csv
import io
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from itertools import islice

import joblib
import pytest
from sklearn.linear_model import LinearRegression
from typer.testing import CliRunner

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, save_model
from sitenet_sklearn.cli.app import app, run
from sitenet_sklearn.cli.demo import DemoResult
from sitenet_sklearn.tables.predictions import predict_tables


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


def test_a_table_printed_in_chunks_has_one_header(model, structures, tmp_path):
    for k in range(3):
        structures[k].to(filename=str(tmp_path / f"{k}.cif"))
    files = [tmp_path / f"{k}.cif" for k in range(3)]
    lines = sitenet("predict", model, *files, "--chunk-size", "1").stdout.splitlines()
    assert lines[0] == "file,formula,prediction"
    assert [line.split(",")[0] for line in lines[1:]] == list(map(str, files))


def test_predict_reads_folders_with_those_inside_and_names_several_sources(model, structures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, structure in zip(("vasp/run_1/POSCAR", "vasp/run_2/POSCAR"), structures, strict=False):
        (tmp_path / name).parent.mkdir(parents=True)
        structure.to(filename=name)
    (tmp_path / "vasp" / "run_1" / "INCAR").touch()
    for sources, ids in (
        (["vasp"], ["run_1/POSCAR", "run_2/POSCAR"]),
        (["vasp/run_1", "vasp/run_2"], ["vasp/run_1/POSCAR", "vasp/run_2/POSCAR"]),
    ):
        result = sitenet("predict", model, *sources, "--output", f"{len(sources)}.csv", "-q")
        assert result.returncode == 0, result.stderr
        rows = list(csv.DictReader((tmp_path / f"{len(sources)}.csv").read_text().splitlines()))
        assert [row["id"] for row in rows] == ids
        assert result.stderr.count("not read, as their names are of no") == 1


@pytest.mark.parametrize("command", ["predict", "explain", "screen"])
def test_sources_that_are_none_are_wrong_usage(model, structures, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    structures[0].to(filename="my.cif")
    (tmp_path / "report.html").touch()
    options = ["--on-error", "mask"] if command == "predict" else []
    with pytest.raises(SystemExit) as ended:
        run([command, str(model), "my.cif", "train.cv", "report.html", "/dev/null", *options])
    assert ended.value.code == 2
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert (
        "3 of 4 sources cannot be read: train.cv: there is no such file or folder report.html: its name tells" in told
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my.cif", "report.html"]


def test_disordered_crystals_are_averaged_where_asked(model, structures, tmp_path):
    alloy = structures[0].copy()
    alloy.replace_species({alloy[0].specie: {alloy[0].specie: 0.5}})
    alloy.to(filename=str(tmp_path / "alloy.cif"))
    result = sitenet("predict", model, tmp_path / "alloy.cif")
    assert "with --disordered on the command line" in " ".join(result.stderr.split())
    header, row = sitenet("predict", model, tmp_path / "alloy.cif", "--disordered").stdout.splitlines()
    assert header == "file,formula,prediction,std,arrangements"
    assert int(row.split(",")[-1]) > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "no.joblib", "x.cif"], "no model file no.joblib"),
        (["predict", "MODEL", "x.cif"], "x.cif: there is no such file or folder"),
        (["fit", "x.csv", "--target", "gap", "--output", "m.joblib"], "there is no such file or folder: x.csv"),
        (["predict", "MODEL", "broken.cif"], "index 0 (broken.cif): the file is not read as a crystal"),
        (
            ["predict", "broken.cif", "broken.cif"],
            "broken.cif is not a model file: its name must end in .safetensors or",
        ),
        (["predict", "good.cif", "broken.cif"], "the model comes first, as in sitenet predict band_gap good.cif"),
        (["predict", "good.cif"], "the model comes first, as in sitenet predict band_gap good.cif"),
        (["predict", "broken.joblib", "broken.cif"], "broken.joblib is no model written by joblib"),
        (["predict", "other.joblib", "broken.cif"], "holds a dict, which cannot predict"),
        (["predict", "MODEL", "alloy.cif"], "Error: 1 of the crystals cannot be featurized"),
        (["predict", "linear.joblib", "good.cif"], "Error: "),
        (["predict", "MODEL", "alloy.cif"], "or leave their predictions empty with --on-error mask"),
        (["predict", "MODEL", "good.cif", "--jobs", "0"], "0 processes cannot work"),
        (["demo", "--max-epochs", "0"], "--max-epochs"),
        (["demo", "--output", "good.cif"], "--output good.cif is to be a folder, but good.cif is none"),
        (["dmeo"], "dmeo"),
    ],
)
def test_errors_are_one_message_without_traceback(model, structures, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.cif").write_text("data_\nno crystal")
    (tmp_path / "broken.joblib").write_text("no pickle")
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


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pyarrow", ["--output", "x.parquet"], "Parquet is written with pyarrow: pip install pyarrow, or let"),
        ("distributed", ["--scheduler", "tcp://127.0.0.1:9"], "a scheduler takes Dask: pip install dask distributed"),
        ("jinja2", [], "the report is made with jinja2: pip install jinja2"),
    ],
)
def test_a_missing_package_is_one_line(model, structures, tmp_path, monkeypatch, capsys, name, options, message):
    monkeypatch.chdir(tmp_path)
    structures[0].to(filename="good.cif")
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit) as ended:
        run(["screen", str(model), "good.cif", "--jobs", "1", *options])
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 1
    assert line.startswith(f"Error: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["good.cif"]


def test_only_missing_packages_of_others_are_messages(model, structures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    structures[0].to(filename="a.cif")
    (tmp_path / "t.csv").write_text("file,gap\na.cif,1.0\na.cif,2.0\n")
    call = ["evaluate", str(model), "t.csv", "--target", "gap", "--report", "r.html"]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "jinja2", None)
        with pytest.raises(SystemExit) as ended:
            run(call)
    assert ended.value.code == 1
    told = "Error: this needs jinja2: in a clone of the repository, run pip install '.[cli]'"
    assert capsys.readouterr().err.strip().splitlines()[-1] == told
    for name in ("sitenet_sklearn.displays.parts", "numpy.nothing", None):

        def broken(*_, _name=name, **__):
            raise ModuleNotFoundError(f"No module named {_name!r}", name=_name)

        monkeypatch.setattr("sitenet_sklearn.cli.analysis.write_report", broken)
        with pytest.raises(ModuleNotFoundError):
            run(call)


def test_demo_prints_a_table(monkeypatch, tmp_path):
    def quick(folder, **options):
        assert options == {"max_atoms": 30, "max_epochs": 2, "random_state": 1, "n_crystals": 50}
        return DemoResult({"Site-Net": 0.4, "median": 1.25}, [folder / "pipeline.joblib"])

    monkeypatch.setattr("sitenet_sklearn.cli.app.run_demo", quick)
    arguments = ["demo", "--output", str(tmp_path), "--max-atoms", "30", "--max-epochs", "2", "--seed", "1"]
    result = CliRunner().invoke(app, [*arguments, "--crystals", "50"])
    assert result.exit_code == 0
    assert "Site-Net                           0.400" in result.stdout
    assert f"wrote {tmp_path / 'pipeline.joblib'}" in result.stdout


COMMANDS = ["demo", "fit", "predict", "screen", "evaluate", "explain", "tune", "serve", "info"]


def test_help_lists_the_commands_with_examples():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert name in result.stdout
        shown = CliRunner().invoke(app, [name, "--help"])
        assert f"Example: sitenet {name}" in shown.stdout


def test_version():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"sitenet {version('sitenet-sklearn')}\n"


def test_bash_completes_commands():
    environment = os.environ | {"_SITENET_COMPLETE": "complete_bash", "COMP_WORDS": "sitenet e", "COMP_CWORD": "1"}
    command = [sys.executable, "-m", "sitenet_sklearn"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["evaluate", "explain"]


def test_a_closed_pipe_ends_quietly(model, structures, tmp_path):
    structures[0].to(filename=str(tmp_path / "a.cif"))
    table = tmp_path / "t.csv"
    table.write_text("file\n" + "a.cif\n" * 5)
    command = f"{sys.executable} -W ignore -m sitenet_sklearn predict {model} {table} --chunk-size 1 -q | head -1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert result.stdout == "id,formula,prediction\n"
    assert result.stderr == ""


def test_ctrl_c_has_its_own_exit_code(model, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sitenet_sklearn.cli.app.predict_tables", interrupted)
    (tmp_path / "a.cif").touch()
    with pytest.raises(SystemExit) as ended:
        run(["predict", str(model), str(tmp_path / "a.cif")])
    assert ended.value.code == 130


@pytest.mark.parametrize("ctrl_c", ["signal.default_int_handler", "signal.SIG_IGN"])
def test_sigterm_has_its_own_exit_code_and_may_come_twice(ctrl_c):
    code = (
        f"import os, signal, sys; signal.signal(signal.SIGINT, {ctrl_c})\n"
        "from sitenet_sklearn.__main__ import main\n"
        "from sitenet_sklearn.cli import app\n"
        "def interrupted(*_, **__):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    finally:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        sys.stderr.write('tidied up')\n"
        "app.app = interrupted\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 143, done.stderr
    assert "tidied up" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_tells_what_is_kept(model, structures, tmp_path, monkeypatch, capsys):
    def one_and_ctrl_c(*arguments, **options):
        yield from islice(predict_tables(*arguments, **options), 1)
        raise KeyboardInterrupt

    monkeypatch.setattr("sitenet_sklearn.cli.app.predict_tables", one_and_ctrl_c)
    monkeypatch.chdir(tmp_path)
    structures[0].to(filename="a.cif")
    (tmp_path / "t.csv").write_text("file\na.cif\na.cif\n")
    with pytest.raises(SystemExit):
        run(["predict", str(model), "t.csv", "--chunk-size", "1", "--output", "out.csv", "-q"])
    assert "interrupted; 1 crystals are kept: run the same command again to resume" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(["predict", str(model), "t.csv", "--chunk-size", "1", "--output", "out.csv", "-q"])
    assert not ended.value.code
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


@pytest.mark.filterwarnings("ignore:masked")
def test_predict_takes_tables_and_masks(model, structures, tmp_path):
    structures[0].to(filename=str(tmp_path / "a.cif"))
    (tmp_path / "t.csv").write_text("id,file\nx,a.cif\ny,none.cif\n")
    arguments = ["predict", str(model), str(tmp_path / "t.csv"), "-q"]
    assert CliRunner().invoke(app, arguments).exit_code == 1
    result = CliRunner().invoke(app, [*arguments, "--on-error", "mask", "--json"])
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["id"] == "x"
    assert first["prediction"] == pytest.approx(joblib.load(model).predict(structures[:1])[0], rel=1e-3)
    assert second == {"id": "y", "formula": None, "prediction": None}
    assert "not predicted: 1\n  index 1 (y): no such file" in result.stderr


def test_predict_writes_a_file_and_goes_on(model, structures, tmp_path, monkeypatch):
    from sitenet_sklearn.tables import predictions as prediction_table

    lines = [json.dumps({"structure": structure.as_dict()}) for structure in structures[:4]]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    arguments = ["predict", str(model), str(tmp_path / "t.jsonl"), "--chunk-size", "1", "-q", "--output"]
    assert CliRunner().invoke(app, [*arguments, str(tmp_path / "whole.csv")]).exit_code == 0
    one, calls = prediction_table.predict_rows, []

    def dies_in_the_third(*args, **kwargs):
        calls.append(kwargs["start"])
        if len(calls) == 3:
            raise RuntimeError("killed")
        return one(*args, **kwargs)

    monkeypatch.setattr(prediction_table, "predict_rows", dies_in_the_third)
    assert CliRunner().invoke(app, [*arguments, str(tmp_path / "cut.csv")]).exit_code == 1
    assert not (tmp_path / "cut.csv").exists()
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "cut.csv")])
    assert "2 crystals are done already" in result.stderr
    assert calls == [0, 1, 2, 2, 3]
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_without_typer_it_says_what_to_install():
    code = "import sys; sys.modules['typer'] = None; from sitenet_sklearn.__main__ import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "pip install '.[cli]'" in result.stderr


@pytest.mark.parametrize("where", ["import", "end"])
def test_ctrl_c_before_and_after_a_command_shows_no_traceback(where):
    """While the command line is imported, and while the process ends."""
    interrupt = "import os, signal, sys; os.kill(os.getpid(), signal.SIGINT)"
    code = {
        "import": "import sitenet_sklearn, sys, signal, os\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'sitenet_sklearn.cli.app':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n",
        "end": f"import atexit; atexit.register(exec, {interrupt!r}, {{}})\n",
    }[where]
    code += "import sys; sys.argv[1:] = ['--version']\nfrom sitenet_sklearn.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == {"import": 130, "end": -signal.SIGINT}[where]
    assert "Traceback" not in done.stderr
