"""The rooms of the package: imports point one way, and what is heavy or optional is imported where it is used."""

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sitenet_sklearn

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sitenet_sklearn"

spec = importlib.util.spec_from_file_location("draw_rooms", ROOT / "docs" / "draw_rooms.py")
draw_rooms = importlib.util.module_from_spec(spec)
spec.loader.exec_module(draw_rooms)

FLOORS = [
    {"words"},
    {"geometry"},
    {"crystals"},
    {"datasets", "featurization", "network"},
    {"training"},
    {"estimators"},
    {"pretrained"},
    {"__init__", "analysis", "tables", "tuning"},
    {"displays", "server"},
    {"screening"},
    {"cli"},
]
"""A room imports from lower floors only, so rooms of one floor never meet."""

ALLOWED = {
    "matplotlib": {"displays", "cli"},
    "optuna": {"tuning"},
    "typer": {"cli", "__main__"},
    "starlette": {"server"},
    "uvicorn": {"server"},
    "skorch": {"training", "estimators", "tuning"},
    "torch": {"network", "training", "estimators", "analysis", "tuning"},
}
"""Packages that only some rooms import."""

FORBIDDEN = {"pymatgen": {"words", "network", "training"}, "sklearn": {"geometry", "network"}}
"""Packages that some rooms do not import."""


def level(room):
    return next(k for k, floor in enumerate(FLOORS) if room in floor)


@pytest.mark.parametrize("room", sorted(draw_rooms.rooms()))
def test_rooms_import_from_lower_floors_only(room):
    assert all(level(below) < level(room) for below in draw_rooms.rooms()[room]), draw_rooms.rooms()[room]


@pytest.mark.parametrize("path", draw_rooms.files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_packages_are_imported_where_they_belong(path):
    room = draw_rooms.room_of(path)
    for name in draw_rooms.imported_modules(path):
        package = name.split(".")[0]
        assert room in ALLOWED.get(package, {room}), f"{room} imports {package}"
        assert room not in FORBIDDEN.get(package, ()), f"{room} imports {package}"


@pytest.mark.parametrize("room", sorted(draw_rooms.rooms()))
def test_files_of_one_room_do_not_import_each_other_in_circles(room):
    own = {
        path.stem: path for path in draw_rooms.files() if draw_rooms.room_of(path) == room and path.stem != "__init__"
    }
    start = "sitenet_sklearn" if room == "words" else f"sitenet_sklearn.{room}"
    below = {
        name: {other for other in own if f"{start}.{other}" in set(draw_rooms.imported_modules(path))}
        for name, path in own.items()
    }
    while ready := [name for name, names in below.items() if not names]:
        for name in ready:
            del below[name]
        for names in below.values():
            names.difference_update(ready)
    assert not below


def test_the_drawing_in_the_documentation_is_the_code():
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert "\n".join(draw_rooms.table()) in page, "run python docs/draw_rooms.py and put what it prints into design.md"


def test_the_way_of_a_crystal_in_the_documentation_is_the_code():
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    (way,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    steps = re.findall(r"\b([a-z]+)\.([a-z_]+)\.([\w.]+)", way)
    assert len(steps) > 8
    for room, module, path in steps:
        thing = sys.modules[f"sitenet_sklearn.{room}.{module}"]
        for name in path.split("."):
            thing = inspect.getattr_static(thing, name)


def test_import_loads_no_optional_package():
    code = (
        "import sys\n"
        "for name in ('typer', 'matplotlib', 'optuna', 'starlette', 'uvicorn', 'hypothesis', 'pytest'):\n"
        "    sys.modules[name] = None\n"
        "import sitenet_sklearn\n"
        "assert sitenet_sklearn.SiteNetRegressor().get_params()\n"
        "import sitenet_sklearn.analysis, sitenet_sklearn.datasets, sitenet_sklearn.displays, sitenet_sklearn.tables\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", draw_rooms.files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_bodies_stay_short(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 350
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert node.end_lineno - first.lineno < 40, node.name


def test_an_init_is_a_table_of_contents():
    for path in PACKAGE.rglob("__init__.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            is_name = isinstance(node, ast.Assign) and node.targets[0].id in {"__all__", "__version__"}
            assert isinstance(node, ast.Expr | ast.ImportFrom) or is_name, f"{path}: {ast.unparse(node)}"


def test_what_scikit_learn_keeps_private_is_used_in_one_file():
    for path in draw_rooms.files():
        if path.name == "_validation.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn"):
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                assert not any(name.startswith("_") for name in names), f"{path} imports {names}"
            if isinstance(node, ast.Attribute):
                assert node.attr != "_validate_params", path


def test_nothing_is_printed():
    for path in draw_rooms.files():
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        assert "print" not in {node.id for node in nodes if isinstance(node, ast.Name)}


def test_every_file_has_a_test():
    """Named after it, or after the room and it."""
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").rglob("test_*.py")}
    for path in draw_rooms.files():
        room, stem = draw_rooms.room_of(path), path.stem
        names = {stem, f"{room}_{stem}", f"{stem}_{room}", stem.removeprefix("_")}
        assert stem in UNTESTED or names & tests, f"no test file for {path}"


UNTESTED = {
    "__init__": "a table of contents, see above",
    "__main__": "tests/cli/test_app.py",
    "_pipelines": "every test with a pipeline",
    "_versions": "tests/analysis/test_summary.py and tests/estimators/test_base.py",
    "exceptions": "tests/crystals/test_structures.py",
    "weights_file": "tests/estimators/test_persistence.py",
    "trials": "tests/tuning/test_tune.py",
    "search": "tests/tuning/test_tune.py",
    "predictions": "tests/displays/test_displays.py",
    "prediction_table": "tests/tables/test_predictions.py",
    "options": "tests/cli/test_app.py",
}
"""Files without a test of their name, and where they are tested."""


def test_top_level_names_are_short():
    assert len(sitenet_sklearn.__all__) <= 16
