import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna_integration import OptunaSearchCV
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.ensemble import VotingRegressor
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import Pipeline

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor, SupercellFeaturizer
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


def test_pruned_trials_see_the_same_folds_and_the_refit_as_many_epochs(featurized, band_gaps, monkeypatch):
    trained = []
    original = SiteNetRegressor.partial_fit
    monkeypatch.setattr(
        SiteNetRegressor,
        "partial_fit",
        lambda self, X, y: trained.append(X.primitive_sizes.tolist()) or original(self, X, y),
    )
    cv = KFold(2, shuffle=True, random_state=np.random.RandomState(0))
    space = {"lr": CategoricalDistribution([1e-3])}
    search = SiteNetSearchCV(SiteNetRegressor(**TINY), space, cv=cv, n_trials=2, enable_pruning=True, max_iter=3)
    search.fit(featurized, band_gaps)
    assert len(trained) == 12
    assert all(sizes == trained[k % 2] for k, sizes in enumerate(trained))
    assert len(search.best_estimator_.history_) == 3
    assert search.estimator.max_epochs == 1
    assert search.cv is cv


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
    with pytest.raises(ValueError, match="subsample is not supported"):
        SiteNetSearchCV(SiteNetRegressor(), search_space(), subsample=0.5).fit(featurized, band_gaps)


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning", "ignore:Degrees of freedom:RuntimeWarning")
def test_the_error_of_a_trial_is_raised(featurized, band_gaps):
    search = SiteNetSearchCV(SiteNetRegressor(**TINY), search_space(), cv=2, n_trials=2)
    with pytest.raises(RuntimeError, match=r"trial 0 with .* failed: y holds negative targets"):
        search.fit(featurized, -band_gaps)
