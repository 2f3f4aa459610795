import os
import signal
import subprocess
import sys
import time

import numpy as np
import optuna
import postgresql
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.tuning.search import tune
from sitenet_sklearn.tuning.studies import as_storage

TINY = {"max_epochs": 2, "site_dim": 3, "attention_hidden_layers": (4,), "random_state": 0}
LR = {"lr": FloatDistribution(1e-4, 1e-2, log=True)}


@pytest.fixture(scope="module")
def network():
    return SiteNetRegressor(**TINY)


def scores(result):
    return [trial.value for trial in result.study.trials]


def test_the_score_of_a_trial_is_that_of_cross_validation(network, featurized, band_gaps):
    result = tune(network, featurized, band_gaps, LR, cv=3, n_trials=2, pruner="none", random_state=0)
    for trial in result.study.trials:
        model = SiteNetRegressor(**TINY | trial.params)
        expected = cross_val_score(model, featurized, band_gaps, cv=3, scoring="neg_mean_absolute_error").mean()
        assert trial.value == pytest.approx(expected, rel=1e-5)
    best = SiteNetRegressor(**TINY | result.study.best_params).fit(featurized, band_gaps)
    np.testing.assert_allclose(result.best_estimator.predict(featurized), best.predict(featurized), atol=1e-5)
    assert list(result.trials["value"]) == scores(result)
    assert list(result.trials["user_attrs_epochs"]) == [6, 6]


def test_a_seed_gives_the_same_search_again_and_an_interrupted_one(network, featurized, band_gaps, tmp_path):
    def search(n_trials, storage=None):
        return tune(network, featurized, band_gaps, cv=2, n_trials=n_trials, random_state=0, storage=storage)

    whole = search(4)
    assert scores(search(4)) == scores(whole)
    journal = tmp_path / "journal"
    assert len(search(2, journal).trials) == 2
    assert scores(search(4, journal)) == scores(whole)
    assert scores(search(4, journal)) == scores(whole)  # nothing is left to do
    assert len({trial.params["lr"] for trial in whole.study.trials}) == 4


def test_the_first_trial_has_the_own_parameters(network, featurized, band_gaps):
    space = LR | {
        "n_heads": IntDistribution(1, 2),  # 3 is outside
        "pre_pool_layers__depth": IntDistribution(1, 3),
        "post_pool_layers__width": IntDistribution(100, 300),
        "pooling": CategoricalDistribution(["max", "mean"]),
    }
    for sampler in (None, optuna.samplers.RandomSampler(seed=0)):
        result = tune(network, featurized, band_gaps, space, cv=2, n_trials=2, sampler=sampler, random_state=0)
        first = result.study.trials[0].params
        own = {"lr": network.lr, "pre_pool_layers__depth": 1, "post_pool_layers__width": 200, "pooling": "mean"}
        assert {name: first[name] for name in own} == own
        assert result.study.trials[1].params["lr"] != network.lr
        assert sampler is None or result.study.sampler is sampler


def test_structures_are_featurized_once_for_every_setting(structures, band_gaps, monkeypatch):
    calls = []
    original = SupercellFeaturizer.fit_transform
    monkeypatch.setattr(
        SupercellFeaturizer,
        "fit_transform",
        lambda self, X, y=None: calls.append(self.max_atoms) or original(self, X, y),
    )
    pipeline = Pipeline([("featurizer", SupercellFeaturizer()), ("sitenet", SiteNetRegressor(**TINY))])
    space = {"featurizer__max_atoms": CategoricalDistribution([20, 25]), "sitenet__n_heads": IntDistribution(1, 3)}
    result = tune(pipeline, structures, band_gaps, space, cv=2, n_trials=6, pruner="none", random_state=0)
    assert sorted(calls[:-1]) == [20, 25]  # the last one is the refit
    assert result.best_estimator.predict(structures).shape == (40,)
    assert result.best_estimator.get_params()["sitenet__n_heads"] == result.study.best_params["sitenet__n_heads"]


@pytest.mark.parametrize("pruner", ["halving", "median", "hyperband", optuna.pruners.MedianPruner(n_startup_trials=2)])
def test_bad_trials_end_early(featurized, band_gaps, pruner):
    space = {"lr": CategoricalDistribution([1e-3, 1e-7])}
    model = SiteNetRegressor(**TINY | {"max_epochs": 6})
    result = tune(model, featurized, band_gaps, space, cv=2, n_trials=10, pruner=pruner, random_state=0)
    pruned = result.trials[result.trials["state"] == "PRUNED"]
    assert len(pruned)
    assert (pruned["user_attrs_epochs"] < 12).all()
    assert result.study.best_params["lr"] == 1e-3


def test_a_loss_that_becomes_infinite_ends_its_trial_alone(featurized, band_gaps):
    space = {"lr": CategoricalDistribution([1e-3, 1e30])}
    model = SiteNetRegressor(**TINY | {"normalization": "none", "optimizer": "sgd", "weight_decay": 0.1})
    result = tune(model, featurized, band_gaps, space, cv=2, n_trials=6, pruner="none", random_state=1)
    states = {trial.params["lr"]: trial.state for trial in result.study.trials}
    assert states == {1e-3: TrialState.COMPLETE, 1e30: TrialState.PRUNED}


def test_classifiers_groups_early_stopping_and_layers(featurized, band_gaps):
    space = {"post_pool_layers__width": IntDistribution(4, 8), "post_pool_layers__depth": IntDistribution(1, 2)}
    groups = np.arange(40) // 4
    result = tune(
        SiteNetClassifier(**TINY, early_stopping=True),
        featurized,
        band_gaps > 1.5,
        space,
        cv=GroupKFold(3),
        groups=groups,
        n_trials=2,
        random_state=0,
    )
    params = result.study.best_params
    expected = (params["post_pool_layers__width"],) * params["post_pool_layers__depth"]
    assert result.best_estimator.post_pool_layers == expected
    assert 0 <= result.study.best_value <= 1


def test_masked_crystals_have_no_score(structures, band_gaps):
    broken = [*structures[:19], "no crystal.cif"]
    with pytest.warns(UserWarning, match="masked"):
        X = SupercellFeaturizer.from_preset("paper", max_atoms=20, on_error="mask").transform(broken)
    with pytest.warns(UserWarning, match="masked"):
        result = tune(SiteNetRegressor(**TINY), X, band_gaps[:20], LR, cv=2, n_trials=1, random_state=0)
    assert np.isfinite(result.study.best_value)


def test_shuffled_folds_are_the_same_for_every_trial(network, featurized, band_gaps):
    space = {"lr": CategoricalDistribution([1e-3])}
    cv = KFold(2, shuffle=True)
    result = tune(network, featurized, band_gaps, space, cv=cv, n_trials=2, pruner="none", random_state=0)
    assert len(set(scores(result))) == 1


def test_shuffled_folds_follow_from_the_seed(network, featurized, band_gaps, tmp_path):
    for n_trials in (1, 2):  # the second call goes on with the study, which has the same folds
        options = {"cv": KFold(2, shuffle=True), "n_trials": n_trials, "storage": tmp_path / "journal"}
        result = tune(network, featurized, band_gaps, LR, random_state=0, **options)
    assert len(result.trials) == 2
    with pytest.raises(ValueError, match=r"was begun with other .*folds"):
        tune(network, featurized, band_gaps, LR, random_state=1, **options)


@pytest.mark.parametrize("storage", [None, "journal"])
def test_several_processes(network, featurized, band_gaps, tmp_path, storage):
    storage = storage and tmp_path / storage
    result = tune(
        network, featurized, band_gaps, LR, cv=2, n_trials=6, pruner="none", n_jobs=2, storage=storage, random_state=0
    )
    assert 6 <= len(result.trials) <= 7  # both may begin the last one
    assert result.study.best_value == max(scores(result))
    assert {trial.state for trial in result.study.trials} == {TrialState.COMPLETE}
    assert len({trial.params["lr"] for trial in result.study.trials}) == len(result.trials)


WORKER = """
import sys
from optuna.distributions import FloatDistribution
from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.tuning.search import tune

structures, y = load_dielectric(return_X_y=True)
X = SupercellFeaturizer(max_atoms=30).transform(structures[:60])
model = SiteNetRegressor(max_epochs=int(sys.argv[3]), site_dim=3, attention_hidden_layers=(4,), random_state=0)
space = {"lr": FloatDistribution(1e-4, 1e-2, log=True)}
tune(model, X, y[:60], space, cv=2, n_trials=int(sys.argv[2]), storage=sys.argv[1], pruner="none", random_state=0)
"""


def start_worker(storage, n_trials, n_epochs=3):
    command = [sys.executable, "-W", "ignore", "-c", WORKER, str(storage), str(n_trials), str(n_epochs)]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})


@pytest.fixture(params=["journal", pytest.param("postgresql", marks=pytest.mark.slow)])
def shared(request, tmp_path):
    """Storage that several processes may use."""
    if request.param == "journal":
        yield str(tmp_path / "journal")
        return
    pytest.importorskip("psycopg2", reason="needs psycopg2")
    if postgresql.programs() is None or postgresql.account() == "":
        pytest.skip("needs the programs of a PostgreSQL server, and an account that is not root")
    with postgresql.server() as url:
        yield url


def trials_of(shared):
    storage = as_storage(shared)
    studies = optuna.get_all_study_summaries(storage)
    return optuna.load_study(study_name="sitenet", storage=storage).trials if studies else []


def test_a_killed_worker_loses_its_running_trial_alone(shared):
    lost = start_worker(shared, 6, n_epochs=15)
    while not any(trial.intermediate_values for trial in trials_of(shared)):
        time.sleep(0.05)
        assert lost.poll() is None
    lost.send_signal(signal.SIGKILL)
    lost.wait()
    workers = [start_worker(shared, 6, n_epochs=15) for _ in range(2)]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    trials = trials_of(shared)
    states = [trial.state for trial in trials]
    assert states[0] == TrialState.FAIL
    assert 6 <= states.count(TrialState.COMPLETE) <= 7  # both may begin the last one
    assert TrialState.RUNNING not in states
    assert [trial.number for trial in trials] == list(range(len(states)))
    assert len({trial.params["lr"] for trial in trials}) >= len(trials) - 2  # the own parameters are tried again
    study = optuna.load_study(study_name="sitenet", storage=as_storage(shared))
    assert study.best_value == max(trial.value for trial in trials if trial.value is not None)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"space": {}}, ValueError, "space is empty"),
        ({"space": {"sitenet__learning_rate": LR["lr"]}}, ValueError, "unknown parameter 'sitenet__learning_rate'"),
        ({"space": LR}, ValueError, "unknown parameter 'lr'; did you mean 'sitenet__lr'"),
        ({"space": {"sitenet__lr": [0.1, 0.2]}}, TypeError, "sitenet__lr must be an Optuna distribution"),
        ({"space": [1]}, TypeError, "space must be a dict of Optuna distributions"),
        ({"space": "large"}, ValueError, "level must be one of small, paper"),
        (
            {"space": {"sitenet__n_heads": IntDistribution(0, 3)}},
            ValueError,
            "sitenet__n_heads=0 of the space cannot be built",
        ),
        (
            {"space": {"featurizer__max_atoms": CategoricalDistribution([20, "many"])}},
            ValueError,
            "featurizer__max_atoms='many' of the space cannot be built",
        ),
        ({"storage": "postgresql://nobody@127.0.0.1:1/none"}, ConnectionError, "cannot be reached"),
        ({"storage": "nowhere/journal"}, FileNotFoundError, "no folder nowhere for the journal"),
        ({"n_trials": "3"}, ValueError, "n_trials must be a positive integer, got '3'"),
        ({"n_trials": 2.5}, ValueError, "n_trials must be a positive integer, got 2.5"),
        ({"timeout": "3"}, ValueError, "timeout must be a number of seconds or None, got '3'"),
        ({"n_jobs": 0}, ValueError, "n_jobs must be an integer, not 0, or None, got 0"),
        ({"sampler": "tpe"}, ValueError, "sampler must be a sampler of Optuna or None, got 'tpe'"),
        ({"storage": 3}, TypeError, "storage must be a path, a URL, a storage of Optuna or None, got 3"),
        ({"pruner": ["median"]}, ValueError, "pruner must be one of halving"),
        ({"pruner": "harsh"}, ValueError, "pruner must be one of halving, median, hyperband, none"),
        (
            {"space": {"sitenet__loss": CategoricalDistribution(["l1", "mse"])}},
            ValueError,
            'losses of different kinds cannot be compared after an epoch: pass pruner="none"',
        ),
        (
            {"n_jobs": 2, "storage": optuna.storages.InMemoryStorage()},
            TypeError,
            "storage must be a file or a URL that every process opens by itself",
        ),
    ],
)
def test_errors_before_any_featurization(structures, band_gaps, monkeypatch, options, error, message):
    monkeypatch.setattr(SupercellFeaturizer, "fit_transform", lambda *_: pytest.fail("featurized"))
    pipeline = Pipeline([("featurizer", SupercellFeaturizer(max_atoms=20)), ("sitenet", SiteNetRegressor(**TINY))])
    with pytest.raises(error, match=message):
        tune(pipeline, structures, band_gaps, **options)


def test_lengths_are_compared_first(structures, band_gaps):
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), SiteNetRegressor(**TINY))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        tune(pipeline, structures, band_gaps[:-1])


def test_other_estimators_are_refused(featurized, structures, band_gaps):
    with pytest.raises(TypeError, match="only a SiteNetRegressor or SiteNetClassifier is tuned, got DummyRegressor"):
        tune(DummyRegressor(), featurized, band_gaps)
    pipeline = make_pipeline(SupercellFeaturizer(), FunctionTransformer(), SiteNetRegressor())
    with pytest.raises(TypeError, match="the step FunctionTransformer might learn from held-out crystals"):
        tune(pipeline, structures, band_gaps)


def test_what_no_trial_could_use_is_found_before_the_first(network, featurized, structures, band_gaps, tmp_path):
    with pytest.raises(TypeError, match="expects RaggedCrystals, got list: put a SupercellFeaturizer before it"):
        tune(network, structures, band_gaps, storage=tmp_path / "journal")
    with pytest.raises(ValueError, match="scoring"):
        tune(network, featurized, band_gaps, scoring="neg_mae", storage=tmp_path / "journal")
    assert not (tmp_path / "journal").exists()


def test_a_search_in_which_every_training_diverges_says_so(featurized, band_gaps):
    network = SiteNetRegressor(max_epochs=20, normalization="none", site_dim=3, random_state=0)
    space = {"lr": FloatDistribution(1e29, 1e30)}
    with pytest.raises(RuntimeError, match=r"none of 1 trials was completed \(1 pruned\): .* needs a lower lr"):
        tune(network, featurized, band_gaps, space, cv=2, n_trials=1, random_state=0)


def test_a_search_without_time_says_so(network, featurized, band_gaps):
    with pytest.raises(RuntimeError, match="none of 0 trials was completed"):
        tune(network, featurized, band_gaps, LR, timeout=-1)
