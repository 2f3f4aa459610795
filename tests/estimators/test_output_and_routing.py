"""Data frames keep the labels of crystals, names go through pipelines, and metadata reach the members."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from pymatgen.core import Lattice, Structure
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

from sitenet_sklearn import (
    DisorderedRegressor,
    SiteNetClassifier,
    SiteNetEnsemble,
    SiteNetRegressor,
    SupercellFeaturizer,
    featurize_to_store,
    load_model,
    save_model,
)

QUICK = {"site_dim": 6, "attention_hidden_layers": (8,), "random_state": 0, "max_epochs": 1}


@pytest.fixture
def series(structures):
    return pd.Series(structures, index=[f"mp-{k}" for k in range(40)], dtype=object)


def test_labels_of_crystals_are_those_of_the_frame(series, band_gaps):
    pipeline = make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(**QUICK)).set_output(transform="pandas")
    frame = pipeline.fit(series, band_gaps).transform(series)
    assert frame.index.equals(series.index)
    assert list(frame) == list(pipeline.get_feature_names_out())
    assert pipeline.transform(series.iloc[::-2]).index.equals(series.index[::-2])
    plain = make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(**QUICK)).fit(list(series), band_gaps)
    np.testing.assert_allclose(plain.transform(list(series)), frame, atol=1e-5)


def test_a_union_has_a_row_for_every_crystal(series, band_gaps):
    crystals = make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(**QUICK))
    density = FunctionTransformer(
        lambda X: pd.DataFrame({"density": [s.density for s in X]}, X.index), feature_names_out=lambda *_: ["density"]
    )
    union = make_union(crystals, density).set_output(transform="pandas")
    frame = union.fit(series, band_gaps).transform(series)
    assert frame.shape == (40, 201)
    assert frame.index.equals(series.index)
    assert not frame.isna().any().any()
    assert isinstance(union, FeatureUnion)
    assert len(union.get_feature_names_out()) == 201


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_weights_reach_the_members_of_an_ensemble(featurized, band_gaps):
    weight = np.linspace(0.1, 2, 40)
    member = SiteNetRegressor(**QUICK).set_fit_request(sample_weight=True)
    ensemble = SiteNetEnsemble(member, n_members=2, random_state=0)
    found = ensemble.fit(featurized, band_gaps, sample_weight=weight).predict(featurized)
    with sklearn.config_context(enable_metadata_routing=False):
        expected = ensemble.fit(featurized, band_gaps, sample_weight=weight).predict(featurized)
    np.testing.assert_array_equal(found, expected)
    scores = cross_validate(
        ensemble.set_score_request(sample_weight=False),
        featurized,
        band_gaps,
        cv=2,
        params={"sample_weight": weight},
        error_score="raise",
    )
    assert np.isfinite(scores["test_score"]).all()


@pytest.mark.usefixtures("routing")
def test_weights_reach_the_estimator_of_disordered_crystals(structures, band_gaps):
    pipeline = make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(**QUICK))
    model = DisorderedRegressor(pipeline, random_state=0)
    weight = np.linspace(0.1, 2, 40)
    found = model.fit(structures, band_gaps, sample_weight=weight).predict(structures)
    with sklearn.config_context(enable_metadata_routing=False):
        expected = model.fit(structures, band_gaps, sample_weight=weight).predict(structures)
    np.testing.assert_allclose(found, expected)


def test_an_ensemble_averages_numbers_only(featurized, band_gaps):
    with pytest.raises(
        TypeError, match=r"SiteNetEnsemble averages numbers and got a classifier: use .* VotingClassifier"
    ):
        SiteNetEnsemble(SiteNetClassifier(**QUICK)).fit(featurized, band_gaps > 2)
    voting = VotingClassifier([("a", SiteNetClassifier(**QUICK)), ("b", SiteNetClassifier(**QUICK))], voting="soft")
    assert voting.fit(featurized, band_gaps > 2).predict_proba(featurized).shape == (40, 2)


def test_numpy_numbers_are_saved_cached_and_stored(structures, band_gaps, tmp_path):
    featurizer = SupercellFeaturizer(np.int64(20), symprec=np.float32(0.01), cache=tmp_path / "cache")
    sizes = {"site_dim": np.int64(6), "n_heads": np.int32(2), "attention_hidden_layers": tuple(np.array([8]))}
    pipeline = make_pipeline(featurizer, SiteNetRegressor(**QUICK | sizes, lr=np.float32(0.001)))
    search = GridSearchCV(pipeline, {"sitenetregressor__n_blocks": np.arange(1, 3)}, cv=2).fit(structures, band_gaps)
    save_model(search.best_estimator_, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    np.testing.assert_allclose(again.predict(structures), search.predict(structures), atol=1e-5)
    stored = featurize_to_store(featurizer, structures[:5], tmp_path / "store")
    assert stored.max_atoms == 20


def test_ensembles_inside_ensembles_are_saved(featurized, band_gaps, tmp_path):
    inner = SiteNetEnsemble(SiteNetRegressor(**QUICK | {"random_state": None}), n_members=2)
    outer = SiteNetEnsemble(inner, n_members=2, random_state=0).fit(featurized, band_gaps)
    save_model(outer, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(featurized), outer.predict(featurized))


ALLOY = Structure(Lattice.cubic(4.0), [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]])


def test_reasons_of_masked_crystals_survive_an_interruption(structures, tmp_path):
    featurizer = SupercellFeaturizer(20, on_error="mask")

    def interrupted():
        yield from [structures[0], ALLOY, structures[1], structures[2]]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        featurize_to_store(featurizer, interrupted(), tmp_path / "store", chunk_size=2)
    with pytest.warns(UserWarning, match=r"masked: 2 of the crystals .*:\s+index 1 \(.*disordered.*\s+index 4 \("):
        featurize_to_store(
            featurizer, [structures[0], ALLOY, structures[1], structures[2], ALLOY], tmp_path / "store", chunk_size=2
        )
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_cryptic_errors_are_plain(structures, featurized, band_gaps):
    with pytest.raises(ValueError, match="site_features must name at least one feature, got none"):
        SupercellFeaturizer(20, site_features=()).fit(structures)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        SiteNetRegressor().site_representation(featurized)
    with pytest.raises(ValueError, match="y must hold one target for every crystal, got shape"):
        DisorderedRegressor(SiteNetRegressor()).fit(structures, np.ones((40, 2)))
    unknown = (featurized, np.full((40, 2), np.nan))
    with pytest.raises(ValueError, match="all are NaN"):
        SiteNetRegressor().fit(featurized, np.ones((40, 2)), validation_data=unknown)
    for size in (0, True, 2.0):
        with pytest.raises(ValueError, match=f"chunk_size must be a positive integer, got {size}"):
            featurize_to_store(SupercellFeaturizer(20), structures, "nowhere", chunk_size=size)
    with pytest.raises(ValueError, match="got complex ones"):
        SiteNetRegressor().fit(featurized, np.column_stack([band_gaps, band_gaps]) * 1j)
