import pickle

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna_integration import OptunaSearchCV
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.ensemble import VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import Pipeline

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.tuning.search import tune
from sitenet_sklearn.tuning.search_cv import SiteNetSearchCV
from sitenet_sklearn.tuning.spaces import search_space

TINY = {"max_epochs": 1, "site_dim": 3, "attention_hidden_layers": (4,), "random_state": 0}


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.disable_default_handler()
    yield
    optuna.logging.enable_default_handler()


@pytest.fixture
def pipeline():
    return Pipeline([("featurizer", SupercellFeaturizer(max_atoms=20)), ("sitenet", SiteNetRegressor(**TINY))])


@pytest.mark.parametrize("search", [OptunaSearchCV, SiteNetSearchCV])
@pytest.mark.parametrize("level", ["small", "paper"])
def test_pipelines_on_structures(pipeline, structures, band_gaps, search, level):
    found = search(pipeline, search_space(level, prefix="sitenet__"), cv=2, n_trials=2, random_state=0)
    found.fit(structures[:20], band_gaps[:20])
    assert found.predict(structures[20:]).shape == (20,)
    assert set(found.best_params_) == set(search_space(level, prefix="sitenet__"))
    layers = found.best_estimator_["sitenet"].post_pool_layers
    if level == "paper":
        assert layers == (found.best_params_["sitenet__post_pool_layers__width"],) * len(layers)


@pytest.mark.parametrize("search", [OptunaSearchCV, SiteNetSearchCV])
def test_the_network_on_featurized_crystals(featurized, band_gaps, search):
    found = search(SiteNetRegressor(**TINY), {"lr": FloatDistribution(1e-4, 1e-2)}, cv=2, n_trials=2)
    scores = cross_val_score(found, featurized, band_gaps, cv=2, error_score="raise")
    assert np.isfinite(scores).all()


def test_a_search_is_what_its_estimator_is(pipeline, featurized, band_gaps):
    space = {"sitenet__lr": FloatDistribution(1e-4, 1e-2)}
    assert is_regressor(SiteNetSearchCV(pipeline, space))
    assert is_classifier(SiteNetSearchCV(SiteNetClassifier(), {"lr": space["sitenet__lr"]}))
    search = SiteNetSearchCV(SiteNetRegressor(**TINY), {"lr": space["sitenet__lr"]}, cv=2, n_trials=1)
    assert (
        VotingRegressor([("a", search), ("b", clone(search))]).fit(featurized, band_gaps).predict(featurized[:3]).size
    )


def test_it_finds_what_tune_finds(pipeline, structures, band_gaps):
    X, y, space = structures[:20], band_gaps[:20], {"sitenet__lr": FloatDistribution(1e-4, 1e-2)}
    cv = KFold(2, shuffle=True, random_state=1)
    search = SiteNetSearchCV(pipeline, space, cv=cv, n_trials=2, random_state=0).fit(X, y)
    expected = tune(pipeline, X, y, space, cv=cv, n_trials=2, random_state=0)
    assert search.best_params_ == expected.study.best_params
    assert search.best_score_ == expected.study.best_value
    assert len(search.trials_) == len(search.study_.trials) == 2
    np.testing.assert_array_equal(search.predict(X), expected.best_estimator.predict(X))
    np.testing.assert_array_equal(search.transform(X), expected.best_estimator.transform(X))
    assert search.score(X, y) == expected.best_estimator.score(X, y)
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))


def test_a_classifier_has_probabilities_and_classes(featurized, band_gaps):
    search = SiteNetSearchCV(SiteNetClassifier(**TINY), cv=2, n_trials=1, scoring="balanced_accuracy")
    assert not hasattr(SiteNetSearchCV(SiteNetRegressor()), "predict_proba")
    with pytest.raises(NotFittedError):
        search.predict(featurized)
    search.fit(featurized, band_gaps > 2)
    assert search.classes_.tolist() == [False, True]
    assert search.predict_proba(featurized).shape == (40, 2)
    expected = balanced_accuracy_score(band_gaps > 2, search.predict(featurized))
    assert search.score(featurized, band_gaps > 2) == expected


@pytest.mark.parametrize(
    ("space", "error", "message"),
    [
        ({}, ValueError, "space is empty"),
        ({"learning_rate": FloatDistribution(0.1, 0.2)}, ValueError, "unknown parameter 'learning_rate'"),
        ({"n_heads": IntDistribution(0, 2)}, ValueError, "n_heads=0 of the space cannot be built"),
    ],
)
def test_bad_spaces_are_refused(featurized, band_gaps, space, error, message):
    with pytest.raises(error, match=message):
        SiteNetSearchCV(SiteNetRegressor(), space).fit(featurized, band_gaps)


def test_the_error_of_a_trial_is_raised(featurized, band_gaps):
    with pytest.raises(ValueError, match="y holds negative targets"):
        SiteNetSearchCV(SiteNetRegressor(**TINY), cv=2, n_trials=2).fit(featurized, -band_gaps)
