"""The main interface, as a program that is checked by `mypy --strict` uses it."""

from pathlib import Path

import numpy as np
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

import sitenet_sklearn
from sitenet_sklearn import (
    DisorderedRegressor,
    RaggedCrystals,
    SiteNetClassifier,
    SiteNetEnsemble,
    SiteNetRegressor,
    SupercellFeaturizer,
    featurize_to_store,
    filter_structures,
    load_model,
    load_reference_checkpoint,
    predict_in_chunks,
    save_model,
)
from sitenet_sklearn.datasets import load_dielectric, load_formation_energy
from sitenet_sklearn.exceptions import CrystalError, Failure, FeaturizationError


def crystals(folder: Path) -> RaggedCrystals:
    """Featurize, look, write and read."""
    featurizer = SupercellFeaturizer(max_atoms=20, shape="compact", on_error="mask", n_jobs=1)
    salt = Structure(Lattice.cubic(4.1), ["Cs", "Cl"], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    X: RaggedCrystals = featurizer.fit([salt]).transform([salt, salt])
    sizes: np.ndarray = X.site_sizes + X.pair_sizes + X.primitive_sizes
    mask: np.ndarray = X.valid & ~X.oversized & (sizes > 0)
    images: int = featurizer.supercell(salt).images
    X[mask].save(folder / "crystals")
    distances: np.ndarray = X[0].pair_distance
    assert len(X) == 2, (images, distances, X.shape, X.field("pair_count"), X.metadata)
    featurize_to_store(featurizer, (s for s in [salt]), folder / "store", chunk_size=10)
    return RaggedCrystals.open(folder / "crystals", verify=False)


def train(X: RaggedCrystals, y: np.ndarray, folder: Path) -> np.ndarray:
    """Train, predict, save and load."""
    model: SiteNetRegressor = SiteNetRegressor(max_epochs=2, random_state=0).fit(X, y, sample_weight=np.ones(len(y)))
    model.partial_fit(X, y)
    raw: np.ndarray = model.predict_raw(X)
    vectors: np.ndarray = model.transform(X)
    rows: list[np.ndarray] = model.site_representation(X)
    weights: np.ndarray = model.attention(X)[0].weights
    save_model(model, folder / "model.safetensors")
    again = load_model(folder / "model.safetensors", device="cpu")
    whole: np.ndarray = predict_in_chunks(again, X, chunk_size=10)
    ensemble = SiteNetEnsemble(model, n_members=2, n_jobs=1).fit(X, y)
    classifier = SiteNetClassifier(max_epochs=1).fit(X, y > 1)
    probabilities: np.ndarray = classifier.predict_proba(X)
    assert len(rows) == len(raw), (vectors, weights, whole, probabilities, ensemble.predict(X), classifier.predict(X))
    published: SiteNetRegressor = load_reference_checkpoint(folder / "published.ckpt")
    return published.predict(X) if folder.exists() else model.predict(X)


def sort_out(structures: list[Structure]) -> list[Failure]:
    """Find what cannot be featurized."""
    kept, y, failures = filter_structures(structures, np.zeros(len(structures)))
    try:
        SupercellFeaturizer().transform(kept)
    except FeaturizationError as error:
        return error.failures
    except CrystalError:
        return []
    model = DisorderedRegressor(SiteNetRegressor(), n_approximants=2)
    assert model.fit(kept, y).predict(kept) is not None
    return failures


bundle = load_dielectric()
gaps: np.ndarray = bundle.target
energies = load_formation_energy(return_X_y=True)[1]
version: str = sitenet_sklearn.__version__
