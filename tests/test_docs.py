"""Documentation agrees with the code."""

import importlib
import importlib.metadata
import inspect
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error

import sitenet_sklearn
from sitenet_sklearn import datasets
from sitenet_sklearn.crystals.interaction_features import INTERACTION_FEATURES
from sitenet_sklearn.crystals.site_features import SITE_FEATURES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

ROOMS = (
    "crystals",
    "featurization",
    "network",
    "training",
    "estimators",
    "analysis",
    "tuning",
    "tables",
    "displays",
    "screening",
)
FILES = ("datasets", "metrics", "exceptions", "pretrained")
MODULES = ["sitenet_sklearn", *(f"sitenet_sklearn.{name}" for name in (*ROOMS, *FILES))]
"""Where public names are: what the `__all__` of one of these names is public."""

NAMES = {"INTERACTION_FEATURES": INTERACTION_FEATURES, "SITE_FEATURES": SITE_FEATURES, "torch": torch, "np": np}
NAMES["mean_absolute_error"] = mean_absolute_error


def public_names():
    """Triples (module, name, thing); what the top level names is listed there only."""
    seen = {}
    for module in MODULES:
        loaded = importlib.import_module(module)
        for name in loaded.__all__:
            seen.setdefault(name, (module, name, getattr(loaded, name)))
    return list(seen.values())


def public_callables():
    """Public functions and classes, and the documented methods of the classes."""
    for _, name, thing in public_names():
        if not callable(thing) or (inspect.isclass(thing) and thing.__init__ is RuntimeError.__init__):
            continue
        yield name, thing
        for method in sorted(vars(thing)) if inspect.isclass(thing) else ():
            function = inspect.getattr_static(thing, method)
            function = getattr(function, "__func__", function)
            if inspect.isfunction(function) and not method.startswith("_"):
                yield f"{name}.{method}", getattr(thing, method)


def section(thing, title):
    found = re.search(rf"(?:^|\n){title}\n-+\n(.*?)(\n\n[A-Z][A-Za-z ]+\n-+\n|\Z)", inspect.getdoc(thing), re.DOTALL)
    return found and found[1]


def documented(text):
    """Pairs (name, kind) of the entries of a section."""
    for names, kind in re.findall(r"^(\w[\w, ]*) : (.*)$", text, re.MULTILINE):
        yield from ((name, kind) for name in names.split(", "))


def is_record(thing):
    return inspect.isclass(thing) and (hasattr(thing, "_fields") or hasattr(thing, "__dataclass_fields__"))


CALLABLES = dict(public_callables())


@pytest.mark.parametrize("name", CALLABLES)
def test_documented_parameters_and_defaults_are_those_of_the_signature(name):
    thing = CALLABLES[name]
    if is_record(thing):
        fields = getattr(thing, "_fields", None) or tuple(thing.__dataclass_fields__)
        assert tuple(entry for entry, _ in documented(section(thing, "Attributes"))) == fields
        return
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    signature = {key: p for key, p in inspect.signature(thing).parameters.items() if p.kind not in variable}
    signature.pop("self", None)
    text = section(thing, "Parameters")
    if text is None:  # a method that says all in a line
        assert "." in name or not signature, f"{name} documents no parameters"
        return
    stated = dict(documented(text))
    assert list(stated) == list(signature)
    for key, parameter in signature.items():
        default = re.search(r"default=(.*)$", stated[key])
        if parameter.default is inspect.Parameter.empty:
            assert default is None, key
        else:
            assert default is not None, f"{key} states no default"
            assert eval(default[1], NAMES) == parameter.default, key  # noqa: S307


def test_every_public_name_says_what_it_is():
    for _, name, thing in public_names():
        assert not callable(thing) or re.match(r"[A-Z`].*\.$", inspect.getdoc(thing).splitlines()[0]), name


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_python_blocks_run(monkeypatch, tmp_path, structures, band_gaps, page):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load_dielectric", lambda **_: (structures, band_gaps))
    for name in ("my.cif", "POSCAR"):  # files of a user
        structures[0].to(filename=name)
    namespace = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(block, page.name, "exec"), namespace)  # noqa: S102


def test_commands_on_the_page_about_prediction_run(monkeypatch, tmp_path, structures):
    typer_testing = pytest.importorskip("typer.testing", reason="needs typer")
    from sitenet_sklearn.cli.app import app

    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("my.cif", "POSCAR", "folder/a.cif"):  # files of a user
        structures[0].to(filename=name)
    (tmp_path / "candidates.csv").write_text("id,file\nx,my.cif\ny,none.cif\n")
    page = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")
    commands = re.findall(r"^sitenet (.*)$", "".join(re.findall(r"```bash\n(.*?)```", page, re.DOTALL)), re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        result = typer_testing.CliRunner().invoke(app, command.split())
        assert result.exit_code == 0, (command, result.output)


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_run(example):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    runpy.run_path(str(example))


def names_of_reference():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for module, entries in re.findall(r"currentmodule:: (\S+)\n(.*?)\n```", text, re.DOTALL):
        yield from ((module, name) for name in re.findall(r"^ {3}(\w+)$", entries, re.MULTILINE))


def test_the_reference_lists_what_is_public_and_nothing_else():
    listed = list(names_of_reference())
    assert len(set(listed)) == len(listed)
    assert set(listed) == {(module, name) for module, name, _ in public_names()}


def test_every_page_is_in_a_table_of_contents():
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    listed = set()
    for page in ("index", "guide", "more"):
        tree = re.search(
            r"```{toctree}\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"), re.DOTALL
        )
        listed |= {line for line in tree[1].splitlines() if line and not line.startswith(":")}
    assert listed == pages - {"index"} | {"gallery/index"}


@pytest.mark.slow
def test_site_builds_without_warnings(tmp_path):
    installed = {distribution.name.lower() for distribution in importlib.metadata.distributions()}
    for name in ("sphinx", "pydata-sphinx-theme", "sphinx-gallery", "numpydoc", "myst-parser", "optuna-integration"):
        if name not in installed:
            pytest.skip(f"needs {name}")
    generated = shutil.ignore_patterns("_build", "api", "gallery", "sg_execution_times.rst")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=generated)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "README.md", tmp_path)
    for card in (ROOT / "sitenet_sklearn" / "models").glob("*/card.json"):  # the page of the models shows them
        copy = tmp_path / card.relative_to(ROOT)
        copy.parent.mkdir(parents=True)
        shutil.copy(card, copy)
    options = ["-W", "--keep-going", "-n", "-q", "-D", "plot_gallery=0"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, tmp_path / "docs", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_ci_runs_the_test_command_of_the_readme():
    first_commands, test_command = re.findall(r"```bash\n(.*?)\n```", README, re.DOTALL)
    assert "sitenet predict band_gap" in first_commands
    assert "sitenet demo" in first_commands
    extract = re.search(r"^command=\$\((awk .*)\)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)[1]
    found = subprocess.run(["bash", "-c", extract], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    assert found.stdout.strip() == test_command


def test_version_is_in_the_changelog():
    assert sitenet_sklearn.__version__.split(".dev")[0] in (ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")


def test_lowest_versions_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [
        project["optional-dependencies"][extra]
        for extra in ("cli", "ase", "dask", "screen", "tune", "serve", "examples")
    ]
    listed = sum(extras, project["dependencies"])
    required = dict.fromkeys(entry for entry in listed if not entry.startswith("sitenet-sklearn["))
    pinned = [line for line in (ROOT / "tests" / "lowest.txt").read_text().splitlines() if not line.startswith("#")]
    assert [re.sub(r"\[.*\]|,<.*", "", requirement).replace(">=", "==") for requirement in required] == pinned
