"""`tune`: search hyper-parameters with Optuna, with bad trials ended early, on one process or many."""

import tempfile
import time
from copy import copy
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from joblib import Parallel, delayed, effective_n_jobs
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring, make_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import check_consistent_length, check_random_state
from tqdm.auto import tqdm

from sitenet_sklearn._pipelines import last_step, prefix_of_last_step, steps_of
from sitenet_sklearn.estimators.base import BaseSiteNet
from sitenet_sklearn.estimators.selection import check_crystals
from sitenet_sklearn.featurization.featurizer import SupercellFeaturizer
from sitenet_sklearn.metrics import mean_over_targets

from .spaces import check_space, search_space
from .studies import as_storage, claim_study, fail_dead_trials, n_begun, open_study, quiet
from .trials import CrossValidation


class HalvingPruner(SuccessiveHalvingPruner):
    """Successive halving that leaves out trials that failed, for instance with their process."""

    def prune(self, study, trial) -> bool:
        """Tell whether a trial is worse than half of those that came as far."""
        return super().prune(_WithoutFailed(study), trial)  # type: ignore[arg-type]


class _WithoutFailed:
    """A study that does not know of trials that failed."""

    def __init__(self, study):
        self._study = study

    def __getattr__(self, name):
        return getattr(self._study, name)

    def get_trials(self, *args, **kwargs):
        return [trial for trial in self._study.get_trials(*args, **kwargs) if trial.state != TrialState.FAIL]


PRUNERS = {
    "halving": lambda n_epochs: HalvingPruner(min_resource=max(1, n_epochs // 6), reduction_factor=2),
    "median": lambda n_epochs: MedianPruner(n_startup_trials=4, n_warmup_steps=n_epochs // 6),
    "hyperband": lambda n_epochs: HyperbandPruner(min_resource=max(1, n_epochs // 9), max_resource=n_epochs),
    "none": lambda _: NopPruner(),
}
"""Pruners by name, for trials of so many epochs over all folds."""


class TuneResult(NamedTuple):
    """What `tune` found.

    Attributes
    ----------
    best_estimator : estimator or Pipeline
        Refitted on all crystals with the best parameters.
    study : optuna.study.Study
        All trials.
    trials : pandas.DataFrame
        One row for every trial: score, parameters, state, epochs trained, times.
    """

    best_estimator: object
    study: optuna.study.Study
    trials: object


def tune(
    estimator,
    X,
    y,
    space="small",
    *,
    cv=5,
    n_trials=30,
    timeout=None,
    pruner="halving",
    sampler=None,
    storage=None,
    study_name="sitenet",
    scoring=None,
    groups=None,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    """Search the hyper-parameters that predict held-out crystals best, and fit with them on all crystals.

    Crystals are featurized once for every setting of the featurizer. Folds are trained one after the other; after every
    epoch the mean loss on the fold held out, over the folds so far, decides whether the trial is worth going on. The
    score of a trial is the mean over the folds. The first trial has the estimator's own parameters, as far as the space
    holds them.

    Parameters
    ----------
    estimator : SiteNetRegressor, SiteNetClassifier or Pipeline
        What to tune: a Site-Net, or a pipeline of a `SupercellFeaturizer` and one.
    X : RaggedCrystals or list of crystals
        n crystals, as the estimator takes them.
    y : array-like of shape (n,) or (n, k)
        Targets; among several, NaN where one is unknown.
    space : str or dict of str to optuna.distributions.BaseDistribution, default="small"
        Where to search: a level of `search_space`, or distributions by the names of parameters.
    cv : int, cross-validation splitter or iterable, default=5
        Folds, the same ones for every trial.
    n_trials : int, default=30
        Number of trials in the study, finished, pruned and running ones, those of earlier calls included.
    timeout : float, default=None
        Start no new trial after so many seconds.
    pruner : {"halving", "median", "hyperband", "none"} or optuna.pruners.BasePruner, default="halving"
        Which trials to end early: by successive halving those of the worse half after a sixth, a third and two thirds
        of the epochs; those below the median of the others after every epoch; or in Hyperband's brackets.
    sampler : optuna.samplers.BaseSampler, default=None
        What chooses parameters; None is Optuna's TPE, seeded by `random_state` and the number of the trial.
    storage : path-like, str or optuna.storages.BaseStorage, default=None
        Where the study is kept: a file (a journal), the URL of a database, or None for memory. The same call goes on
        with the study that is there, and many processes may work on it at a time.
    study_name : str, default="sitenet"
        Name of the study in the storage. A study that was begun with other crystals, targets, parameters, folds,
        scoring or space is refused. Another `pruner`, `sampler` or `random_state` is not: they decide what is tried and
        for how long, and not what a score means.
    scoring : str or callable, default=None
        Score of scikit-learn to maximise; None is the negative mean absolute error, over the targets that are known, of
        classifiers the accuracy.
    groups : array-like of shape (n,), default=None
        Groups of crystals for splitters that need them.
    n_jobs : int, default=None
        Number of processes on this machine; None is 1. With more, each featurizes for itself, and results depend on
        their speed.
    random_state : int, RandomState instance or None, default=None
        Source of the parameters tried, of shuffled folds, and of the estimator's random state if it has none.
    verbose : int, default=0
        Whether to show progress over trials.

    Returns
    -------
    TuneResult

    Raises
    ------
    ConnectionError
        If the storage cannot be reached.
    TypeError, ValueError
        If a setting is of another kind, if the space is empty, names what the estimator does not have, or holds what
        cannot be built, if X and y differ in length, or if the study is another one; all of it before any crystal is
        featurized.
    RuntimeError
        If no trial was completed.

    Examples
    --------
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> crystals = SupercellFeaturizer(max_atoms=20).fit_transform(structures[:30])
    >>> model = SiteNetRegressor(max_epochs=2)
    >>> result = tune(model, crystals, band_gap[:30], cv=2, n_trials=2, random_state=0)
    >>> result.best_estimator.predict(crystals).shape, len(result.trials)
    ((30,), 2)
    """
    _check_steps(estimator)
    _check_settings(n_trials=n_trials, timeout=timeout, n_jobs=n_jobs, sampler=sampler)
    if len(steps_of(estimator)) == 1:
        check_crystals(X, last_step(estimator))
    check_consistent_length(X, y)
    site_net = last_step(estimator)
    prefix = prefix_of_last_step(estimator)
    space = search_space(space, prefix=prefix) if isinstance(space, str) else space
    check_space(space, estimator)
    if f"{prefix}loss" in space and pruner != "none":
        raise ValueError('losses of different kinds cannot be compared after an epoch: pass pruner="none"')
    random = check_random_state(random_state)
    seed, estimator = random.randint(2**31 - 1), clone(estimator)
    if site_net.random_state is None:
        estimator.set_params(**{f"{prefix}random_state": seed})
    classifies, y = is_classifier(site_net), np.asarray(y)
    splits = list(_seeded(check_cv(cv, y, classifier=classifies), seed).split(X, y, groups))
    scoring = scoring or ("accuracy" if classifies else make_scorer(mean_over_targets, greater_is_better=False))
    check_scoring(site_net, scoring=scoring)
    trial = {"space": dict(space), "splits": splits, "scoring": scoring, "seed": seed if sampler is None else None}
    objective = CrossValidation(estimator, X, y, **trial)
    settings = {"sampler": sampler, "pruner": _pruner(pruner, len(splits) * site_net.max_epochs)}
    limits = {"n_trials": n_trials, "timeout": timeout, "verbose": verbose}
    study = _search(objective, storage, study_name, settings, limits=limits, n_jobs=n_jobs)
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not done:
        raise RuntimeError(_why_none(study))
    best = clone(estimator).set_params(**study.best_params).fit(X, y)
    return TuneResult(best, study, study.trials_dataframe())


def _search(objective, storage, name, settings, *, limits, n_jobs):
    """Run the trials, in this process or in several, and return the study."""
    if n_jobs in (None, 1):
        study = open_study(storage, name, **settings)
        claim_study(study, objective.identity(), storage)
        _work(study, objective, **limits)
        return study
    if isinstance(storage, BaseStorage):
        raise TypeError("with n_jobs, storage must be a file or a URL that every process opens by itself")
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder) / "journal" if storage is None else storage
        claim_study(open_study(shared, name, **settings), objective.identity(), shared)
        call = delayed(_work_in_process)(objective, shared, name, settings, limits | {"verbose": 0})
        Parallel(n_jobs=n_jobs)([call] * effective_n_jobs(n_jobs))
        if storage is not None:
            return open_study(storage, name, **settings)
        memory = optuna.storages.InMemoryStorage()
        with quiet():
            optuna.copy_study(from_study_name=name, from_storage=as_storage(shared), to_storage=memory)
        return optuna.load_study(study_name=name, storage=memory)


def _work_in_process(objective, storage, name, settings, limits):
    _work(open_study(storage, name, **settings), objective, **limits)


def _work(study, objective, *, n_trials, timeout, verbose):
    """Begin trials until there are enough, or time is over."""
    end = np.inf if timeout is None else time.monotonic() + timeout
    with quiet(), tqdm(total=n_trials, desc="tune", unit="trial", disable=not verbose) as bar:
        while True:
            fail_dead_trials(study)
            bar.update(n_begun(study) - bar.n)
            if n_begun(study) >= n_trials or time.monotonic() > end:
                return
            study.optimize(objective, n_trials=1)


def _why_none(study):
    """Tell what became of the trials of a study where none was completed."""
    states = [trial.state.name.lower() for trial in study.get_trials(deepcopy=False)]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    return (
        f"none of {len(states)} trials was completed ({counts or 'none begun'}): allow more trials, or more time; a "
        "training that diverges counts as pruned, and needs a lower lr"
    )


def _check_steps(estimator):
    steps = steps_of(estimator)
    if not isinstance(steps[-1], BaseSiteNet):
        raise TypeError(f"only a SiteNetRegressor or SiteNetClassifier is tuned, got {type(steps[-1]).__name__}")
    for step in steps[:-1]:
        if not isinstance(step, SupercellFeaturizer | str | None):
            raise TypeError(
                f"the step {type(step).__name__} might learn from held-out crystals, as all are transformed at once: "
                "only a SupercellFeaturizer may come before the Site-Net"
            )


def _check_settings(*, n_trials, timeout, n_jobs, sampler):
    for name, value, is_right, expected in (
        ("n_trials", n_trials, isinstance(n_trials, Integral) and n_trials > 0, "a positive integer"),
        ("timeout", timeout, timeout is None or isinstance(timeout, Real), "a number of seconds or None"),
        ("n_jobs", n_jobs, n_jobs is None or (isinstance(n_jobs, Integral) and n_jobs), "an integer, not 0, or None"),
        ("sampler", sampler, sampler is None or isinstance(sampler, BaseSampler), "a sampler of Optuna or None"),
    ):
        if not is_right:
            raise ValueError(f"{name} must be {expected}, got {value!r}")


def _seeded(cv, seed):
    """Give a splitter that shuffles without a seed of its own the one of the search."""
    if getattr(cv, "random_state", seed) is None:
        cv = copy(cv)
        cv.random_state = seed
    return cv


def _pruner(pruner, n_epochs):
    if isinstance(pruner, BasePruner):
        return pruner
    if not isinstance(pruner, str) or pruner not in PRUNERS:
        raise ValueError(f"pruner must be one of {', '.join(PRUNERS)} or one of Optuna's, got {pruner!r}")
    return PRUNERS[pruner](n_epochs)
