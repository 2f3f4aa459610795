"""What is built from the repository holds all that it needs and nothing else, and works without the repository."""

import email
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import sitenet_sklearn

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
DATA = [f"sitenet_sklearn/data/{name}" for name in ("dielectric.jsonl.gz", "formation_energy.jsonl.gz")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pytest.importorskip("build", reason="needs the packages build and hatchling")
    pytest.importorskip("hatchling", reason="needs the packages build and hatchling")
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT], check=True)
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    (wheel,) = built.glob("*.whl")
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", folder]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, wheel], check=True)
    return folder


def run(folder, *arguments):
    """Run Python elsewhere, with the installed package before any other."""
    code = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {arguments[0]}", *arguments[1:]]
    return subprocess.run(code, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_the_wheel_holds_every_module_and_data_and_no_tests(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    package = [path.relative_to(ROOT).as_posix() for path in (ROOT / "sitenet_sklearn").rglob("*") if path.is_file()]
    expected = {name for name in package if "__pycache__" not in name}
    assert expected >= {*DATA, "sitenet_sklearn/py.typed"}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert all(not Path(name).is_absolute() and ".." not in name for name in names)


def test_the_source_archive_holds_tests_docs_and_examples(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        names = {name.partition("/")[2] for name in content.getnames()}
    expected = {*DATA, "pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "tests/conftest.py", "docs/network.md"}
    assert expected <= names
    assert not any("__pycache__" in name for name in names)


def test_metadata_names_version_licence_extras_and_command(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        texts = {Path(name).name: content.read(name).decode() for name in content.namelist() if ".dist-info/" in name}
    metadata = email.message_from_string(texts["METADATA"])
    assert (metadata["Name"], metadata["Version"]) == ("sitenet-sklearn", sitenet_sklearn.__version__)
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert set(metadata.get_all("Provides-Extra")) >= {"ase", "cli", "dask", "examples", "test", "tune"}
    assert "sitenet = sitenet_sklearn.__main__:main" in texts["entry_points.txt"]


def test_the_installed_package_works_without_the_repository(installed):
    code = (
        "import sitenet_sklearn as s; from importlib.metadata import version;"
        "from sitenet_sklearn.datasets import load_dielectric, load_formation_energy;"
        "print(s.__file__, version('sitenet-sklearn'), len(load_dielectric().data), len(load_formation_energy().data))"
    )
    file, version, *sizes = run(installed, code).split()
    assert Path(file).is_relative_to(installed)
    assert version == sitenet_sklearn.__version__
    assert sizes == ["1056", "3938"]
    assert "predict" in run(installed, "from sitenet_sklearn.__main__ import main; main()", "--help")


def test_requirements_fit_together():
    found = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert "sitenet-sklearn" not in found.stdout, found.stdout


def test_a_program_that_uses_it_passes_strict_type_checks(installed, tmp_path):
    pytest.importorskip("mypy", reason="needs mypy")
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nmypy_path = {installed}\nfollow_imports = silent\n")
    options = ["--strict", "--config-file", tmp_path / "mypy.ini", "--cache-dir", tmp_path / "cache"]
    command = [sys.executable, "-m", "mypy", *options, ROOT / "tests" / "typed_use.py"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
