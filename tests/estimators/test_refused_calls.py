"""A call that is refused leaves the estimator as it was."""

import copy

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from sklearn.linear_model import LinearRegression
from skorch.callbacks import Callback

from sitenet_sklearn import (
    DisorderedRegressor,
    SiteNetClassifier,
    SiteNetEnsemble,
    SiteNetRegressor,
    SupercellFeaturizer,
)

QUICK = {"site_dim": 6, "attention_hidden_layers": (8,), "random_state": 0, "max_epochs": 1}


def state_of(model):
    """All that a user can see of an estimator."""
    seen = {name: copy.deepcopy(value) for name, value in vars(model).items() if name not in {"net_", "estimators_"}}
    network = {name: value.clone() for name, value in model.net_.module_.state_dict().items()}
    trained = [parameter.requires_grad for parameter in model.net_.module_.parameters()]
    return seen, network, trained


def assert_same(model, before):
    seen, network, trained = state_of(model)
    assert repr(seen) == repr(before[0])
    assert all((network[name] == before[1][name]).all() for name in network)
    assert trained == before[2]


SALT = SupercellFeaturizer(10, site_features=("Number",)).transform(
    [Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])]
)
REFUSALS = {
    "other classes": lambda model, X, _: model.fit(X, ["dog"] * len(X)),
    "other classes and wrong validation data": lambda model, X, y: model.fit(
        X, ["cat", "dog"] * (len(X) // 2), validation_data=(X, y[:-1])
    ),
    "other length": lambda model, X, y: model.fit(X, y[:-1]),
    "no crystals": lambda model, X, y: model.fit(list(range(len(X))), y),
    "weights": lambda model, X, y: model.fit(X, y, sample_weight=-np.ones(len(X))),
    "validation data": lambda model, X, y: model.fit(X, y, validation_data=(X, y[:-1])),
    "groups": lambda model, X, y: model.fit(X, y, groups=[1]),
    "unknown frozen part": lambda model, X, y: model.set_params(frozen=("head",)).fit(X, y),
    "everything frozen": lambda model, X, y: model.set_params(
        frozen=[name for name, _ in model.net_.module_.named_children()], warm_start=True
    ).fit(X, y),
    "another network": lambda model, X, y: model.set_params(warm_start=True, site_dim=7).fit(X, y),
    "no file": lambda model, X, y: model.set_params(pretrained="nothing.safetensors").fit(X, y),
    "device": lambda model, X, y: model.set_params(device="cuda:99").fit(X, y),
    "partial_fit": lambda model, X, y: model.partial_fit(X, y[:-1]),
    "partial_fit of another network": lambda model, X, y: model.set_params(n_heads=2).partial_fit(X, y),
    "partial_fit of other features": lambda model, X, y: model.partial_fit(SALT[[0] * len(X)], y),
    "predict": lambda model, *_: model.predict([1, 2]),
    "parameter": lambda model, X, y: model.set_params(lr=-1).fit(X, y),
    "unknown parameter": lambda model, *_: model.set_params(width=1),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("kind", [SiteNetRegressor, SiteNetClassifier])
def test_estimators_stay_as_they_were(featurized, band_gaps, kind, refusal):
    y = np.where(band_gaps > 2, "insulator", "metal") if kind is SiteNetClassifier else band_gaps
    model = kind(**QUICK).fit(featurized, y)
    predicted, before = model.predict(featurized), state_of(model)
    parameters = model.get_params()
    with pytest.raises((TypeError, ValueError, FileNotFoundError, RuntimeError)):
        REFUSALS[refusal](model, featurized, y)
    model.set_params(**parameters)
    assert_same(model, before)
    np.testing.assert_array_equal(model.predict(featurized), predicted)


def test_a_training_that_diverges_leaves_the_fitted_network(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK).fit(featurized, band_gaps)
    before = model.predict(featurized)
    model.set_params(lr=1e30, normalization="none", max_epochs=20)
    with pytest.raises(FloatingPointError):
        model.fit(featurized, band_gaps)
    np.testing.assert_array_equal(model.predict(featurized), before)


class Fails(Callback):
    """Raise an error after so many batches."""

    def __init__(self, error):
        self.error = error

    def on_batch_end(self, net, **kwargs):  # noqa: ARG002
        raise self.error


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("trouble", [{"lr": 1e30, "max_epochs": 20}, {"callbacks": [Fails(OSError("full"))]}])
def test_a_training_that_goes_on_and_fails_leaves_the_fitted_network(featurized, band_gaps, method, trouble):
    quick = QUICK | {"normalization": "none", "warm_start": True}
    model = SiteNetRegressor(**quick).fit(featurized, band_gaps).partial_fit(featurized, band_gaps)
    again = copy.deepcopy(model).partial_fit(featurized, band_gaps).predict(featurized)
    before = state_of(model)
    with pytest.raises((FloatingPointError, OSError)):
        getattr(model.set_params(**trouble), method)(featurized, band_gaps)
    model.set_params(**SiteNetRegressor(**quick).get_params())
    assert_same(model, before)
    np.testing.assert_array_equal(model.partial_fit(featurized, band_gaps).predict(featurized), again)


def test_ctrl_c_before_training_begins_leaves_a_classifier_its_classes(featurized, band_gaps, monkeypatch):
    model = SiteNetClassifier(**QUICK).fit(featurized, np.where(band_gaps > 2, "insulator", "metal"))
    before = model.predict(featurized)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sitenet_sklearn.network.sitenet.SiteNet.standardize_inputs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(featurized, np.array(["a", "b", "c"])[np.arange(40) % 3])
    np.testing.assert_array_equal(model.predict(featurized), before)


def test_wrappers_stay_as_they_were(featurized, band_gaps, structures):
    ensemble = SiteNetEnsemble(SiteNetRegressor(**QUICK | {"random_state": None}), n_members=2, random_state=0)
    before = ensemble.fit(featurized, band_gaps).predict(featurized)
    with pytest.raises(ValueError, match="one target"):
        ensemble.fit(featurized, band_gaps[:-1])
    np.testing.assert_array_equal(ensemble.predict(featurized), before)

    class Lengths(LinearRegression):
        def fit(self, X, y):
            return super().fit([[len(crystal)] for crystal in X], y)

        def predict(self, X):
            return super().predict([[len(crystal)] for crystal in X])

    model = DisorderedRegressor(Lengths(), random_state=0).fit(structures, band_gaps)
    before = model.predict(structures)
    for wrong in (
        (structures, band_gaps[:-1]),
        (structures, np.full(40, np.nan)),
        ([*structures[:39], None], band_gaps),
    ):
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            model.fit(*wrong)
        np.testing.assert_array_equal(model.predict(structures), before)
