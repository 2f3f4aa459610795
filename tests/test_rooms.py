"""The layers of the package: imports point downwards only, optional packages are imported where they are needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sitenet_sklearn"

LAYERS = [
    {"_validation", "elements", "structures", "whole_file"},
    {"complexity", "lattice", "oxidation", "primitive", "sublattice", "supercell", "compression"},
    {
        "cache",
        "crystal",
        "featurize",
        "featurizer",
        "filtering",
        "ragged",
        "store",
        "stored_crystals",
        "streaming",
        "usable",
    },
    {"batch", "segments", "tiles", "kernels", "layers", "losses", "attention", "network"},
    {
        "memory",
        "_data_parallel",
        "inference",
        "presets",
        "architecture",
        "checkpoint",
        "model_file",
        "fine_tuning",
        "_training",
        "_base",
        "targets",
        "regressor",
        "classifier",
        "ensemble",
    },
    {
        "reference",
        "persistence",
        "datasets",
        "attention_analysis",
        "attention_tables",
        "cutoff",
        "disorder",
        "evaluation",
        "labelled",
        "model_summary",
        "pipelines",
        "prediction_table",
        "tables",
        "partial_file",
    },
    {
        "demo",
        "search_space",
        "trials",
        "tuning",
        "studies",
        "search",
        "workers",
        "displays",
        "attention_displays",
        "intervals",
        "report",
        "cli",
        "cli_analysis",
        "cli_options",
        "cli_training",
        "__main__",
        "__init__",
    },
]
LAYER_OF = {module: k for k, layer in enumerate(LAYERS) for module in layer}

FORBIDDEN = {
    "torch": range(3),
    "skorch": (0, 1, 2, 3, 5),
    "pymatgen": (3, 4),
    "sklearn": (1, 3),
    "matplotlib": range(6),
    "typer": range(6),
    "optuna": range(6),
}


def modules():
    return sorted(path.stem for path in PACKAGE.glob("*.py"))


def imports(module):
    """Pairs (name, whether it is a module of the package) imported anywhere in a module."""
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                yield from [(node.module, True)] if node.module else [(alias.name, True) for alias in node.names]
            else:
                yield node.module.split(".")[0], False
        elif isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], False) for alias in node.names)


def test_every_module_has_a_layer():
    assert set(modules()) == set(LAYER_OF)


@pytest.mark.parametrize("module", modules())
def test_imports_point_downwards(module):
    for name, own in imports(module):
        if own:
            assert LAYER_OF[name] <= LAYER_OF[module], f"{module} imports {name} of a higher layer"
        else:
            assert LAYER_OF[module] not in FORBIDDEN.get(name, ()), f"{module} imports {name}"


def test_modules_of_one_layer_do_not_import_each_other_in_circles():
    below = {module: {name for name, own in imports(module) if own} for module in modules()}
    while ready := [module for module, names in below.items() if not names]:
        for module in ready:
            del below[module]
        for names in below.values():
            names.difference_update(ready)
    assert not below


def test_import_loads_no_optional_package():
    code = (
        "import sys\n"
        "for name in ('typer', 'matplotlib', 'optuna', 'hypothesis', 'pytest'):\n"
        "    sys.modules[name] = None\n"
        "import sitenet_sklearn\n"
        "assert sitenet_sklearn.SiteNetRegressor().get_params()\n"
        "import sitenet_sklearn.datasets, sitenet_sklearn.estimators.reference\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", modules())
def test_files_and_bodies_stay_short(module):
    text = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    assert text.count("\n") <= 360
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert node.end_lineno - first.lineno < 40, f"{module}.{node.name}"


def test_nothing_is_printed():
    for path in PACKAGE.glob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        assert "print" not in {node.id for node in nodes if isinstance(node, ast.Name)}
