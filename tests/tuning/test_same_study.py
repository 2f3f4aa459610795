"""A study goes on with what it was begun with, and with nothing else; kills and Ctrl-C leave no traces in it."""

import os
import signal
import subprocess
import sys
import time

import joblib
import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import make_scorer
from sklearn.model_selection import KFold
from skorch.callbacks import Callback

from sitenet_sklearn import SiteNetRegressor, save_model
from sitenet_sklearn.tuning.search import tune
from sitenet_sklearn.tuning.studies import as_storage, open_study

TINY = {"max_epochs": 2, "site_dim": 3, "attention_hidden_layers": (4,), "random_state": 0}
LR = {"lr": FloatDistribution(1e-4, 1e-2, log=True)}


def search(X, y, storage, n_trials=1, space=LR, model=None, **options):
    model = model or SiteNetRegressor(**TINY)
    return tune(model, X, y, space, **{"cv": 2, "random_state": 0} | options, n_trials=n_trials, storage=storage)


OTHERS = {
    "crystals": lambda X, y, s: search(X[::-1], y, s),
    "targets": lambda X, y, s: search(X, y + 1, s),
    "parameters": lambda X, y, s: search(X, y, s, model=SiteNetRegressor(**TINY | {"loss": "mse"})),
    "space": lambda X, y, s: search(X, y, s, space={"lr": FloatDistribution(1e-5, 2e-5)}),
    "folds": lambda X, y, s: search(X, y, s, cv=KFold(2, shuffle=True, random_state=1)),
    "scoring": lambda X, y, s: search(X, y, s, scoring="r2"),
}


@pytest.mark.parametrize("part", OTHERS)
def test_a_foreign_study_is_refused(featurized, band_gaps, tmp_path, part):
    journal = tmp_path / "gap.journal"
    search(featurized, band_gaps, journal)
    with pytest.raises(
        ValueError, match=rf"was begun with other .*{part}.*: choose another study_name|cannot be compared"
    ):
        OTHERS[part](featurized, band_gaps, journal)
    assert len(search(featurized, band_gaps, journal, n_trials=2).trials) == 2


def test_another_pretrained_network_is_another_study(featurized, band_gaps, tmp_path):
    path = tmp_path / "base.safetensors"
    for y in (band_gaps, band_gaps[::-1]):
        fitted = SiteNetRegressor(**TINY).fit(featurized, y)
        save_model(fitted, path)
        for name, source in (("file", path), ("estimator", FrozenEstimator(fitted))):
            model = SiteNetRegressor(**TINY, pretrained=source)
            if y is band_gaps:
                search(featurized, y, tmp_path / name, model=model)
                assert len(search(featurized, y, tmp_path / name, 2, model=model).trials) == 2
            else:
                with pytest.raises(ValueError, match=r"was begun with other .*parameters"):
                    search(featurized, band_gaps, tmp_path / name, model=model)


def test_another_function_of_the_same_name_is_another_study(featurized, band_gaps, tmp_path):
    first = make_scorer(lambda y, found: -abs(y - found).max())
    second = make_scorer(lambda y, found: -abs(y - found).min())
    search(featurized, band_gaps, tmp_path / "journal", scoring=first)
    with pytest.raises(ValueError, match=r"was begun with other .*scoring"):
        search(featurized, band_gaps, tmp_path / "journal", scoring=second)


def test_numbers_of_numpy_are_the_same_study(featurized, band_gaps, tmp_path):
    search(featurized, band_gaps, tmp_path / "journal")
    model = SiteNetRegressor(**TINY | {"site_dim": np.int64(3)})
    assert len(search(featurized, band_gaps, tmp_path / "journal", 2, model=model).trials) == 2


def test_what_does_not_decide_a_score_may_change(featurized, band_gaps, tmp_path):
    journal = tmp_path / "gap.journal"
    search(featurized, band_gaps, journal)
    changed = SiteNetRegressor(**TINY | {"random_state": 1}, device="cpu", verbose=0)
    assert len(search(featurized, band_gaps, journal, 2, model=changed, pruner="none", random_state=5).trials) == 2


@pytest.mark.parametrize("text", ["id,gap\n1,2\n", '{"id": 1, "gap": 2}\n'])
def test_a_users_file_is_no_journal(featurized, band_gaps, tmp_path, text):
    (tmp_path / "gaps").write_text(text)
    with pytest.raises(ValueError, match=r"gaps is no journal of a study: name another file"):
        search(featurized, band_gaps, tmp_path / "gaps")
    assert (tmp_path / "gaps").read_text() == text


def test_a_study_of_an_earlier_version_is_taken_with_a_warning(featurized, band_gaps, tmp_path):
    journal = tmp_path / "gap.journal"
    study = open_study(journal, "sitenet")
    study.add_trial(optuna.trial.create_trial(value=-1.0, params={"lr": 1e-3}, distributions=LR))
    with pytest.warns(UserWarning, match="does not tell what it was begun with"):
        assert len(search(featurized, band_gaps, journal, 2).trials) == 2


SCRIPT = """
import sys, os, joblib, numpy as np
from optuna.distributions import FloatDistribution
from skorch.callbacks import Callback
from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.tuning.search import tune
X, y, tiny, space, storage, kill = joblib.load(sys.argv[1])

class Die(Callback):
    epochs = 0
    def on_epoch_end(self, net, **kwargs):
        Die.epochs += 1
        if Die.epochs == kill:
            os.kill(os.getpid(), 9)

tune(SiteNetRegressor(**tiny, callbacks=[Die()]), X, y, space, cv=2, n_trials=6, storage=storage, random_state=0)
"""


@pytest.mark.parametrize("kill", [3, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 7, 14))])
def test_a_killed_search_ends_as_an_undisturbed_one(featurized, band_gaps, tmp_path, kill):
    space = LR | {"weight_decay": FloatDistribution(1e-6, 1e-2, log=True)}
    tiny = TINY | {"max_epochs": 6}
    whole = search(featurized, band_gaps, None, 6, space=space, model=SiteNetRegressor(**tiny))
    journal = tmp_path / "journal"
    joblib.dump((featurized, band_gaps, tiny, space, journal, kill), tmp_path / "job")
    done = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path / "job"], check=False)
    assert done.returncode == -signal.SIGKILL
    result = search(featurized, band_gaps, journal, 6, space=space, model=SiteNetRegressor(**tiny))
    found = [trial for trial in result.study.trials if trial.state != TrialState.FAIL]
    assert len(result.study.trials) == 7
    assert [trial.params for trial in found] == [trial.params for trial in whole.study.trials]
    assert [trial.state for trial in found] == [trial.state for trial in whole.study.trials]
    np.testing.assert_allclose(
        [trial.value for trial in found if trial.value], [t.value for t in whole.study.trials if t.value], rtol=1e-4
    )
    assert found[0].params["lr"] == SiteNetRegressor().lr


class CtrlC(Callback):
    def on_epoch_end(self, net, **kwargs):  # noqa: ARG002
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_fails_its_trial(featurized, band_gaps, tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    journal = tmp_path / "journal"
    try:
        with pytest.raises(KeyboardInterrupt):
            search(featurized, band_gaps, journal, 3, model=SiteNetRegressor(**TINY, callbacks=[CtrlC()]))
    finally:
        signal.signal(signal.SIGINT, before)
    study = optuna.load_study(study_name="sitenet", storage=as_storage(journal))
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]
    assert len(search(featurized, band_gaps, journal, 1).trials) == 2


@pytest.mark.slow
def test_workers_that_begin_together_share_a_new_database(tmp_path):
    code = (
        "import sys; from sitenet_sklearn.tuning.studies import open_study; import time\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        "open_study(sys.argv[1], 'gap').ask()"
    )
    url, begin = f"sqlite:///{tmp_path / 'studies.db'}", time.time() + 12
    command = [sys.executable, "-W", "ignore", "-c", code, url, str(begin)]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    errors = [worker.communicate()[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, errors
    assert len(optuna.load_study(study_name="gap", storage=url).trials) == 4


def test_ctrl_c_shows_no_traceback_of_optuna(featurized, band_gaps, capsys, caplog):
    def interrupted(*_):
        raise KeyboardInterrupt

    optuna.logging.enable_propagation()
    try:
        with pytest.raises(KeyboardInterrupt):
            search(featurized, band_gaps, None, scoring=interrupted)
    finally:
        optuna.logging.disable_propagation()
    assert "Traceback" not in capsys.readouterr().err + caplog.text
