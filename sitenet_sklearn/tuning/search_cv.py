"""`SiteNetSearchCV`: `tune` as an estimator of scikit-learn."""

from typing import Self

from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.metrics import check_scoring
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .search import tune


def _estimator_has(name):
    """Whether the estimator, or the best one once there is one, has a method."""
    return lambda search: hasattr(getattr(search, "best_estimator_", search.estimator), name)


class SiteNetSearchCV(MetaEstimatorMixin, BaseEstimator):
    """Search hyper-parameters in `fit`, and predict with the best estimator.

    It does what `tune` does, and is an estimator itself: it can be cross-validated, stacked, cloned and pickled. For a
    study that survives a kill, or that several machines share, use `tune`.

    Parameters
    ----------
    estimator : SiteNetRegressor, SiteNetClassifier or Pipeline
        What to tune: a Site-Net, or a pipeline of a `SupercellFeaturizer` and one.
    param_distributions : str or dict of str to optuna.distributions.BaseDistribution, default="small"
        Where to search: a level of `search_space`, or distributions by the names of parameters.
    cv : int, cross-validation splitter or iterable, default=5
        Folds, the same ones for every trial.
    n_trials : int, default=30
        Number of trials.
    timeout : float, default=None
        Start no new trial after so many seconds.
    pruner : {"halving", "median", "hyperband", "none"} or optuna.pruners.BasePruner, default="halving"
        Which trials end early, as in `tune`.
    sampler : optuna.samplers.BaseSampler, default=None
        What chooses parameters, as in `tune`.
    scoring : str or callable, default=None
        Score of scikit-learn to maximise, as in `tune`.
    n_jobs : int, default=None
        Number of processes, as in `tune`.
    random_state : int, RandomState instance or None, default=None
        Source of the parameters tried, of shuffled folds, and of the estimator's random state if it has none.
    verbose : int, default=0
        Whether to show progress over trials.

    Attributes
    ----------
    best_estimator_ : estimator or Pipeline
        Fitted on all crystals with the best parameters.
    best_params_ : dict of str to object
        Those parameters.
    best_score_ : float
        Their mean score over the folds.
    study_ : optuna.study.Study
        All trials.
    trials_ : pandas.DataFrame
        One row for every trial.

    See Also
    --------
    tune : The same as a function, with a storage.

    Examples
    --------
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> from sitenet_sklearn.tuning import SiteNetSearchCV
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> crystals = SupercellFeaturizer(max_atoms=20).fit_transform(structures[:30])
    >>> search = SiteNetSearchCV(SiteNetRegressor(max_epochs=1), cv=2, n_trials=2, random_state=0)
    >>> search.fit(crystals, band_gap[:30]).predict(crystals).shape
    (30,)
    """

    def __init__(
        self,
        estimator,
        param_distributions="small",
        *,
        cv=5,
        n_trials=30,
        timeout=None,
        pruner="halving",
        sampler=None,
        scoring=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.cv = cv
        self.n_trials = n_trials
        self.timeout = timeout
        self.pruner = pruner
        self.sampler = sampler
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, *, groups=None) -> Self:
        """Search, and fit the best estimator on all crystals.

        Parameters
        ----------
        X : RaggedCrystals or list of crystals
            n crystals, as the estimator takes them.
        y : array-like of shape (n,) or (n, k)
            Targets.
        groups : array-like of shape (n,), default=None
            Groups of crystals for splitters that need them.

        Returns
        -------
        SiteNetSearchCV
            The search itself.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            Those of `tune`.
        """
        settings = self.get_params(deep=False)
        estimator, space = settings.pop("estimator"), settings.pop("param_distributions")
        found = tune(estimator, X, y, space, groups=groups, **settings)
        self.best_estimator_, self.study_, self.trials_ = found
        self.best_params_, self.best_score_ = found.study.best_params, found.study.best_value
        return self

    def predict(self, X):
        """Predict with the best estimator."""
        return self._best().predict(X)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Predict probabilities with the best estimator."""
        return self._best().predict_proba(X)

    @available_if(_estimator_has("transform"))
    def transform(self, X):
        """Compute global vectors with the best estimator."""
        return self._best().transform(X)

    def score(self, X, y) -> float:
        """Score the best estimator, by `scoring` or else by its own `score`."""
        return check_scoring(self._best(), scoring=self.scoring)(self.best_estimator_, X, y)

    @property
    def classes_(self):
        """Classes of the best estimator."""
        return self._best().classes_

    def _best(self):
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.regressor_tags, tags.classifier_tags = inner.regressor_tags, inner.classifier_tags
        tags.target_tags, tags.input_tags, tags.no_validation = inner.target_tags, inner.input_tags, True
        return tags
