"""`partial_fit` goes on from wherever the estimator is."""

import copy

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor, load_model, save_model

PAPER = {"residual": False, "coordination_radius": None}
QUICK = {"site_dim": 6, "attention_hidden_layers": (8,), "random_state": 0, **PAPER}


def error(model, X, y):
    return np.abs(model.predict(X) - y).mean()


def test_it_goes_on_gently_after_fit(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK, max_epochs=30, lr=0.003).fit(featurized, band_gaps)
    before = error(model, featurized, band_gaps)
    errors = [error(model.partial_fit(featurized, band_gaps), featurized, band_gaps) for _ in range(10)]
    assert max(errors) < 1.15 * before
    assert errors[-1] < before
    assert len(model.history_) == 40


def test_one_epoch_of_fit_does_not_end_its_learning(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK, max_epochs=1, lr=0.003).fit(featurized, band_gaps)
    before = error(model, featurized, band_gaps)
    for _ in range(30):
        model.partial_fit(featurized, band_gaps)
    assert error(model, featurized, band_gaps) < 0.7 * before


def test_parameters_may_change_between_calls(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK).partial_fit(featurized, band_gaps)
    before = model.predict(featurized)
    model.set_params(lr=1e-12, weight_decay=0.0).partial_fit(featurized, band_gaps)
    np.testing.assert_allclose(model.predict(featurized), before, atol=1e-5)
    model.set_params(frozen=("embedding", "site_input", "blocks"), lr=0.01).partial_fit(featurized, band_gaps)
    assert not np.allclose(model.predict(featurized), before)
    model.set_params(batch_size=50).partial_fit(featurized, band_gaps)
    assert model.batch_size_ == 50


def test_a_loaded_model_goes_on_as_the_saved_one(featurized, band_gaps, tmp_path):
    models = [SiteNetRegressor(**QUICK, optimizer="sgd", lr=1e-3, max_epochs=2).fit(featurized, band_gaps)]
    save_model(models[0], tmp_path / "model.safetensors")
    models.append(load_model(tmp_path / "model.safetensors"))
    for model in models:
        model.partial_fit(featurized, band_gaps)
    assert models[0].batch_size_ == models[1].batch_size_
    assert len(models[1].history_) == 3
    np.testing.assert_allclose(models[0].predict(featurized), models[1].predict(featurized), rtol=0.02)


@pytest.mark.parametrize("kind", [SiteNetRegressor, SiteNetClassifier])
def test_early_stopping_is_no_hindrance(featurized, band_gaps, kind):
    y = band_gaps > 2 if kind is SiteNetClassifier else band_gaps
    for epochs in (1, 2):
        model = kind(**QUICK, early_stopping=True, max_epochs=epochs).fit(featurized, y).partial_fit(featurized, y)
        assert len(model.history_) == epochs + 1


@pytest.mark.parametrize("again", ["partial_fit", "warm_start"])
def test_a_pretrained_network_goes_on(featurized, band_gaps, again):
    parent = SiteNetRegressor(**QUICK, max_epochs=1).fit(featurized, band_gaps)
    child = SiteNetRegressor(pretrained=FrozenEstimator(parent), max_epochs=1, random_state=0, warm_start=True)
    child.fit(featurized, band_gaps)
    before = child.predict(featurized)
    (child.fit if again == "warm_start" else child.partial_fit)(featurized, band_gaps)
    assert not np.array_equal(child.predict(featurized), before)
    assert child.net_.module_.config["site_dim"] == 6


@pytest.mark.parametrize("again", ["partial_fit", "warm_start", "fine_tuning"])
def test_frozen_parts_stay_after_an_earlier_training(featurized, band_gaps, again):
    model = SiteNetRegressor(**QUICK, max_epochs=2, warm_start=again == "warm_start").fit(featurized, band_gaps)
    model.set_params(frozen=("embedding", "blocks.0", "pre_pool"))
    if again == "fine_tuning":
        model.set_params(pretrained=FrozenEstimator(copy.deepcopy(model)))
    before = {name: value.clone() for name, value in model.net_.module_.state_dict().items()}
    (model.partial_fit if again == "partial_fit" else model.fit)(featurized, band_gaps)
    after = model.net_.module_.state_dict()
    parts = ("embedding.", "blocks.0.", "pre_pool.")
    assert all((after[name] == before[name]).all() for name in before if name.startswith(parts))
    assert not (after["output.weight"] == before["output.weight"]).all()
