"""`DisorderedRegressor`: predictions of disordered crystals, averaged over ordered approximants."""

from numbers import Integral
from typing import Self

import numpy as np
import pandas as pd
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone, is_classifier
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from sitenet_sklearn._pipelines import last_step, prefix_of_last_step
from sitenet_sklearn._validation import HasMethods, Interval, _fit_context, check_not_masked, check_sample_weight
from sitenet_sklearn.crystals.approximants import ordered_approximants
from sitenet_sklearn.crystals.structures import as_structure, only_column
from sitenet_sklearn.exceptions import CrystalError


class DisorderedRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Predict for disordered crystals, and for trajectories, by averaging over ordered structures.

    Every crystal may be an ordered structure, one with partial occupancies, or a list of ordered frames, for example
    snapshots of molecular dynamics.

    Parameters
    ----------
    estimator : regressor or Pipeline
        Takes ordered structures.
    n_approximants : int, default=16
        Largest number of approximants of a disordered crystal.
    max_sites : int, default=60
        Largest number of sites of an approximant.
    random_state : int, RandomState instance or None, default=None
        Source of the arrangements.

    Attributes
    ----------
    estimator_ : regressor or Pipeline
        Fitted.

    See Also
    --------
    sitenet_sklearn.crystals.ordered_approximants : What one crystal becomes.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> from sklearn.pipeline import make_pipeline
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), SiteNetRegressor(max_epochs=1))
    >>> model = DisorderedRegressor(pipeline, random_state=0).fit(structures[:30], band_gap[:30])
    >>> alloy = Structure(Lattice.cubic(5.9), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> model.predict_distribution([alloy]).columns.tolist()
    ['mean', 'std', 'q0.05', 'q0.5', 'q0.95', 'n']
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"])],
        "n_approximants": [Interval(Integral, 1, None, closed="left")],
        "max_sites": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator, *, n_approximants=16, max_sites=60, random_state=None) -> None:
        self.estimator = estimator
        self.n_approximants = n_approximants
        self.max_sites = max_sites
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None) -> Self:
        """Fit the estimator; approximants of one crystal share its target and its weight.

        Parameters
        ----------
        X : list
            n crystals: structures, ordered or not, or lists of frames.
        y : array-like of shape (n,)
            Targets.
        sample_weight : array-like of shape (n,), default=None
            Weights of the crystals. Given, or where a crystal has several approximants, the last step of the estimator
            must take sample weights.

        Returns
        -------
        DisorderedRegressor

        Raises
        ------
        TypeError
            If the estimator is a classifier.
        """
        if is_classifier(self.estimator):
            raise TypeError("DisorderedRegressor averages numbers, got a classifier: give it a regressor")
        X = self._list(X)
        check_consistent_length(X, y)
        check_not_masked(y, "y")
        y = np.asarray(y)
        if y.ndim != 1:
            raise ValueError(f"y must hold one target for every crystal, got shape {y.shape}: fit one model a target")
        ordered, owner = self._expand(X)
        weight = check_sample_weight(sample_weight, len(X))
        weight = (weight / np.bincount(owner, minlength=len(X)))[owner]
        estimator = clone(self.estimator)
        options = {}
        if sample_weight is not None or len(ordered) > len(X):
            if get_config()["enable_metadata_routing"]:
                last_step(estimator).set_fit_request(sample_weight=True)
                options = {"sample_weight": weight}
            else:
                options = {f"{prefix_of_last_step(estimator)}sample_weight": weight}
        self.estimator_ = estimator.fit(ordered, y[owner], **options)
        return self

    @classmethod
    def from_fitted(cls, estimator, **parameters) -> Self:
        """Average predictions of what was fitted before.

        Parameters
        ----------
        estimator : regressor or Pipeline
            Fitted, for structures.
        **parameters
            Those of the class.

        Returns
        -------
        DisorderedRegressor
            Fitted.
        """
        check_is_fitted(estimator)
        if is_classifier(estimator):
            raise TypeError("DisorderedRegressor averages numbers, got a classifier: give it a regressor")
        model = cls(estimator, **parameters)
        model.estimator_ = estimator
        return model

    def predict(self, X) -> np.ndarray:
        """Predict the mean over the approximants or frames of every crystal.

        Parameters
        ----------
        X : list
            n crystals: structures, ordered or not, or lists of frames.

        Returns
        -------
        ndarray of shape (n,)
        """
        return self.predict_distribution(X)["mean"].to_numpy()

    def predict_distribution(self, X, *, quantiles=(0.05, 0.5, 0.95)) -> pd.DataFrame:
        """Predict mean, spread and quantiles over the approximants or frames of every crystal.

        Parameters
        ----------
        X : list
            n crystals: structures, ordered or not, or lists of frames.
        quantiles : tuple of float, default=(0.05, 0.5, 0.95)
            Which quantiles.

        Returns
        -------
        pandas.DataFrame
            n rows: `mean`, `std`, the quantiles, and `n`, the number of approximants or frames that could be used.
        """
        check_is_fitted(self)
        ordered, owner = self._expand(self._list(X))
        predicted = np.asarray(self.estimator_.predict(ordered))
        if predicted.ndim != 1:
            raise ValueError(f"DisorderedRegressor takes one target, the estimator predicts {predicted.shape[1]}")
        groups = pd.Series(predicted).groupby(owner)
        columns = {"mean": groups.mean(), "std": groups.std(ddof=0)}
        columns |= {f"q{q:g}": groups.quantile(q) for q in quantiles}
        return pd.DataFrame(columns | {"n": groups.count()})

    def _list(self, X):
        crystals = list(only_column(X, type(self).__name__))
        if not crystals:
            raise ValueError(f"{type(self).__name__} expects at least one crystal, got an empty {type(X).__name__}")
        return crystals

    def _expand(self, X):
        """List the ordered structures of all crystals, and the index of the crystal that each belongs to."""
        random, ordered, owner = check_random_state(self.random_state), [], []
        seed = int(random.randint(2**31 - 1))  # one for all: a prediction does not depend on the crystals beside it
        for k, crystal in enumerate(X):
            try:
                frames = self._frames(crystal, seed)
            except CrystalError as error:
                raise CrystalError(f"crystal {k} ({crystal!s:.80}): {error}") from error
            if not frames:
                raise ValueError(f"crystal {k} is a list without frames")
            ordered += frames
            owner += [k] * len(frames)
        return ordered, np.array(owner)

    def _frames(self, crystal, seed):
        if isinstance(crystal, list | tuple | np.ndarray):
            return list(crystal)
        return ordered_approximants(
            as_structure(crystal), self.n_approximants, max_sites=self.max_sites, random_state=seed
        )
