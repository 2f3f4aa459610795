import weakref

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from sklearn.ensemble import VotingRegressor
from sklearn.pipeline import Pipeline, make_pipeline

from sitenet_sklearn import (
    RaggedCrystals,
    SiteNetClassifier,
    SiteNetEnsemble,
    SiteNetRegressor,
    SupercellFeaturizer,
    predict_in_chunks,
)
from sitenet_sklearn.exceptions import FeaturizationError

DISORDERED = Structure(Lattice.cubic(4.0), [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]])


@pytest.fixture(scope="module")
def pipeline(structures, band_gaps):
    network = SiteNetRegressor(max_epochs=1, site_dim=3, attention_hidden_layers=(4,), random_state=0)
    return make_pipeline(SupercellFeaturizer.from_preset("paper", max_atoms=50), network).fit(structures, band_gaps)


@pytest.mark.parametrize("chunk_size", [1, 7, 40, 100])
def test_predictions_in_chunks_are_those_in_one_piece(pipeline, structures, featurized, tmp_path, chunk_size):
    expected = pipeline.predict(structures)
    featurized.save(tmp_path / "store")
    for model, X in (
        (pipeline, iter(structures)),
        (pipeline[-1], featurized),
        (pipeline[-1], RaggedCrystals.open(tmp_path / "store")),
    ):
        np.testing.assert_allclose(predict_in_chunks(model, X, chunk_size=chunk_size), expected, atol=1e-5)


def test_other_methods_and_no_crystals_in_chunks(pipeline, featurized, band_gaps):
    model = SiteNetClassifier(max_epochs=1).fit(featurized, band_gaps > 1)
    probabilities = predict_in_chunks(model, featurized, method="predict_proba", chunk_size=9)
    np.testing.assert_allclose(probabilities, model.predict_proba(featurized), atol=1e-5)
    with pytest.raises(ValueError, match="SupercellFeaturizer expects at least one crystal"):
        predict_in_chunks(pipeline, iter([]))
    assert predict_in_chunks(model, featurized[:0], method="predict_proba").shape == (0, 2)


def test_chunks_are_read_as_they_are_needed(pipeline, structures):
    made, most = [], 0

    def crystals():
        nonlocal most
        for structure in structures:
            copy = structure.copy()
            made.append(weakref.ref(copy))
            most = max(most, sum(reference() is not None for reference in made))
            yield copy
            del copy

    predict_in_chunks(pipeline, crystals(), chunk_size=5)
    assert most <= 11


def test_failures_count_from_the_first_crystal_of_all(pipeline, structures):
    table = pd.DataFrame({"structure": structures[:12]}, index=[f"mp-{k}" for k in range(12)])
    expected = pipeline.predict(table)
    for X in (table, table["structure"], table.to_numpy()):
        np.testing.assert_allclose(predict_in_chunks(pipeline, X, chunk_size=5), expected, atol=1e-5)
    table.iloc[7, 0] = DISORDERED
    inside_another = VotingRegressor([("one", pipeline)])
    inside_another.estimators_ = [pipeline]
    for model in (pipeline, inside_another):
        with pytest.raises(FeaturizationError, match=r"index 7 \(mp-7 "):
            predict_in_chunks(model, table, chunk_size=5)
    masking = make_pipeline(SupercellFeaturizer.from_preset("paper", max_atoms=50, on_error="mask"), pipeline[-1])
    with pytest.warns(UserWarning, match=r"masked: 1 of the crystals cannot be featurized:\s+index 7 \(mp-7 "):
        predicted = predict_in_chunks(masking, table, chunk_size=5)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(predicted)), [7])


def test_a_single_crystal_is_no_iterable_of_crystals(pipeline):
    with pytest.raises(TypeError, match=r"predict_in_chunks expects a list of crystals, got a single str"):
        predict_in_chunks(pipeline, "salt.cif")


class Strained(SupercellFeaturizer):
    """A featurizer of the user's, whose `transform` does more."""

    def transform(self, X):
        return super().transform([structure.copy().scale_lattice(3 * structure.volume) for structure in X])


class Shifted(Pipeline):
    """A pipeline of the user's, whose `predict` does more."""

    def predict(self, X, **options):
        return super().predict(X, **options) + 100


def test_what_the_users_classes_do_is_done(pipeline, structures, band_gaps):
    strained = make_pipeline(Strained(20), SiteNetRegressor(max_epochs=1, site_dim=3)).fit(structures, band_gaps)
    shifted = Shifted(pipeline.steps)
    mixed = SiteNetEnsemble(pipeline, n_members=2, random_state=0).fit(structures, band_gaps)
    mixed.estimators_[1] = make_pipeline(SupercellFeaturizer.from_preset("paper", max_atoms=20), pipeline[-1])
    for model in (strained, shifted, mixed):
        np.testing.assert_allclose(
            predict_in_chunks(model, structures, chunk_size=9), model.predict(structures), atol=1e-5
        )
