"""A full disk and a folder without permission to write: an OSError, nothing half done, and what was there stays."""

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, save_model
from sitenet_sklearn.featurization.streaming import featurize_to_store

resource = pytest.importorskip("resource", reason="needs the limits of Unix")

TINY = {"site_dim": 3, "attention_hidden_layers": (4,), "max_epochs": 3, "random_state": 0}
NOBODY = 65534


@contextmanager
def full_disk(n_bytes=2000):
    """No file grows beyond some bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(folder):
    """Nobody may write into a folder, not even root."""
    mode, root = folder.stat().st_mode, os.geteuid() == 0
    environment = Path(sys.prefix).resolve()
    if root and not all(path.stat().st_mode & 0o001 for path in (environment, *environment.parents)):
        pytest.skip("root writes everywhere, and nobody else may read this environment")
    folder.chmod(0o555)
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(mode)


@pytest.fixture
def folder():
    """A folder that others may look into, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def model(featurized, band_gaps):
    return SiteNetRegressor(**TINY).fit(featurized, band_gaps)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("trouble", [lambda _: full_disk(), read_only], ids=["full disk", "read-only"])
class TestTrouble:
    def test_an_old_model_stays_whole(self, model, folder, trouble):
        save_model(model, folder / "model.safetensors")
        before = contents(folder)
        assert list(before) == [Path("model.safetensors")]
        other = SiteNetRegressor(**TINY | {"max_epochs": 1})
        other.__dict__ |= {name: value for name, value in vars(model).items() if name.endswith("_")}
        for path in (folder / "model.safetensors", folder / "new.safetensors"):
            with trouble(folder), pytest.raises(OSError, match=r"File too large|No space|Permission denied"):
                save_model(other, path)
            assert contents(folder) == before

    def test_no_store_is_begun(self, featurized, folder, trouble):
        with trouble(folder), pytest.raises(OSError, match=r"File too large|No space|Permission denied"):
            featurized.save(folder / "store")
        assert list(folder.iterdir()) == []
        featurized.save(folder / "store")

    def test_featurization_goes_on_when_there_is_room(self, structures, folder, trouble):
        featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=50)
        whole = featurize_to_store(featurizer, structures, folder / "whole", chunk_size=8)
        with trouble(folder), pytest.raises(OSError, match=r"File too large|No space|Permission denied"):
            featurize_to_store(featurizer, structures, folder / "store", chunk_size=8)
        assert not (folder / "store").exists()
        again = featurize_to_store(featurizer, structures, folder / "store", chunk_size=8)
        np.testing.assert_array_equal(again.field("pair_distance"), whole.field("pair_distance"))
        assert sorted(path.name for path in folder.iterdir()) == ["store", "whole"]

    def test_training_goes_on_when_there_is_room(self, model, featurized, band_gaps, folder, trouble):
        other = SiteNetRegressor(**TINY, checkpoint_dir=folder)
        with trouble(folder), pytest.raises(OSError, match=r"File too large|No space|Permission denied"):
            other.fit(featurized, band_gaps)
        assert list(folder.iterdir()) == []
        np.testing.assert_array_equal(other.fit(featurized, band_gaps).predict(featurized), model.predict(featurized))

    def test_a_cache_keeps_what_it_has(self, structures, featurized, folder, trouble):
        featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=50, cache=folder / "cache")
        featurizer.transform(structures[:5])
        with trouble(folder), pytest.raises(OSError, match=r"the cache .*cache cannot be read or written"):
            featurizer.transform(structures)
        found = featurizer.transform(structures)
        np.testing.assert_array_equal(found.field("pair_distance"), featurized.field("pair_distance"))


def test_a_read_only_cache_can_be_read(structures, featurized, folder):
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=50, cache=folder / "cache")
    featurizer.transform(structures)
    with read_only(folder):
        found = featurizer.transform(structures)
    np.testing.assert_array_equal(found.field("pair_distance"), featurized.field("pair_distance"))
