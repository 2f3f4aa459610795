"""Sequences of calls, drawn at random, against a model of what each of them must leave behind."""

import copy
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sklearn.base import clone

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor, SupercellFeaturizer, load_model, save_model
from sitenet_sklearn.datasets import load_dielectric

STRUCTURES, GAPS = (values[::50][:20] for values in load_dielectric(return_X_y=True))
X = SupercellFeaturizer(15).transform(STRUCTURES)
OTHER = SupercellFeaturizer(15, site_features=("Number", "Row")).transform(STRUCTURES)
SMALL = {"site_dim": 3, "interaction_dim": 3, "attention_hidden_layers": (4,), "post_pool_layers": (5,)}


class Sequences(RuleBasedStateMachine):
    """An estimator, and what is known of it: whether it is fitted, its predictions, its epochs."""

    @initialize(kind=st.sampled_from([SiteNetRegressor, SiteNetClassifier]), early_stopping=st.booleans())
    def begin(self, kind, early_stopping):
        self.model = kind(**SMALL, max_epochs=1, random_state=0, early_stopping=early_stopping)
        self.y = GAPS if kind is SiteNetRegressor else np.where(GAPS > 2, "wide", "narrow")
        self.expected, self.epochs = None, 0

    def learned(self, epochs):
        self.expected, self.epochs = self.output(self.model), epochs

    @staticmethod
    def output(model):
        return model.predict_proba(X) if isinstance(model, SiteNetClassifier) else model.predict(X)

    @rule()
    def fit(self):
        before = self.epochs
        assert self.model.fit(X, self.y) is self.model
        assert before >= 0
        self.learned(self.model.max_epochs)

    @rule()
    def partial_fit(self):
        assert self.model.partial_fit(X, self.y) is self.model
        self.learned(self.epochs + 1)

    @rule(weights=st.lists(st.integers(0, 3), min_size=20, max_size=20).filter(any))
    def fit_with_weights(self, weights):
        self.model.fit(X, self.y, sample_weight=weights)
        self.learned(self.model.max_epochs)

    @rule(
        change=st.sampled_from(
            [
                {"lr": 1e-3},
                {"lr": 1e-2},
                {"max_epochs": 2},
                {"warm_start": True},
                {"warm_start": False},
                {"frozen": ("embedding",)},
                {"frozen": ()},
                {"batch_size": 30},
                {"gradient_accumulation": 2},
                {"dropout": 0.0},
            ]
        )
    )
    def set_params(self, change):
        self.model.set_params(**change)

    @precondition(lambda self: self.expected is not None)
    @rule(
        call=st.sampled_from(
            [
                lambda model, y: model.fit(X, y[:-1]),
                lambda model, y: model.fit(X, [y[0]] * 3),
                lambda model, y: model.fit(list(X), y),
                lambda model, y: model.fit(X, y, sample_weight=[-1] * 20),
                lambda model, y: model.fit(X, y, validation_data=(OTHER, y)),
                lambda model, y: model.partial_fit(OTHER, y),
                lambda model, y: model.partial_fit(X, y[:-1]),
                lambda model, _: model.predict(OTHER),
                lambda model, _: model.transform(list(X)),
                lambda model, _: model.set_params(wide=3),
            ]
        )
    )
    def refused(self, call):
        with pytest.raises((TypeError, ValueError)):
            call(self.model, self.y)

    @precondition(lambda self: self.expected is not None)
    @rule()
    def save_and_load(self):
        with tempfile.TemporaryDirectory() as folder:
            save_model(self.model, Path(folder) / "model.safetensors")
            again = load_model(Path(folder) / "model.safetensors")
        np.testing.assert_array_equal(self.output(again), self.expected)
        self.model = again

    @precondition(lambda self: self.expected is not None)
    @rule(how=st.sampled_from([copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]))
    def copied(self, how):
        self.model = how(self.model)

    @rule()
    def cloned(self):
        fresh = clone(self.model)
        assert not hasattr(fresh, "net_")
        assert fresh.get_params().keys() == self.model.get_params().keys()

    @invariant()
    def nothing_else_changed(self):
        if getattr(self, "expected", None) is not None:
            np.testing.assert_array_equal(self.output(self.model), self.expected)
            assert len(self.model.history_) == self.epochs
            assert self.model.site_feature_names_in_ == X.site_feature_names


TestSequences = pytest.mark.filterwarnings("ignore:frozen=.* keeps random weights")(Sequences.TestCase)
TestSequences.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
