import os
import socket
import subprocess
import sys
import time

import optuna
import pytest
from optuna.trial import TrialState

from sitenet_sklearn.tuning.studies import (
    SIGN_OF_LIFE,
    SILENCE,
    fail_dead_trials,
    give_sign_of_life,
    n_begun,
    open_study,
)


@pytest.fixture
def study(tmp_path):
    return open_study(tmp_path / "journal", "gap")


@pytest.fixture(scope="module")
def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_trials_that_nobody_works_on_are_failed(study, ended_process):
    here, now = socket.gethostname(), time.time()
    signs = {
        "alive here": [here, os.getpid(), now - 10 * SILENCE],
        "of an ended process": [here, ended_process, now],
        "of another machine": ["elsewhere", ended_process, now - SILENCE / 2],
        "of a silent machine": ["elsewhere", os.getpid(), now - 2 * SILENCE],
        "of process 1, which is not ours": [here, 1, now],
    }
    for sign in signs.values():
        study.ask().set_user_attr(SIGN_OF_LIFE, sign)
    study.ask()  # begun this moment, without a sign yet
    assert fail_dead_trials(study) == [1, 3]
    assert [trial.state for trial in study.trials] == [
        TrialState.FAIL if number in {1, 3} else TrialState.RUNNING for number in range(6)
    ]
    assert fail_dead_trials(study) == []
    assert n_begun(study) == 4


@pytest.mark.parametrize("error", [ValueError, optuna.exceptions.UpdateFinishedTrialError])
def test_another_process_may_be_first_to_fail_a_trial(study, ended_process, monkeypatch, error):
    study.ask().set_user_attr(SIGN_OF_LIFE, [socket.gethostname(), ended_process, 0.0])

    def tell(*_, **__):
        raise error

    monkeypatch.setattr(study, "tell", tell)
    assert fail_dead_trials(study) == []


def test_the_sign_of_life_of_this_process_is_one(study):
    give_sign_of_life(study.ask())
    assert fail_dead_trials(study) == []


def test_a_study_is_opened_again(study, tmp_path):
    study.tell(study.ask(), 1.5)
    assert open_study(tmp_path / "journal", "gap").best_value == 1.5
    assert open_study(f"sqlite:///{tmp_path}/gap.db", "gap").direction == optuna.study.StudyDirection.MAXIMIZE
    assert open_study(None, "gap").trials == []


def test_a_study_that_minimises_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/gap.db"
    optuna.create_study(storage=url, study_name="gap", direction="minimize")
    with pytest.raises(ValueError, match=r"the study 'gap' of sqlite.* minimises, but scores are to be maximised"):
        open_study(url, "gap")
