import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tensors of tests are small: threads would wait for each other

import numpy as np
import pytest
from gallery import SHARED, gallery
from hypothesis import settings

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric

settings.register_profile("slow machines", deadline=None)
settings.load_profile("slow machines")


@pytest.fixture(autouse=True)
def closed_figures():
    """Close what a test has drawn."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture(scope="session")
def crystals():
    return gallery()


@pytest.fixture(scope="session")
def dielectric():
    return load_dielectric()


@pytest.fixture(scope="session")
def structures(dielectric):
    return dielectric.data[::26][:40]


@pytest.fixture(scope="session")
def band_gaps(dielectric):
    return dielectric.target[::26][:40]


@pytest.fixture(scope="session")
def featurized(structures):
    return SupercellFeaturizer.from_preset("paper", max_atoms=50).fit_transform(structures)


@pytest.fixture(scope="session")
def parity():
    folder = SHARED / "parity"
    if not folder.is_dir():
        pytest.skip("needs the numbers of the published network beside the repository")
    return folder


@pytest.fixture
def rng():
    return np.random.default_rng(0)
