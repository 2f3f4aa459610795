import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gallery import SHARED
from matminer.utils.io import store_dataframe_as_json
from pymatgen.core import Structure

from sitenet_sklearn import datasets
from sitenet_sklearn.datasets import fetch_matbench, load_dielectric, load_formation_energy, matbench_folds

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("load", "n", "unit"), [(load_dielectric, 1056, "eV"), (load_formation_energy, 3938, "eV/atom")]
)
def test_bundled_sets_are_complete(load, n, unit):
    bunch = load()
    assert len(bunch.data) == len(bunch.target) == len(set(bunch.ids)) == n
    assert all(isinstance(structure, Structure) and structure.is_ordered for structure in bunch.data)
    assert np.isfinite(bunch.target).all()
    assert bunch.target_unit == unit
    for word in ("doi:10.", "CC BY 4.0", "Materials Project"):
        assert word in bunch.DESCR
    X, y = load(return_X_y=True)
    assert len(X) == n
    np.testing.assert_array_equal(y, bunch.target)


def test_bundled_sets_are_small():
    sizes = [path.stat().st_size for path in (ROOT / "sitenet_sklearn" / "data").iterdir()]
    assert sum(sizes) < 1_000_000


@pytest.mark.parametrize(
    ("load", "file", "key"),
    [
        (load_dielectric, "dielectric_petousis2017", "band_gap_eV"),
        (load_formation_energy, "flla2015_formation_energy", "formation_energy_eV_per_atom"),
    ],
)
def test_bundled_sets_agree_with_another_copy(load, file, key):
    path = SHARED / "data" / f"{file}.jsonl.gz"
    if not path.is_file():
        pytest.skip("needs the second copy beside the repository")
    bunch = load()
    with gzip.open(path) as lines:
        for k, line in enumerate(lines):
            other = json.loads(line)
            assert bunch.ids[k] == other["id"]
            assert bunch.target[k] == pytest.approx(other[key], abs=1e-6)
            if k % 50 == 0:
                structure = Structure.from_str(other["poscar"], fmt="poscar")
                np.testing.assert_allclose(bunch.data[k].distance_matrix, structure.distance_matrix, atol=1e-4)


@pytest.mark.slow
def test_bundled_files_are_rebuilt_bit_by_bit(tmp_path):
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", tmp_path]
    if subprocess.run([*pip, "matminer==0.3.5"], check=False).returncode:
        pytest.skip("needs the source package of matminer 0.3.5 from the package index")
    rebuild = [sys.executable, ROOT / "tests" / "data" / "rebuild.py", tmp_path / "matminer-0.3.5.tar.gz", tmp_path]
    subprocess.run(rebuild, check=True)
    for name in ("dielectric.jsonl.gz", "formation_energy.jsonl.gz"):
        assert (tmp_path / name).read_bytes() == (ROOT / "sitenet_sklearn" / "data" / name).read_bytes()


def test_official_folds_of_matbench():
    path = SHARED / "data" / "matbench_mp_gap_train.jsonl.gz"
    if not path.is_file():
        pytest.skip("needs the fold labels beside the repository")
    fold = np.zeros(106113, int)
    for k, (_, test) in enumerate(matbench_folds(np.zeros(106113))):
        fold[test] = k
    with gzip.open(path) as lines:
        for line in lines:
            record = json.loads(line)
            assert fold[int(record["id"].split("-")[-1]) - 1] == record["matbench_fold"]


@pytest.fixture
def matbench_file(tmp_path, structures):
    table = pd.DataFrame({"structure": structures[:10], "gap pbe": np.arange(10.0)})
    store_dataframe_as_json(table, str(tmp_path / "matbench_mp_gap.json.gz"), compression="gz")
    return tmp_path / "matbench_mp_gap.json.gz"


@pytest.mark.parametrize("task", ["mp_gap", "matbench_mp_gap"])
def test_matbench_is_read_from_a_file(matbench_file, structures, task):
    bunch = fetch_matbench(task, path=matbench_file)
    assert bunch.data[3] == structures[3]
    np.testing.assert_array_equal(bunch.target, np.arange(10.0))
    assert bunch.ids[0] == "mb-mp-gap-01"
    assert len(bunch.folds) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in bunch.folds])), np.arange(10))
    X, y = fetch_matbench(task, path=matbench_file, return_X_y=True)
    assert len(X) == len(y) == 10


def test_offline_download_says_what_to_do(monkeypatch):
    import requests
    from matminer.datasets import dataset_retrieval

    def offline(*_args, **_kwargs):
        raise requests.ConnectionError

    monkeypatch.setattr(dataset_retrieval, "_validate_dataset", offline)
    with pytest.raises(ConnectionError, match=r"connect to the internet, or get matbench_mp_gap.json.gz elsewhere and"):
        fetch_matbench("mp_gap")


def test_unknown_tasks_and_wrong_files_are_refused(tmp_path, matbench_file):
    with pytest.raises(ValueError, match=r"unknown Matbench task 'matbench_steels'; tasks with structures are"):
        fetch_matbench("steels")
    with pytest.raises(FileNotFoundError, match=r"pass the \.json\.gz file of a Matbench task"):
        fetch_matbench(path=tmp_path / "nothing.json.gz")
    (tmp_path / "broken.json.gz").write_bytes(b"not gzip")
    with pytest.raises(ValueError, match=r"broken\.json\.gz is no Matbench file"):
        fetch_matbench(path=tmp_path / "broken.json.gz")
    with pytest.raises(ValueError, match=r"is not matbench_phonons: columns .* 'last phdos peak' expected"):
        fetch_matbench("phonons", path=matbench_file)


def test_classification_folds_are_stratified():
    target = np.arange(50) % 5 == 0
    assert all(target[test].sum() == 2 for _, test in datasets.matbench_folds(target))
