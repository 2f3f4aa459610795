import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.exceptions import FeaturizationError
from sitenet_sklearn.featurization.streaming import featurize_to_store

FEATURIZER = SupercellFeaturizer.from_preset("paper", max_atoms=50)
DISORDERED = Structure(Lattice.cubic(4.0), [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]])


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_store_holds_what_transform_gives(structures, featurized, tmp_path):
    stored = featurize_to_store(FEATURIZER, iter(structures), tmp_path / "store", chunk_size=7)
    for name in featurized[0]._fields:
        np.testing.assert_array_equal(stored.field(name), featurized.field(name))
    assert stored.metadata == featurized.metadata
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_interrupted_work_goes_on_where_it_was(structures, tmp_path, monkeypatch):
    featurize_to_store(FEATURIZER, structures, tmp_path / "whole", chunk_size=8)

    def crystals():
        yield from structures[:20]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        featurize_to_store(FEATURIZER, crystals(), tmp_path / "store", chunk_size=8)
    assert not (tmp_path / "store").exists()
    done = []
    run = SupercellFeaturizer._run
    monkeypatch.setattr(SupercellFeaturizer, "_run", lambda self, i, p: done.append(len(i)) or run(self, i, p))
    featurize_to_store(FEATURIZER, structures, tmp_path / "store", chunk_size=8)
    assert sum(done) == 24
    assert files_of(tmp_path / "store") == files_of(tmp_path / "whole")


def test_killed_process_loses_nothing(tmp_path):
    code = (
        "import sys, time; from sitenet_sklearn import SupercellFeaturizer\n"
        "from sitenet_sklearn.datasets import load_dielectric\n"
        "from sitenet_sklearn.featurization.streaming import featurize_to_store\n"
        "def crystals():\n"
        "    for k, crystal in enumerate(load_dielectric().data[:100]):\n"
        "        time.sleep(3600 if k == 45 and 'wait' in sys.argv else 0)\n"
        "        yield crystal\n"
        "featurizer = SupercellFeaturizer.from_preset('paper', max_atoms=50)\n"
        "featurize_to_store(featurizer, crystals(), sys.argv[1], chunk_size=10)"
    )
    command = [sys.executable, "-c", code]
    subprocess.run([*command, tmp_path / "whole"], check=True)
    with subprocess.Popen([*command, tmp_path / "store", "wait"]) as process:
        while len(list((tmp_path).glob("store.partial/0*"))) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "store").exists()
    subprocess.run([*command, tmp_path / "store"], check=True)
    assert files_of(tmp_path / "store") == files_of(tmp_path / "whole")


def make_store(arguments):
    structures, path = arguments
    try:
        featurize_to_store(FEATURIZER, structures, path, chunk_size=3)
    except FileExistsError:
        return "exists"
    return "made"


@pytest.mark.parametrize("n", [2, 4])
def test_several_processes_make_one_store(structures, tmp_path, n):
    featurize_to_store(FEATURIZER, structures, tmp_path / "whole", chunk_size=3)
    with ProcessPoolExecutor(n) as pool:
        outcomes = list(pool.map(make_store, [(structures, tmp_path / "store")] * n))
    assert "made" in outcomes
    assert files_of(tmp_path / "store") == files_of(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "whole"]


def test_chunks_need_few_open_files(structures, tmp_path):
    resource = pytest.importorskip("resource", reason="needs the limits of Unix")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 30, hard))
    try:
        assert len(featurize_to_store(FEATURIZER, structures, tmp_path / "store", chunk_size=1)) == len(structures)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("featurizer", [FEATURIZER, SupercellFeaturizer(20, interaction_features="gaussians")])
def test_other_parameters_share_no_chunks(structures, tmp_path, featurizer):
    def broken():
        yield from structures[:10]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        featurize_to_store(SupercellFeaturizer(max_atoms=20), broken(), tmp_path / "store", chunk_size=10)
    stored = featurize_to_store(featurizer, structures[:10], tmp_path / "store", chunk_size=10)
    assert stored.metadata == featurizer.transform(structures[:1]).metadata


def test_wrong_parameters_are_refused_before_anything_is_written(structures, tmp_path):
    with pytest.raises(ValueError, match="unknown site feature 'some'"):
        featurize_to_store(SupercellFeaturizer(20, site_features="some"), structures, tmp_path / "store")
    assert not (tmp_path / "store.partial").exists()


def test_all_failures_are_listed_with_their_index_in_the_whole(structures, tmp_path):
    X = [*structures[:12], DISORDERED, *structures[12:20], DISORDERED]
    with pytest.raises(FeaturizationError) as caught:
        featurize_to_store(FEATURIZER, X, tmp_path / "store", chunk_size=5)
    assert [failure.index for failure in caught.value.failures] == [12, 21]
    masking = SupercellFeaturizer.from_preset("paper", max_atoms=50, on_error="mask")
    with pytest.warns(UserWarning, match="masked: 2 of the crystals"):
        stored = featurize_to_store(masking, X, tmp_path / "masked", chunk_size=5)
    np.testing.assert_array_equal(np.flatnonzero(~stored.valid), [12, 21])


def test_columns_of_tables_come_in_chunks_with_their_labels(structures, tmp_path):
    table = pd.DataFrame({"structure": structures[:12]}, index=[f"mp-{k}" for k in range(12)])
    assert len(featurize_to_store(FEATURIZER, table, tmp_path / "store", chunk_size=5)) == 12
    table.iloc[7, 0] = DISORDERED
    with pytest.raises(FeaturizationError, match=r"index 7 \(mp-7 "):
        featurize_to_store(FEATURIZER, table, tmp_path / "other", chunk_size=5)


def test_a_single_crystal_is_no_iterable_of_crystals(structures, tmp_path):
    with pytest.raises(TypeError, match=r"got a single Structure: pass \[crystal\]"):
        featurize_to_store(FEATURIZER, structures[0], tmp_path / "store")


def test_existing_folder_and_no_crystals_are_refused(structures, tmp_path):
    with pytest.raises(FileExistsError, match=r"open it with RaggedCrystals\.open, or remove it"):
        featurize_to_store(FEATURIZER, structures, tmp_path)
    with pytest.raises(ValueError, match="at least one crystal is expected, got none"):
        featurize_to_store(FEATURIZER, [], tmp_path / "store")
