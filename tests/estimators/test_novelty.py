import numpy as np
import pandas as pd
import pytest

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.estimators.novelty import N_NEAREST, Neighborhood, composition_of, reasons_to_doubt, remember


@pytest.fixture
def vectors(featurized):
    return np.random.RandomState(0).normal(size=(len(featurized), 30)).astype(np.float32)


def test_distances_are_those_of_brute_force(featurized, vectors):
    known = remember(featurized, vectors, np.zeros(len(featurized)))
    others = np.random.RandomState(1).normal(size=(7, 30)).astype(np.float32)
    distance, rows = Neighborhood(known).nearest(others)
    seen = known.vectors.astype(np.float32)
    all_distances = np.linalg.norm(((others - known.origin) @ known.axes.T)[:, None] - seen, axis=2)
    np.testing.assert_array_equal(rows, all_distances.argsort(axis=1)[:, :N_NEAREST])
    np.testing.assert_allclose(distance, np.sort(all_distances)[:, :N_NEAREST].mean(axis=1), rtol=1e-4)


def test_training_crystals_are_remembered_by_id_formula_and_value(dielectric):
    structures = pd.Series(dielectric.data[:20], index=[f"mp-{k}" for k in range(20)])
    X = SupercellFeaturizer(max_atoms=20).transform(structures)
    known = remember(X, np.random.RandomState(0).normal(size=(20, 4)), np.arange(20) / 7)
    search = Neighborhood(known)
    _, rows = search.nearest(known.origin + known.vectors[3:4].astype(np.float32) @ known.axes)
    assert rows[0, 0] == 3
    formula = dielectric.data[3].composition.reduced_formula
    assert search.describe(rows[0, :1]) == f"{formula} (mp-3, 0.4286)"
    assert sum(known.counts.values()) == sum(len(s.composition.elements) for s in dielectric.data[:20])


def test_composition_of_a_featurized_crystal_is_that_of_its_structure(dielectric):
    X = SupercellFeaturizer(max_atoms=20).transform(dielectric.data[:20])
    for structure, crystal in zip(dielectric.data[:20], X, strict=True):
        assert composition_of(crystal).reduced_formula == structure.composition.reduced_formula


def test_few_crystals_are_enough(featurized, vectors):
    known = remember(featurized[:3], vectors[:3], np.zeros(3))
    distance, rows = Neighborhood(known).nearest(vectors[:3])
    assert rows.shape == (3, 3)
    assert np.isfinite(distance).all()


def test_known_values_of_the_same_formula_can_contradict(featurized, vectors):
    known = remember(featurized, vectors, np.arange(len(featurized)))
    search, composition = Neighborhood(known), composition_of(featurized[3])
    assert search.contradicts(composition, [2, 3], 4.0, 9.0)
    assert not search.contradicts(composition, [2, 3], 2.5, 3.5)
    assert not search.contradicts(composition, [2], 4.0, 9.0)


def test_reasons_to_doubt_are_listed():
    assert reasons_to_doubt({"Na": 50, "Cl": 10}, 50.0, is_oversized=False, is_contradicted=False) == ""
    assert reasons_to_doubt({"Na": 0, "Cl": 1, "F": 9}, 95.0, is_oversized=True, is_contradicted=True).split("; ") == [
        "Na in no training crystal",
        "Cl in only 1 training crystal",
        "F in only 9 training crystals",
        "far from all training crystals",
        "cell larger than max_atoms",
        "a near training crystal of this formula lies outside the interval",
    ]
