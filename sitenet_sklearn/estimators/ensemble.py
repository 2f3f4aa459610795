"""`SiteNetEnsemble`: several networks that differ in nothing but chance."""

from numbers import Integral
from typing import Literal, Self, overload

import numpy as np
from joblib import Parallel, delayed
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from sitenet_sklearn._pipelines import last_step
from sitenet_sklearn._validation import HasMethods, Interval, _fit_context

from .base import BaseSiteNet
from .regressor import KnownTargetsMixin, SiteNetRegressor


class SiteNetEnsemble(MetaEstimatorMixin, KnownTargetsMixin, BaseEstimator):
    """Mean and spread of several regressors, trained on the same crystals from different random numbers.

    The mean is more accurate than its members; the spread tells where they disagree, which is part of the uncertainty
    of a prediction, not all of it.

    Parameters
    ----------
    estimator : regressor or Pipeline, default=None
        What to train several times; every parameter called `random_state` is set. None is ``SiteNetRegressor()``. With
        a `checkpoint_dir`, an interrupted `fit` goes on with the members that were not finished.
    n_members : int, default=5
        Number of members.
    weights : array-like of shape (n_members,), default=None
        How much each member counts in mean and spread; None for all alike.
    n_jobs : int, default=None
        Number of members to train at a time, through joblib; None is 1.
    random_state : int, RandomState instance or None, default=None
        Source of the members' random states. To go on from checkpoints takes an int.

    Attributes
    ----------
    estimators_ : list
        The fitted members.

    See Also
    --------
    SiteNetRegressor : One member.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> crystals = SupercellFeaturizer(max_atoms=20).fit_transform(structures[:30])
    >>> ensemble = SiteNetEnsemble(SiteNetRegressor(max_epochs=1), n_members=2, random_state=0)
    >>> mean, std = ensemble.fit(crystals, band_gap[:30]).predict(crystals, return_std=True)
    >>> mean.shape, std.shape
    ((30,), (30,))
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "weights": ["array-like", None],
        "n_jobs": [Interval(Integral, None, None, closed="neither"), None],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator=None, *, n_members=5, weights=None, n_jobs=None, random_state=None) -> None:
        self.estimator = estimator
        self.n_members = n_members
        self.weights = weights
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, **fit_params) -> Self:
        """Train the members.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals, or what a pipeline as `estimator` takes.
        y : array-like of shape (n,) or (n, k)
            Targets.
        **fit_params
            Passed to `fit` of every member.

        Returns
        -------
        SiteNetEnsemble
            The ensemble itself.
        """
        if is_classifier(self.estimator):
            raise TypeError(
                "SiteNetEnsemble averages numbers and got a classifier: use scikit-learn's VotingClassifier, which "
                'averages probabilities with voting="soft"'
            )
        if isinstance(last_step(self.estimator), FrozenEstimator):
            raise TypeError(
                "SiteNetEnsemble trains its members anew, and what is in a FrozenEstimator is never trained: give it "
                "the estimator itself"
            )
        if get_config()["enable_metadata_routing"]:
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        self.average(np.zeros(self.n_members))  # whether there are as many weights
        random = check_random_state(self.random_state)
        members = [self._member(random) for _ in range(self.n_members)]
        fits = (delayed(member.fit)(X, y, **fit_params) for member in members)
        self.estimators_ = list(Parallel(n_jobs=self.n_jobs)(fits))
        for member in self.estimators_:
            if isinstance(last_step(member), BaseSiteNet):
                last_step(member)._remove_checkpoint()  # noqa: SLF001
        return self

    def get_metadata_routing(self):
        """Pass what `fit` is given to `fit` of the members: MetadataRouter."""
        mapping = MethodMapping().add(caller="fit", callee="fit")
        inner = SiteNetRegressor() if self.estimator is None else self.estimator
        return MetadataRouter(owner=type(self).__name__).add(estimator=inner, method_mapping=mapping)

    @overload
    def predict(self, X, *, return_std: Literal[False] = ...) -> np.ndarray: ...

    @overload
    def predict(self, X, *, return_std: Literal[True]) -> tuple[np.ndarray, np.ndarray]: ...

    def predict(self, X, *, return_std=False):
        """Predict the mean of the members.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals, or what a pipeline as `estimator` takes.
        return_std : bool, default=False
            Whether to return the standard deviation of the members as well.

        Returns
        -------
        mean : ndarray of shape (n,) or (n, k)
            Predictions; NaN for masked crystals.
        std : ndarray of the same shape
            Their spread, only with `return_std`.
        """
        check_is_fitted(self)
        predictions = np.stack([member.predict(X) for member in self.estimators_])
        mean = self.average(predictions)
        return (mean, np.sqrt(self.average((predictions - mean) ** 2))) if return_std else mean

    def average(self, values) -> np.ndarray:
        """Average what the members say, each by its weight.

        Parameters
        ----------
        values : ndarray of shape (n_members, ...)
            A row of each member.

        Returns
        -------
        ndarray of shape (...)

        Raises
        ------
        ValueError
            If there are not as many weights, one is negative, or all are 0.
        """
        if self.weights is None:
            return np.mean(values, axis=0)
        weights = np.asarray(self.weights, dtype=float)
        if weights.shape != (len(values),) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
            raise ValueError(f"weights must be {len(values)} numbers, not negative and not all 0, got {self.weights!r}")
        return np.average(values, axis=0, weights=weights).astype(values.dtype)

    def _member(self, random):
        member = clone(SiteNetRegressor() if self.estimator is None else self.estimator)
        names = [name for name in member.get_params() if name.rpartition("__")[2] == "random_state"]
        if isinstance(last_step(member), BaseSiteNet):
            last_step(member)._keep_checkpoint()  # until all members are done  # noqa: SLF001
        return member.set_params(**{name: random.randint(2**31 - 1) for name in sorted(names)})

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True
        return tags


def networks_of(fitted):
    """List the fitted regressors of an ensemble, or the only one; those of a calibration have one target each."""
    members = fitted.estimators_ if isinstance(fitted, SiteNetEnsemble) else [fitted]
    for member in members:
        if not isinstance(member, SiteNetRegressor):
            raise TypeError(
                "CalibratedRegressor takes a SiteNetRegressor or a SiteNetEnsemble of them, got "
                f"{type(member).__name__}: put the featurizer before it, in the pipeline"
            )
        if member.net_.module_.n_targets is not None:
            raise ValueError("CalibratedRegressor takes one target, the network has several: train one for each")
    return members


def first_network(fitted):
    """Return the network whose global vectors describe crystals."""
    return networks_of(fitted)[0]
