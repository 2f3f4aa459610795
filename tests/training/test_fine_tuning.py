import copy

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from skorch.callbacks import Callback

from sitenet_sklearn import (
    CalibratedRegressor,
    SiteNetClassifier,
    SiteNetEnsemble,
    SiteNetRegressor,
    SupercellFeaturizer,
    load_model,
    save_model,
)
from sitenet_sklearn.training.fine_tuning import read_pretrained

SMALL = {"site_dim": 4, "attention_hidden_layers": (6,), "post_pool_layers": (8,), "max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def fitted(featurized, band_gaps):
    return SiteNetRegressor(**SMALL).fit(featurized, band_gaps)


def state(model):
    return {name: value.clone() for name, value in model.net_.module_.state_dict().items()}


@pytest.mark.parametrize("source", ["file", "file of a pipeline", "frozen", "frozen pipeline", "fitted"])
def test_training_begins_where_the_pretrained_model_ended(featurized, band_gaps, fitted, tmp_path, source):
    piped = make_pipeline(SupercellFeaturizer(max_atoms=20), fitted)
    save_model(fitted, tmp_path / "model")
    save_model(piped, tmp_path / "piped")
    pretrained = {
        "file": tmp_path / "model",
        "file of a pipeline": str(tmp_path / "piped"),
        "frozen": FrozenEstimator(fitted),
        "frozen pipeline": FrozenEstimator(piped),
        "fitted": fitted,
    }[source]
    before = state(fitted)
    model = SiteNetRegressor(pretrained=pretrained, max_epochs=1, lr=1e-12).fit(featurized, band_gaps)
    np.testing.assert_allclose(model.predict(featurized), fitted.predict(featurized), atol=1e-5)
    assert model.net_.module_.config == fitted.net_.module_.config
    SiteNetRegressor(pretrained=pretrained, max_epochs=1, lr=0.1).fit(featurized, band_gaps)
    for name, value in state(fitted).items():
        assert torch.equal(value, before[name])


def test_the_scale_of_inputs_and_target_is_that_of_the_pretrained_model(featurized, band_gaps, fitted):
    model = SiteNetRegressor(pretrained=FrozenEstimator(fitted), max_epochs=1).fit(featurized[:20], 5 + band_gaps[:20])
    for name in ("site_shift", "interaction_scale", "target_shift", "target_scale"):
        assert torch.equal(state(model)[name], state(fitted)[name])


def test_a_new_head_predicts_another_property(featurized, band_gaps, fitted):
    y = np.column_stack([-band_gaps, 100 + band_gaps])
    model = SiteNetRegressor(pretrained=FrozenEstimator(fitted), new_head=True, clamp=False, max_epochs=1, lr=1e-12)
    model.fit(featurized, y)
    old, new = state(fitted), state(model)
    assert new["output.weight"].shape == (2, 8)
    assert torch.equal(new["target_shift"], torch.as_tensor(y).float().median(dim=0).values)
    for name in set(old) - {"output.weight", "output.bias", "target_shift", "target_scale"}:
        torch.testing.assert_close(new[name], old[name])
    assert not model.net_.module_.clamp


def test_a_classifier_begins_from_a_regressor(featurized, band_gaps, fitted):
    model = SiteNetClassifier(pretrained=FrozenEstimator(fitted), new_head=True, max_epochs=1)
    assert model.fit(featurized, band_gaps > 2).predict_proba(featurized).shape == (40, 2)


@pytest.mark.parametrize("normalization", ["layer", "batch"])
@pytest.mark.parametrize("frozen", [("embedding", "blocks.0"), ("blocks",), ("site_input", "pre_pool", "post_pool")])
def test_frozen_parts_do_not_change_and_all_others_do(featurized, band_gaps, frozen, normalization):
    options = SMALL | {"normalization": normalization}
    fitted = SiteNetRegressor(**options).fit(featurized, band_gaps)
    model = SiteNetRegressor(
        pretrained=fitted, frozen=frozen, max_epochs=2, lr=0.01, weight_decay=0.1, gradient_accumulation=2
    ).fit(featurized, band_gaps)
    old, new = state(fitted), state(model)
    for name, parameter in model.net_.module_.named_parameters():
        is_frozen = any(name.startswith(f"{part}.") for part in frozen)
        assert is_frozen == (not parameter.requires_grad)
        if is_frozen or name.endswith("linear.0.weight"):
            assert torch.equal(old[name], new[name]) == is_frozen
    for name in old:
        if "running" in name and name.startswith(frozen):
            assert torch.equal(old[name], new[name])


def test_what_was_frozen_thaws_in_the_next_fit(featurized, band_gaps):
    model = SiteNetRegressor(**SMALL, frozen=("blocks",))
    with pytest.warns(UserWarning, match="keeps random weights"):
        model.fit(featurized, band_gaps)
    before = state(model)
    model.set_params(frozen=(), warm_start=True).fit(featurized, band_gaps)
    assert any(
        not torch.equal(before[name], value) for name, value in state(model).items() if name.startswith("blocks")
    )


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_parameters_of_fine_tuning_are_not_ignored_without_a_word(featurized, band_gaps, method):
    begins = [
        ({"new_head": True}, "new_head=True has no effect without pretrained"),
        (
            {"frozen": ["blocks"]},
            r"frozen=\('blocks',\) keeps random weights as they are: pass pretrained, or use warm_start",
        ),
    ]
    for parameters, message in begins:
        model = SiteNetRegressor(**SMALL, **parameters, warm_start=True)
        with pytest.warns(UserWarning, match=message):
            getattr(model, method)(featurized, band_gaps)
        getattr(model, method)(featurized, band_gaps)


def test_a_frozen_estimator_survives_clones_and_files(featurized, band_gaps, fitted, tmp_path):
    model = SiteNetRegressor(pretrained=FrozenEstimator(fitted), max_epochs=1, lr=1e-12, random_state=0)
    scores = cross_val_score(model, featurized, band_gaps, cv=2, error_score="raise")
    assert np.isfinite(scores).all()
    ensemble = SiteNetEnsemble(model, n_members=2, random_state=0).fit(featurized, band_gaps)
    np.testing.assert_allclose(ensemble.predict(featurized), fitted.predict(featurized), atol=1e-5)
    save_model(clone(model).fit(featurized, band_gaps), tmp_path / "model")
    assert load_model(tmp_path / "model").pretrained is None


class StopAfterTwo(Callback):
    def on_epoch_end(self, net, **_):
        if len(net.history) == 2:
            raise RuntimeError("killed")


def test_checkpoints_tell_pretrained_models_apart(featurized, band_gaps, fitted, tmp_path):
    def fit(pretrained, callbacks=None):
        model = SiteNetRegressor(
            pretrained=FrozenEstimator(pretrained), max_epochs=3, checkpoint_dir=tmp_path, callbacks=callbacks
        )
        return model.set_params(random_state=0).fit(featurized, band_gaps).predict(featurized)

    other = copy.deepcopy(fitted)
    with torch.no_grad():
        other.net_.module_.output.bias.add_(1)
    expected = fit(other)
    with pytest.raises(RuntimeError, match="killed"):
        fit(fitted, [StopAfterTwo()])
    assert list(tmp_path.iterdir())
    np.testing.assert_allclose(fit(other), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pretrained": "missing.safetensors"}, FileNotFoundError, "missing.safetensors"),
        ({"pretrained": SiteNetRegressor()}, NotFittedError, r"FrozenEstimator\(fitted\)"),
        ({"pretrained": Ridge()}, TypeError, "one fitted network, got Ridge"),
        ({"frozen": ("blocks.2",)}, ValueError, "frozen names 'blocks.2', but the network has the parts embedding"),
        (
            {"frozen": ("embedding", "site_input", "blocks", "pre_pool", "post_pool", "output")},
            ValueError,
            "leaves nothing to train",
        ),
    ],
)
def test_errors(featurized, band_gaps, options, error, message):
    with pytest.raises(error, match=message):
        SiteNetRegressor(**SMALL | options).fit(featurized, band_gaps)


def test_what_does_not_fit_the_pretrained_network_is_refused(structures, featurized, band_gaps, fitted):
    model = SiteNetRegressor(pretrained=FrozenEstimator(fitted))
    with pytest.raises(ValueError, match="has 1 output and y asks for 2: pass new_head=True"):
        model.fit(featurized, np.column_stack([band_gaps, band_gaps]))
    with pytest.raises(ValueError, match="has n_blocks=2 and keeps it: leave out n_blocks=3"):
        SiteNetRegressor(pretrained=FrozenEstimator(fitted), n_blocks=3).fit(featurized, band_gaps)
    other = SupercellFeaturizer.from_preset("paper", max_atoms=20, site_features=["AtomicWeight"]).transform(structures)
    with pytest.raises(ValueError, match="X has other site features than the pretrained network: "):
        model.fit(other, band_gaps)


def test_a_path_and_an_object_begin_the_same_training(featurized, band_gaps, fitted, tmp_path):
    save_model(fitted, tmp_path / "model")
    options = SMALL | {"new_head": True}
    fits = [
        SiteNetRegressor(pretrained=source, **options).fit(featurized, band_gaps).predict(featurized)
        for source in (FrozenEstimator(fitted), tmp_path / "model")
    ]
    np.testing.assert_allclose(*fits, rtol=1e-6)


def test_what_holds_several_networks_begins_with_the_first(featurized, band_gaps, tmp_path):
    ensemble = SiteNetEnsemble(SiteNetRegressor(**SMALL), n_members=2)
    calibrated = CalibratedRegressor(ensemble, calibration_fraction=0.5, random_state=0).fit(featurized, band_gaps)
    save_model(Pipeline([("sitenet", calibrated)]), tmp_path / "model.safetensors")
    expected = calibrated.estimator_.estimators_[0].net_.module_.state_dict()
    for source in (calibrated, FrozenEstimator(calibrated.estimator_), tmp_path / "model.safetensors"):
        state = read_pretrained(source)[0].state_dict()
        assert all(torch.equal(state[name], value) for name, value in expected.items())
