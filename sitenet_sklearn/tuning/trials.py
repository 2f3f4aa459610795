"""One trial of a search: cross-validation of a Site-Net that may end after any epoch."""

import contextlib
import hashlib
import re
import warnings

import numpy as np
from optuna.exceptions import ExperimentalWarning, TrialPruned
from optuna.samplers import PartialFixedSampler, TPESampler
from optuna.trial import TrialState
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback

from sitenet_sklearn._files import as_python
from sitenet_sklearn._pipelines import last_step
from sitenet_sklearn.crystals.cache import fingerprint
from sitenet_sklearn.crystals.crystal import Crystal
from sitenet_sklearn.crystals.ragged import RaggedCrystals
from sitenet_sklearn.crystals.structures import list_crystals
from sitenet_sklearn.training.fine_tuning import read_pretrained

from .spaces import own_values, suggest
from .studies import give_sign_of_life

NO_MATTER = ("cache", "callbacks", "checkpoint_dir", "device", "memory", "n_jobs", "random_state", "verbose")
"""Parameters that do not keep trials from being compared."""

OWN = "own_parameters"
"""Mark of the trial that has the estimator's own parameters."""


class CrossValidation:
    """Objective of a study: the mean score over folds.

    Parameters
    ----------
    estimator : BaseSiteNet or Pipeline
        What is tuned.
    X : RaggedCrystals or list of crystals
        n crystals, as the estimator takes them.
    y : ndarray of shape (n,) or (n, k)
        Targets.
    space : dict of str to optuna.distributions.BaseDistribution
        Where to search.
    splits : list of pairs of ndarray of int
        Training and held-out crystals of every fold.
    scoring : str or callable
        Score to maximise.
    seed : int or None
        What the choices of Optuna's TPE follow from, with the number of earlier trials; None leaves the study's
        sampler.
    """

    def __init__(self, estimator, X, y, *, space, splits, scoring, seed):
        self.estimator, self.X, self.y = estimator, X, y
        self.space, self.splits, self.scoring, self.seed = space, splits, scoring, seed
        self.featurized = {}

    def __call__(self, trial):
        """Train and score on every fold."""
        give_sign_of_life(trial)
        with self._sampler_of(trial):
            estimator = clone(self.estimator).set_params(**suggest(trial, self.space))
        X, site_net = self.crystals(estimator), last_step(estimator)
        scorer, scores, pruning = check_scoring(site_net, scoring=self.scoring), [], PruneAfterEpoch(trial)
        site_net.set_params(callbacks=[*(site_net.callbacks or ()), pruning], checkpoint_dir=None)
        for train, test in self.splits:
            pruning.begin_fold()
            held_out = test[X.valid[test]]
            validation = None if site_net.early_stopping else (X[held_out], self.y[held_out])
            try:
                site_net.fit(X[train], self.y[train], validation_data=validation)
            except FloatingPointError as error:
                raise TrialPruned(str(error)) from error
            scores.append(scorer(site_net, X[held_out], self.y[held_out]))
        return float(np.mean(scores))

    @contextlib.contextmanager
    def _sampler_of(self, trial):
        """Let a trial choose by how many came before it, without those that failed.

        The first one has the estimator's own parameters.
        """
        given, states = trial.study.sampler, (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        earlier = [t for t in trial.study.get_trials(deepcopy=False, states=states) if t.number < trial.number]
        sampler = given if self.seed is None else TPESampler(seed=(self.seed + len(earlier)) % 2**32)
        if not any(t.number == 0 or OWN in t.user_attrs for t in earlier):
            trial.set_user_attr(OWN, True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                sampler = PartialFixedSampler(own_values(self.estimator, self.space), sampler)
        trial.study.sampler = sampler
        try:
            yield
        finally:
            trial.study.sampler = given

    def identity(self):
        """Hash what decides a score, part by part: dict of str to str."""
        parameters = {
            name: as_python(value)
            for name, value in self.estimator.get_params().items()
            if name.split("__")[-1] not in NO_MATTER and not hasattr(value, "get_params") and name != "steps"
        }
        if (source := last_step(self.estimator).pretrained) is not None:
            parameters["pretrained"] = _weights_of(source)
        parts = {
            "crystals": _content(self.X),
            "targets": np.asarray(self.y).tolist(),
            "parameters": sorted((name, repr(value)) for name, value in parameters.items()),
            "space": sorted((name, repr(distribution)) for name, distribution in self.space.items()),
            "folds": [[part.tolist() for part in split] for split in self.splits],
            "scoring": re.sub(" at 0x[0-9a-f]+", "", repr(self.scoring)) + _code_of(self.scoring),
        }
        return {name: hashlib.sha256(repr(part).encode()).hexdigest() for name, part in parts.items()}

    def crystals(self, estimator):
        """Featurize all crystals, unless that was done with the same settings."""
        if not isinstance(estimator, Pipeline):
            return self.X
        key = repr(estimator[:-1].get_params())
        if key not in self.featurized:
            self.featurized[key] = estimator[:-1].fit_transform(self.X, self.y)
        return self.featurized[key]


class PruneAfterEpoch(Callback):
    """Callback that tells a trial the loss on held-out crystals, and ends training where the trial is to be pruned.

    Parameters
    ----------
    trial : optuna.trial.Trial
        Trial of a study that maximises.

    Attributes
    ----------
    losses : list of float
        Last loss of every fold.
    n_epochs : int
        Epochs trained in all folds.
    """

    def __init__(self, trial):
        self.trial, self.losses, self.n_epochs = trial, [], 0

    def begin_fold(self):
        """Go on to the next fold, whose epochs count on."""
        self.losses.append(np.nan)

    def on_epoch_end(self, net, **kwargs):  # noqa: ARG002
        """Report the mean over the folds so far."""
        self.losses[-1] = net.history[-1, "valid_loss"]
        self.trial.report(-float(np.mean(self.losses)), self.n_epochs)
        self.n_epochs += 1
        self.trial.set_user_attr("epochs", self.n_epochs)
        give_sign_of_life(self.trial)
        if self.trial.should_prune():
            raise TrialPruned(f"pruned in fold {len(self.losses)} after {self.n_epochs} epochs")


def _weights_of(source):
    """Hash the network of a pretrained model, which may change under the name of its file."""
    digest = hashlib.sha256()
    for name, tensor in read_pretrained(source)[0].state_dict().items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def _code_of(scoring):
    """Tell functions of users apart, which may share a name, or have none; empty for those of scikit-learn."""
    function = getattr(scoring, "_score_func", scoring)
    code = getattr(function, "__code__", None)
    if code is None or function.__module__.startswith("sklearn."):
        return ""
    return f" {code.co_code!r} {code.co_names} " + re.sub(" at 0x[0-9a-f]+", "", repr(code.co_consts))


def _content(X):
    """Hash crystals, featurized or not."""
    if isinstance(X, RaggedCrystals):
        fields = b"".join(np.ascontiguousarray(X.field(name)).tobytes() for name in Crystal._fields)
        return hashlib.sha256(fields).hexdigest(), X.site_feature_names, X.interaction_feature_names
    return fingerprint({}, list_crystals(X, "tune")[0]).hexdigest()
