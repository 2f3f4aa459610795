import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.estimators.selection import split_crystals

QUICK = {"max_epochs": 2, "random_state": 0, "site_dim": 8, "attention_hidden_layers": (16,)}


@pytest.fixture(scope="module")
def fitted(featurized, band_gaps):
    return SiteNetRegressor(**QUICK, early_stopping=True).fit(featurized, band_gaps)


def test_training_fits_the_training_crystals(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=60, random_state=0).fit(featurized[:16], band_gaps[:16])
    spread = np.abs(band_gaps[:16] - np.median(band_gaps[:16])).mean()
    assert np.abs(model.predict(featurized[:16]) - band_gaps[:16]).mean() < 0.2 * spread


def test_same_seed_gives_the_same_predictions(featurized, band_gaps, fitted):
    again = clone(fitted).fit(featurized, band_gaps)
    np.testing.assert_allclose(again.predict(featurized), fitted.predict(featurized), atol=1e-5)
    other = clone(fitted).set_params(random_state=1).fit(featurized, band_gaps)
    assert np.abs(other.predict(featurized) - fitted.predict(featurized)).max() > 0.01


def test_random_state_of_torch_and_numpy_is_left_as_found(featurized, band_gaps):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    SiteNetRegressor(**QUICK).fit(featurized, band_gaps).predict(featurized)
    assert torch.equal(torch_state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])


def test_fitted_attributes(featurized, fitted):
    assert fitted.n_site_features_in_ == 9
    assert fitted.site_feature_names_in_ == featurized.site_feature_names
    assert len(fitted.history_) == 2
    assert fitted.batch_size_ == 128
    assert fitted.net_.train_split is None


def test_order_of_crystals_does_not_change_their_predictions(featurized, fitted):
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(fitted.predict(featurized)[order], fitted.predict(featurized[order]), atol=1e-5)


def test_clamp(featurized, band_gaps):
    low = band_gaps - band_gaps.min()
    model = SiteNetRegressor(**QUICK).fit(featurized, low)
    with torch.no_grad():
        model.net_.module_.target_shift.sub_(2.0)
    raw = model.predict_raw(featurized)
    assert raw.min() < 0
    np.testing.assert_array_equal(model.predict(featurized), raw.clip(min=0))


def test_negative_targets_need_the_clamp_off(featurized, band_gaps):
    with pytest.raises(ValueError, match=r"negative targets \(lowest -4.* at index .*\).*pass clamp=False"):
        SiteNetRegressor(**QUICK).fit(featurized, band_gaps - 5)
    targets = np.tile([np.nan, 1.0], (40, 1))
    targets[7, 1] = -2
    with pytest.raises(ValueError, match=r"negative targets \(lowest -2 at index 7 of target 1\)"):
        SiteNetRegressor(**QUICK).fit(featurized, targets)
    model = SiteNetRegressor(**QUICK, clamp=False).fit(featurized, band_gaps - 5)
    np.testing.assert_array_equal(model.predict(featurized), model.predict_raw(featurized))


def test_best_epoch_is_restored(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=8, lr=0.02, random_state=0, batch_size=60, early_stopping=True)
    model.fit(featurized, band_gaps)
    losses = model.history_[:, "valid_loss"]
    held_out = split_crystals(40, np.random.RandomState(0), share=0.1)[1]
    error = np.abs(model.predict(featurized[held_out]) - band_gaps[held_out]).mean()
    assert error == pytest.approx(min(losses), abs=1e-5)


def test_patience_ends_training(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=50, early_stopping=True, patience=1, random_state=0, lr=0.05)
    model.fit(featurized, band_gaps)
    assert len(model.history_) < 50


def test_few_crystals_are_not_split(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK, early_stopping=True).fit(featurized[:8], band_gaps[:8])
    assert "valid_loss" not in model.history_[-1]


@pytest.mark.parametrize(
    "options",
    [
        {"normalization": "batch"},
        {"normalization": "none"},
        {"pooling": "max"},
        {"pooling": "attention"},
        {"cutoff": 5.0},
        {"optimizer": "sgd", "lr": 0.01},
        {"n_blocks": 1, "n_heads": 1, "attention_hidden_layers": ()},
        {"pre_pool_layers": (), "post_pool_layers": [20]},
    ],
)
def test_every_choice_of_table_1_trains(featurized, band_gaps, options):
    model = SiteNetRegressor(**(QUICK | options)).fit(featurized[:20], band_gaps[:20])
    assert np.isfinite(model.predict(featurized)).all()


def test_saved_model_predicts_the_same_in_a_new_process(featurized, fitted, tmp_path):
    joblib.dump((fitted, featurized), tmp_path / "model.joblib")
    code = "import joblib, numpy, sys; model, X = joblib.load(sys.argv[1]); numpy.save(sys.argv[2], model.predict(X))"
    arguments = [sys.executable, "-c", code, tmp_path / "model.joblib", tmp_path / "y.npy"]
    subprocess.run(arguments, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), fitted.predict(featurized), atol=1e-5)


def test_held_out_crystals_are_not_saved_with_the_model(fitted):
    assert b"RaggedCrystals" not in pickle.dumps(fitted)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1, 2], "SiteNetRegressor expects RaggedCrystals, got list: put a SupercellFeaturizer before it"),
        (np.zeros((3, 2)), "SiteNetRegressor expects RaggedCrystals, got ndarray"),
    ],
)
def test_other_input_is_refused(X, message, fitted):
    with pytest.raises(TypeError, match=message):
        SiteNetRegressor().fit(X, np.zeros(len(X)))
    with pytest.raises(TypeError, match=message):
        fitted.predict(X)


@pytest.mark.parametrize("y", [np.zeros(39), np.full(40, np.nan), ["a"] * 40, None])
def test_wrong_targets_are_refused_before_training(featurized, y, monkeypatch):
    monkeypatch.setattr(SiteNetRegressor, "_network_for", lambda *_, **__: pytest.fail("trained first"))
    with pytest.raises(ValueError, match="y "):
        SiteNetRegressor().fit(featurized, y)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_heads": 0},
        {"site_dim": 1.5},
        {"pre_pool_layers": 94},
        {"activation": "swish"},
        {"normalization": "instance"},
        {"pooling": "sum"},
        {"cutoff": 0.0},
        {"clamp": 1.0},
        {"max_epochs": 0},
        {"lr": -1e-3},
        {"optimizer": "lbfgs"},
        {"batch_size": "big"},
        {"validation_fraction": 1.0},
        {"patience": 0},
        {"random_state": "a"},
    ],
)
def test_wrong_parameters_are_named_before_training(featurized, band_gaps, parameters, monkeypatch):
    monkeypatch.setattr(SiteNetRegressor, "_network_for", lambda *_, **__: pytest.fail("trained first"))
    with pytest.raises(InvalidParameterError, match=f"'{next(iter(parameters))}' parameter of SiteNetRegressor"):
        SiteNetRegressor(**parameters).fit(featurized, band_gaps)


def test_wrong_widths_are_named(featurized, band_gaps):
    with pytest.raises(ValueError, match=r"post_pool_layers must hold .* got \(200, -1\)"):
        SiteNetRegressor(post_pool_layers=(200, -1)).fit(featurized, band_gaps)


def test_prediction_needs_a_fit_and_the_same_site_features(featurized, fitted):
    with pytest.raises(NotFittedError):
        SiteNetRegressor().predict(featurized)
    other = featurized[:2]
    other.site_feature_names = ("Number",)
    with pytest.raises(
        ValueError, match="X has other site_feature_names than SiteNetRegressor was fitted on: 1 instead"
    ):
        fitted.predict(other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_training_on_the_gpu(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK, device="cuda").fit(featurized, band_gaps)
    assert next(model.net_.module_.parameters()).is_cuda
    assert np.isfinite(model.predict(featurized)).all()


def test_masked_crystals_are_left_out_and_predicted_as_nan(featurized, band_gaps, structures):
    broken = structures[3].copy()
    broken.replace_species({broken[0].specie: {broken[0].specie: 0.5}})
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=50, on_error="mask")
    with pytest.warns(UserWarning, match="masked: 1 of the crystals"):
        X = featurizer.transform([*structures[:3], broken, *structures[4:]])
    with pytest.warns(UserWarning, match="1 masked crystals are left out of training"):
        model = SiteNetRegressor(**QUICK).fit(X, band_gaps)
    rest = np.arange(40) != 3
    expected = SiteNetRegressor(**QUICK).fit(featurized[rest], band_gaps[rest])
    np.testing.assert_allclose(model.predict(X)[rest], expected.predict(featurized)[rest], atol=1e-5)
    assert np.isnan(model.predict(X)[3])
    assert np.isnan(model.predict(X[3:4])).all()


def test_oversized_crystals_are_predicted_and_trained_on_unless_told_otherwise(structures, band_gaps):
    X = SupercellFeaturizer(max_atoms=6).transform(structures)
    small = ~X.oversized
    assert 0 < small.sum() < 40
    with pytest.warns(UserWarning, match=r"crystals whose primitive cell exceeds max_atoms=6 .*train_oversized=True"):
        model = SiteNetRegressor(**QUICK, train_oversized=False).fit(X, band_gaps)
    alone = SiteNetRegressor(**QUICK).fit(X[small], band_gaps[small])
    np.testing.assert_allclose(model.predict(X), alone.predict(X), atol=1e-5)
    everything = SiteNetRegressor(**QUICK).fit(X, band_gaps)
    assert np.abs(everything.predict(X) - alone.predict(X)).max() > 1e-4
    counted = pytest.warns(UserWarning, match="1 crystals whose primitive cell exceeds")
    with counted, pytest.raises(ValueError, match="none of 1 crystals can be trained on"):
        SiteNetRegressor(**QUICK, train_oversized=False).fit(X[~small][:1], band_gaps[:1])


def test_interaction_features_come_with_the_crystals(structures, band_gaps, featurized):
    X = SupercellFeaturizer.from_preset("paper", max_atoms=20, interaction_features=["inverse_distance"]).transform(
        structures
    )
    model = SiteNetRegressor(**QUICK).fit(X, band_gaps)
    assert model.interaction_feature_names_in_ == ("inverse_distance",)
    assert np.isfinite(model.predict(X)).all()
    with pytest.raises(ValueError, match="fitted on: 2 instead of 1: also 'distance'"):
        model.predict(featurized)
