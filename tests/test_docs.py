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

import pytest
import torch

import sitenet_sklearn
from sitenet_sklearn import datasets
from sitenet_sklearn.cli import demo
from sitenet_sklearn.crystals.interaction_features import INTERACTION_FEATURES
from sitenet_sklearn.crystals.site_features import SITE_FEATURES
from sitenet_sklearn.estimators import reference
from sitenet_sklearn.network import attention, batch, layers
from sitenet_sklearn.network import sitenet as network

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

DOCUMENTED = [
    *[getattr(sitenet_sklearn, name) for name in sitenet_sklearn.__all__],
    sitenet_sklearn.RaggedCrystals.from_distances,
    attention.AttentionBlock,
    batch.CrystalDataset,
    batch.SiteBudgetSampler,
    batch.collate,
    datasets.fetch_matbench,
    datasets.load_dielectric,
    datasets.load_formation_energy,
    demo.run_demo,
    layers.ActNorm,
    layers.Perceptron,
    network.SiteNet,
    reference.load_reference_checkpoint,
]


INTERNAL = {
    "__main__": "entry point",
    "architecture": "parameters of the estimators, documented there",
    "checkpoint": "reached through checkpoint_dir=",
    "cli": "documented by sitenet --help",
    "cli_analysis": "documented by sitenet --help",
    "cli_options": "documented by sitenet --help",
    "cli_training": "documented by sitenet --help",
    "kernels": "inner loops of the attention blocks",
    "memory": "works by itself",
    "model_file": "behind save_model and load_model",
    "pipelines": "behind the command line",
    "studies": "behind tune",
    "tiles": "inner loops of the attention blocks",
    "trials": "behind tune",
    "usable": "checks behind fit and predict",
    "partial_file": "how long files are written",
    "stored_crystals": "checks behind RaggedCrystals.open",
    "whole_file": "how files are written",
}
"""Modules that the API reference leaves out, and why; those that begin with an underscore are left out too."""


NAMES = {"INTERACTION_FEATURES": INTERACTION_FEATURES, "SITE_FEATURES": SITE_FEATURES, "torch": torch}


def documented_parameters(thing):
    section = re.search(r"Parameters\n-+\n(.*?)(\n\n[A-Z][A-Za-z ]+\n-+\n|\Z)", inspect.getdoc(thing), re.DOTALL)[1]
    for names, kind in re.findall(r"^(\w[\w, ]*) : (.*)$", section, re.MULTILINE):
        for name in names.split(", "):
            yield name, kind


@pytest.mark.parametrize("thing", DOCUMENTED, ids=lambda thing: thing.__qualname__)
def test_documented_defaults_are_those_of_the_signature(thing):
    signature = inspect.signature(thing).parameters
    documented = dict(documented_parameters(thing))
    assert list(documented) == list(signature)
    for name, parameter in signature.items():
        stated = re.search(r"default=(.*)$", documented[name])
        if parameter.default is inspect.Parameter.empty:
            assert stated is None, name
        else:
            assert eval(stated[1], NAMES) == parameter.default, name  # noqa: S307


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_python_blocks_run(monkeypatch, tmp_path, structures, band_gaps, page):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load_dielectric", lambda **_: (structures, band_gaps))
    namespace = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(block, page.name, "exec"), namespace)  # noqa: S102


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_run(example):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    runpy.run_path(str(example))


def names_of_reference():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for module, entries in re.findall(r"currentmodule:: (\S+)\n(.*?)\n```", text, re.DOTALL):
        yield from ((module, name) for name in re.findall(r"^ {3}(\w+)$", entries, re.MULTILINE))


def public_modules():
    stems = {path.stem for path in (ROOT / "sitenet_sklearn").glob("*.py")}
    assert set(INTERNAL) <= stems
    return sorted(name for name in stems - set(INTERNAL) if not name.startswith("_"))


@pytest.mark.parametrize("name", public_modules())
def test_public_names_are_in_the_reference(name):
    if name == "search":
        pytest.importorskip("optuna_integration")
    module = importlib.import_module(f"sitenet_sklearn.{name}")
    kinds = (inspect.isclass, inspect.isfunction)
    public = {
        (f"sitenet_sklearn{'' if key in sitenet_sklearn.__all__ else f'.{name}'}", key)
        for key, thing in vars(module).items()
        if any(is_kind(thing) for is_kind in kinds)
        and thing.__module__ == module.__name__
        and not key.startswith("_")
        and thing.__doc__
    }
    assert public <= set(names_of_reference())


def test_reference_has_no_name_twice_and_none_that_is_not_there():
    names = list(names_of_reference())
    assert len(set(names)) == len(names)
    assert {name for module, name in names if module == "sitenet_sklearn"} == set(sitenet_sklearn.__all__)
    for module, name in names:
        assert (ROOT / "sitenet_sklearn" / f"{module.partition('.')[2] or '__init__'}.py").is_file()
        if module != "sitenet_sklearn.tuning.search_cv":
            assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_reference_lists_the_internal_modules():
    rows = re.findall(r"^\| (`.*?`) \|", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(INTERNAL) - {"__main__"}


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
    demo_command, test_command = re.findall(r"```bash\n(.*?)\n```", README, re.DOTALL)
    assert "sitenet demo" in demo_command
    extract = re.search(r"^command=\$\((awk .*)\)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)[1]
    found = subprocess.run(["bash", "-c", extract], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    assert found.stdout.strip() == test_command


def test_version_is_in_the_changelog():
    assert sitenet_sklearn.__version__.split(".dev")[0] in (ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")


def test_lowest_versions_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [project["optional-dependencies"][extra] for extra in ("cli", "ase", "dask", "tune", "examples")]
    required = dict.fromkeys(sum(extras, project["dependencies"]))
    pinned = [line for line in (ROOT / "tests" / "lowest.txt").read_text().splitlines() if not line.startswith("#")]
    assert [re.sub(r"\[.*\]|,<.*", "", requirement).replace(">=", "==") for requirement in required] == pinned
