import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tensors of tests are small: threads would wait for each other

import numpy as np
import pytest
from hypothesis import settings
from pymatgen.core import Lattice, Structure

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric

settings.register_profile("slow machines", deadline=None)
settings.load_profile("slow machines")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def gallery():
    """Small named crystals that between them have every difficulty."""
    hexagonal = Lattice.hexagonal(2.46, 6.71)
    return {
        "NaCl": Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.69), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        "CsCl": Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        "Po": Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]]),
        "graphite": Structure(
            hexagonal, ["C"] * 4, [[0, 0, 0.25], [0, 0, 0.75], [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]
        ),
        "HfH3": Structure.from_spacegroup(
            "Fm-3m", Lattice.cubic(4.7), ["Hf", "H", "H"], [[0, 0, 0], [0.25, 0.25, 0.25], [0.5, 0.5, 0.5]]
        ),
        "triclinic": Structure(
            Lattice.from_parameters(4.1, 5.3, 7.9, 81, 97, 103),
            ["Cu", "O", "O", "V"],
            [[0, 0, 0], [0.31, 0.2, 0.13], [0.72, 0.48, 0.61], [0.44, 0.83, 0.37]],
        ),
        "layer in vacuum": Structure(
            Lattice.hexagonal(3.18, 40.0), ["Mo", "S", "S"], [[0, 0, 0.5], [1 / 3, 2 / 3, 0.54], [1 / 3, 2 / 3, 0.46]]
        ),
    }


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
