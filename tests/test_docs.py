"""Documentation agrees with the code."""

import inspect
import re
import runpy
import subprocess
import tomllib
from pathlib import Path

import pytest
import torch

import sitenet_sklearn
from sitenet_sklearn import attention, batch, datasets, demo, layers, network, reference
from sitenet_sklearn.crystal import INTERACTION_FEATURES, SITE_FEATURES

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
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, page.name, "exec"), {})  # noqa: S102


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_run(example):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    runpy.run_path(str(example))


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
    required = project["dependencies"] + project["optional-dependencies"]["cli"]
    pinned = [line for line in (ROOT / "tests" / "lowest.txt").read_text().splitlines() if not line.startswith("#")]
    assert [requirement.replace(">=", "==") for requirement in required] == pinned
