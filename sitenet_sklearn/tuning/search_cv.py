"""`SiteNetSearchCV`: OptunaSearchCV as it should behave for a Site-Net."""

import warnings

from optuna.trial import TrialState
from optuna_integration import OptunaSearchCV
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv, cross_val_score
from sklearn.utils import get_tags

from sitenet_sklearn._pipelines import last_step

from .spaces import check_space


class SiteNetSearchCV(OptunaSearchCV):
    """OptunaSearchCV with the faults of version 5 that matter here mended.

    It checks the space before any work. Every trial sees the same folds, also those of a splitter that shuffles, so
    that no crystal leaks from training to validation while trials are pruned. The refit has as many epochs as the
    search gave the best trial. To scikit-learn it is a regressor or classifier, as its estimator is. Errors of a trial
    are raised, not swallowed. To prune pipelines, or to search in several processes, there is
    `sitenet_sklearn.tuning.search.tune`.

    Parameters
    ----------
    estimator : estimator or Pipeline
        A Site-Net, or a pipeline that ends in one.
    param_distributions : dict of str to optuna.distributions.BaseDistribution
        Search space, for example from `search_space`.
    **kwargs
        Those of `optuna_integration.OptunaSearchCV`, among them `cv`, `n_trials`, `timeout`, `scoring`, `random_state`;
        with ``enable_pruning=True``, `max_iter` is the number of epochs.

    Examples
    --------
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> from sitenet_sklearn.tuning.spaces import search_space
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> crystals = SupercellFeaturizer(max_atoms=20).fit_transform(structures[:30])
    >>> search = SiteNetSearchCV(SiteNetRegressor(max_epochs=1), search_space(), cv=2, n_trials=2, random_state=0)
    >>> search.fit(crystals, band_gap[:30]).predict(crystals).shape
    (30,)
    """

    def fit(self, X, y=None, groups=None, **fit_params):
        """Search, and fit the best estimator on all crystals.

        Parameters
        ----------
        X : RaggedCrystals or list of crystals
            n crystals, as the estimator takes them.
        y : array-like of shape (n,) or (n, k)
            Targets.
        groups : array-like of shape (n,), default=None
            Groups of crystals for splitters that need them.
        **fit_params
            Passed to `fit` of the estimator.

        Returns
        -------
        SiteNetSearchCV
            The search itself.

        Raises
        ------
        TypeError, ValueError
            If the space is empty, names what the estimator does not have, or holds what cannot be built.
        RuntimeError
            If a trial fails, with its error as the cause.
        """
        check_space(self.param_distributions, self.estimator)
        if self.subsample != 1.0:
            raise ValueError("subsample is not supported: pass the crystals to search with")
        given = self.cv, self.callbacks
        folds = list(check_cv(self.cv, y, classifier=is_classifier(self.estimator)).split(X, y, groups))

        def raise_failure(study, trial):  # noqa: ARG001
            if trial.state == TrialState.FAIL:
                self._raise_failure(trial, X, y, folds)

        self.cv, self.callbacks = folds, [*(self.callbacks or ()), raise_failure]
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="`optuna.terminator` module", category=FutureWarning)
                return super().fit(X, y, groups=groups, **fit_params)
        finally:
            self.cv, self.callbacks = given

    def _refit(self, X, y=None, **fit_params):
        estimator = self.estimator
        if self.enable_pruning:
            self.estimator = clone(estimator)
            last_step(self.estimator).set_params(max_epochs=self.max_iter)
        try:
            return super()._refit(X, y, **fit_params)
        finally:
            self.estimator = estimator

    def _raise_failure(self, trial, X, y, folds):
        """Repeat the cross-validation of a trial for the error that was swallowed."""
        failed = f"trial {trial.number} with {trial.params} failed"
        estimator = clone(self.estimator).set_params(**trial.params)
        try:
            cross_val_score(estimator, X, y, cv=folds, scoring=self.scoring, error_score="raise")
        except Exception as error:
            raise RuntimeError(f"{failed}: {error}") from error
        raise RuntimeError(f"{failed}: its score is not a number")

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.regressor_tags, tags.classifier_tags = inner.regressor_tags, inner.classifier_tags
        tags.target_tags, tags.input_tags, tags.no_validation = inner.target_tags, inner.input_tags, True
        return tags
