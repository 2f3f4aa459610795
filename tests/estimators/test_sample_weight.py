"""Weight 0 is leaving out, and weight k is the same crystal k times."""

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.estimators.inference import batches
from sitenet_sklearn.network.sitenet import SiteNet

QUICK = {"max_epochs": 3, "site_dim": 6, "attention_hidden_layers": (8,), "random_state": 0}


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("target", [1e6, np.nan, -1.0, np.inf])
def test_weight_zero_is_leaving_out(featurized, band_gaps, early_stopping, target):
    y, weight = band_gaps.copy(), np.ones(40)
    weight[[3, 17]], y[[3, 17]] = 0, target
    kept = weight > 0
    model = SiteNetRegressor(**QUICK, early_stopping=early_stopping).fit(featurized, y, sample_weight=weight)
    left_out = SiteNetRegressor(**QUICK, early_stopping=early_stopping).fit(featurized[kept], y[kept])
    np.testing.assert_array_equal(model.predict(featurized), left_out.predict(featurized))
    model, left_out = (SiteNetRegressor(**QUICK) for _ in range(2))
    model.partial_fit(featurized, y, weight)
    left_out.partial_fit(featurized[kept], y[kept])
    np.testing.assert_array_equal(model.predict(featurized), left_out.predict(featurized))


@pytest.mark.filterwarnings("ignore:.*masked")
@pytest.mark.parametrize("kind", [SiteNetRegressor, SiteNetClassifier])
def test_targets_of_what_is_not_trained_on_may_be_unknown(structures, band_gaps, kind):
    y = band_gaps[:10] if kind is SiteNetRegressor else np.where(band_gaps[:10] > 2, "wide", "narrow").astype(object)
    featurizer = SupercellFeaturizer(20, on_error="mask")
    some = [*structures[:3], "no file", *structures[3:10]]
    unknown = np.insert(y, 3, np.nan)
    model = make_pipeline(featurizer, kind(**QUICK)).fit(some, unknown)
    X = featurizer.transform(structures[:10])
    alone = kind(**QUICK).fit(X, y, validation_data=(featurizer.transform(some), unknown))
    np.testing.assert_array_equal(model[-1].predict_raw(X), alone.predict_raw(X))
    assert np.isfinite(alone.history_[:, "valid_loss"]).all()
    unknown[4] = unknown[3]
    weight = (np.arange(11) != 4).astype(float)
    left_out = kind(**QUICK).fit(X[np.arange(10) != 3], np.delete(y, 3))
    weighed = kind(**QUICK).fit(featurizer.transform(some), unknown, sample_weight=weight)
    np.testing.assert_array_equal(weighed.predict_raw(X), left_out.predict_raw(X))
    with pytest.raises(ValueError, match=r"y .* index 4"):
        model.fit(some, unknown)
    with pytest.raises(ValueError, match=r"y of validation_data .* index 4"):
        kind(**QUICK).fit(X, y, validation_data=(featurizer.transform(some), unknown))


def test_a_weight_is_a_number_of_crystals(featurized, band_gaps, rng, monkeypatch):
    nothing = np.arange(
        0
    )  # a split draws as many random numbers as there are crystals: the initial weights would differ
    monkeypatch.setattr("sitenet_sklearn.estimators.base.split_crystals", lambda n, *_, **__: (np.arange(n), nothing))
    times = rng.integers(1, 5, 40)
    repeated = np.repeat(np.arange(40), times)
    options = QUICK | {"batch_size": 10**6, "max_epochs": 5}
    weighted = SiteNetRegressor(**options).fit(featurized, band_gaps, sample_weight=times)
    written_out = SiteNetRegressor(**options).fit(featurized[repeated], band_gaps[repeated])
    np.testing.assert_allclose(weighted.predict(featurized), written_out.predict(featurized), atol=2e-4)
    scaled = SiteNetRegressor(**options).fit(featurized, band_gaps, sample_weight=7.5 * times)
    np.testing.assert_allclose(weighted.predict(featurized), scaled.predict(featurized), atol=2e-4)


def test_standardisation_counts_weights(featurized, rng):
    times = rng.integers(1, 4, 40)
    repeated = np.repeat(np.arange(40), times)
    y = rng.normal(size=(40, 2))
    y[::5, 1] = np.nan
    weighted, written_out = SiteNet(n_targets=2), SiteNet(n_targets=2)
    weighted.standardize_inputs(batches(featurized), torch.as_tensor(times))
    written_out.standardize_inputs(batches(featurized[repeated]))
    weighted.standardize_target(torch.as_tensor(y), torch.as_tensor(times))
    written_out.standardize_target(torch.as_tensor(y[repeated]))
    for name, value in written_out.named_buffers():
        torch.testing.assert_close(dict(weighted.named_buffers())[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1e-50, 1e-8, 1e30])
def test_only_ratios_of_weights_matter(featurized, band_gaps, size):
    model = SiteNetRegressor(**QUICK).fit(featurized, band_gaps, sample_weight=np.full(40, size))
    plain = SiteNetRegressor(**QUICK).fit(featurized, band_gaps)
    np.testing.assert_allclose(model.predict(featurized), plain.predict(featurized), atol=1e-5)


def test_a_class_without_weight_stays_a_class(featurized, band_gaps):
    kinds = np.where(band_gaps > 3, "wide", "narrow")
    model = SiteNetClassifier(**QUICK).fit(featurized, kinds, sample_weight=(kinds == "wide").astype(float))
    assert model.classes_.tolist() == ["narrow", "wide"]


def test_a_weight_must_be_left(featurized, band_gaps):
    weight = np.zeros(40)
    weight[-1] = 1
    masked = featurized[:39]
    with pytest.raises(ValueError, match="and one above 0"):
        SiteNetRegressor().fit(masked, band_gaps[:39], sample_weight=weight[:39])
