"""`CalibratedRegressor`: a prediction, an interval, and the reasons to trust or to doubt them."""

from numbers import Real
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.utils.validation import check_is_fitted

from sitenet_sklearn._validation import HasMethods, Interval, _fit_context, check_sample_weight, check_target

from .conformal import ConformalScale, fit_conformal
from .ensemble import SiteNetEnsemble, first_network, networks_of
from .novelty import Neighborhood, TrainingCrystals, composition_of, reasons_to_doubt, remember
from .regressor import KnownTargetsMixin, SiteNetRegressor
from .selection import check_crystals

FEWEST = 10
"""Fewest crystals to calibrate with."""
N_LISTED = 3


class Calibration(NamedTuple):
    """What held-out and training crystals say about predictions to come.

    Attributes
    ----------
    scale : ConformalScale
        How large errors are.
    distances : ndarray of shape (n,)
        Distances of the held-out crystals to the training crystals, in ascending order.
    known : TrainingCrystals
        The training crystals.
    chance : ndarray of shape (2, k) or None
        Predictions before the clamp, and the probability of a value above 0 at each; None where there is no lowest
        value of 0 or too few crystals have it.
    """

    scale: ConformalScale
    distances: np.ndarray
    known: TrainingCrystals
    chance: np.ndarray | None


class CalibratedRegressor(MetaEstimatorMixin, KnownTargetsMixin, BaseEstimator):
    """A regressor that says when to trust it.

    A part of the crystals is held out of training. Their errors make intervals that hold as often as they say, wider
    where the members of an ensemble disagree, where training crystals are far away, and for elements that none of them
    has (`conformal`).

    Parameters
    ----------
    estimator : SiteNetEnsemble or SiteNetRegressor, default=None
        What to train, for a single target. None is ``SiteNetEnsemble()``.
    calibration_fraction : float, default=0.1
        Share of the crystals to hold out.
    random_state : int, RandomState instance or None, default=None
        Chooses the crystals to hold out.

    Attributes
    ----------
    estimator_ : estimator
        The fitted regressor.
    calibration_ : Calibration
        What was learned from the held-out crystals.
    held_out_rows_ : ndarray of int
        Rows of X that `fit` held out.

    See Also
    --------
    predict_table : The same from structures.

    Examples
    --------
    >>> from sitenet_sklearn import CalibratedRegressor, SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> X = SupercellFeaturizer(max_atoms=20).fit_transform(structures[:60])
    >>> model = CalibratedRegressor(SiteNetRegressor(max_epochs=2), calibration_fraction=0.5, random_state=0)
    >>> predicted, lower, upper = model.fit(X, band_gap[:60]).predict_interval(X, level=0.8)
    >>> bool((lower <= predicted).all() and (predicted <= upper).all())
    True
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator=None, *, calibration_fraction=0.1, random_state=None) -> None:
        self.estimator = estimator
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None) -> Self:
        """Hold out a part of the crystals, train on the rest, and calibrate.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals. Masked ones are left out.
        y : array-like of shape (n,)
            One target.
        sample_weight : array-like of shape (n,), default=None
            Weights of the crystals in training; those held out count alike.

        Returns
        -------
        CalibratedRegressor
            The estimator itself.
        """
        check_crystals(X, self)
        weight = check_sample_weight(sample_weight, len(X))
        usable = np.flatnonzero(X.valid)
        X, y = _usable(X, y, self)
        if _clamps(self.estimator) and y.min() < 0:
            row = usable[y.argmin()]
            raise ValueError(f"y[{row}] is {y.min():.4g}, but the network clamps at 0: pass clamp=False to predict it")
        splitter = ShuffleSplit(1, test_size=self.calibration_fraction, random_state=self.random_state)
        rest, held_out = next(splitter.split(np.arange(len(y))))
        learned = rest[weight[usable[rest]] > 0]
        weights = {} if sample_weight is None else {"sample_weight": weight[usable[rest]]}
        fitted = clone(SiteNetEnsemble() if self.estimator is None else self.estimator).fit(X[rest], y[rest], **weights)
        self._calibrate(fitted, _remember(fitted, X[learned], y[learned]), X[held_out], y[held_out])
        self.held_out_rows_ = usable[held_out]
        return self

    @classmethod
    def from_fitted(cls, estimator, training, held_out) -> Self:
        """Calibrate what was trained before.

        Parameters
        ----------
        estimator : SiteNetEnsemble or SiteNetRegressor
            Fitted.
        training : tuple of RaggedCrystals and array-like of shape (n,), or TrainingCrystals
            Crystals that it was trained on, and their targets; or what an earlier calibration remembered of them,
            `calibration_.known`.
        held_out : tuple of RaggedCrystals and array-like of shape (m,)
            Crystals that it has never seen, and their targets.

        Returns
        -------
        CalibratedRegressor
            Fitted.
        """
        check_is_fitted(estimator)
        model = cls(clone(estimator))
        known = training
        if not isinstance(training, TrainingCrystals):
            X, y = training
            known = _remember(estimator, *_usable(X, y, model))
        X_held_out, y_held_out = held_out
        return model._calibrate(estimator, known, *_usable(X_held_out, y_held_out, model))

    def predict(self, X) -> np.ndarray:
        """Predict as the estimator inside: ndarray of shape (n,), NaN for masked crystals."""
        check_is_fitted(self)
        return self.estimator_.predict(X)

    def predict_interval(self, X, level=0.9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Predict with intervals.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals.
        level : float, default=0.9
            Share of crystals like those of the calibration whose value lies inside.

        Returns
        -------
        predicted, lower, upper : ndarray of shape (n,)
            Predictions and ends of the intervals, which stop at 0 where the network does. They are infinite where
            there were too few crystals to calibrate with for such a level.
        """
        table = self.predict_table(X, level)
        return tuple(table[name].to_numpy() for name in ("prediction", "lower", "upper"))

    def predict_table(self, X, level=0.9) -> pd.DataFrame:
        """Predict with all that is known about the prediction.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals.
        level : float, default=0.9
            As in `predict_interval`.

        Returns
        -------
        pandas.DataFrame
            n rows with the labels of X: `prediction`; `lower` and `upper`; `std`, the spread of an ensemble;
            `probability_above_0`, for quantities such as band gaps that are often exactly 0, but NaN with an element
            that no training crystal has; `novelty`, the percentage of held-out crystals that are nearer to the training
            crystals; `flags`, reasons to doubt, as text; `nearest`, three training crystals with their ids and values.
            Masked crystals have NaN and no text.
        """
        check_is_fitted(self)
        check_level(level)
        check_crystals(X, self, may_be_empty=True)
        valid = np.flatnonzero(X.valid)
        table = pd.DataFrame(self._columns(X[valid], level) if len(valid) else {}, valid, self._names())
        table = table.reindex(range(len(X)))
        texts = ["flags", "nearest"]
        table = table.astype(dict.fromkeys(table.columns.drop(texts), float)).fillna(dict.fromkeys(texts, ""))
        return table if X.index is None else table.set_axis(X.index)

    def _names(self):
        names = ["prediction", "lower", "upper", "std", "probability_above_0", "novelty", "flags", "nearest"]
        if not isinstance(self.estimator_, SiteNetEnsemble):
            names.remove("std")
        if self.calibration_.chance is None:
            names.remove("probability_above_0")
        return names

    def _columns(self, X, level):
        found = _Findings(self.estimator_, X)
        calibration, search = self.calibration_, self._neighborhood()
        distance, rows = search.nearest(found.vectors)
        compositions = list(map(composition_of, X))
        counts = [self._counts(composition) for composition in compositions]
        unknown = np.array([min(of_elements.values()) == 0 for of_elements in counts])
        width = calibration.scale.half_width(level, found.signs(distance), unknown)
        lower = found.mean - width
        columns = {"prediction": found.mean}
        columns["lower"] = np.maximum(lower, 0.0) if found.has_floor else lower
        columns["upper"] = found.mean + width
        if found.std is not None:
            columns["std"] = found.std
        if calibration.chance is not None:
            columns["probability_above_0"] = np.where(unknown, np.nan, np.interp(found.raw, *calibration.chance))
        novelty = np.searchsorted(calibration.distances, distance, side="left") / len(calibration.distances) * 100
        columns["novelty"] = novelty
        ends = columns["lower"], columns["upper"]
        contradicted = list(map(search.contradicts, compositions, rows, *ends))
        columns["flags"] = list(map(reasons_to_doubt, counts, novelty, X.oversized, contradicted))
        columns["nearest"] = [search.describe(some[:N_LISTED]) for some in rows]
        return columns

    def _counts(self, composition):
        """How many training crystals have each element of a crystal."""
        counts = self.calibration_.known.counts
        return {element.symbol: counts.get(element.symbol, 0) for element in composition}

    def _neighborhood(self):
        if not hasattr(self, "_search"):
            self._search = Neighborhood(self.calibration_.known)
        return self._search

    def _calibrate(self, fitted, known, X, y):
        if len(y) < FEWEST:
            raise ValueError(f"at least {FEWEST} crystals are needed to calibrate, got {len(y)}")
        found = _Findings(fitted, X)
        distance, _ = Neighborhood(known).nearest(found.vectors)
        scale = fit_conformal(found.mean, y, found.signs(distance))
        self.estimator_ = fitted
        self.calibration_ = Calibration(scale, np.sort(distance), known, _chance(found, y))
        vars(self).pop("_search", None)
        return self

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "_search"}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.target_tags.multi_output = False
        tags.regressor_tags.poor_score = True
        return tags


def check_level(level):
    """Raise a ValueError unless a level is a number between 0 and 1."""
    if not isinstance(level, Real) or not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}: 0.9 is usual")


class _Findings:
    """What a fitted regressor says about m unmasked crystals."""

    def __init__(self, fitted, X):
        networks = [member.net_.module_ for member in networks_of(fitted)]
        vectors = [np.asarray(member.transform(X)) for member in networks_of(fitted)]  # the long work, once each
        with torch.inference_mode():
            pairs = zip(networks, vectors, strict=True)
            raw = np.stack([net.raw_of(torch.from_numpy(v).to(net.target_shift)).cpu().numpy() for net, v in pairs])
        self.vectors, self.has_floor = vectors[0], networks[0].config["clamp"] is True
        predicted = raw.clip(min=0) if self.has_floor else raw
        self.raw, self.mean, self.std = raw[0], predicted[0], None
        if isinstance(fitted, SiteNetEnsemble):
            self.raw, self.mean = fitted.average(raw), fitted.average(predicted)
            self.std = np.sqrt(fitted.average((predicted - self.mean) ** 2))

    def signs(self, distance):
        """Signs of uncertainty, (m, 1) or with an ensemble (m, 2)."""
        return np.column_stack([distance] if self.std is None else [distance, self.std])


def _clamps(estimator):
    """Whether an estimator that is not fitted yet will predict nothing below 0."""
    inner = estimator.estimator if isinstance(estimator, SiteNetEnsemble) else estimator
    return getattr(SiteNetRegressor() if inner is None else inner, "clamp", False) is True


def _remember(fitted, X, y):
    if not first_network(fitted).train_oversized and not X.oversized.all():
        X, y = X[~X.oversized], y[~X.oversized]
    return remember(X, first_network(fitted).transform(X), y)


def _usable(X, y, estimator):
    """Crystals that are not masked, and their targets, or an error."""
    check_crystals(X, estimator)
    y = check_target(y, X.valid)
    if y.ndim != 1:
        raise ValueError(f"CalibratedRegressor takes one target, got {y.shape[1]}: train one for each")
    usable = X[X.valid]
    if usable.index is None:  # rows of X name the crystals
        usable.index = pd.Index(np.flatnonzero(X.valid))
    return usable, y[X.valid]


def _chance(found, y, fewest=20):
    """Fit the probability of a value above 0, which rises with the prediction, where both kinds are there."""
    above = y > 0
    if not found.has_floor or min(above.sum(), (~above).sum()) < fewest:
        return None
    model = IsotonicRegression(y_min=0, y_max=1).fit(found.raw, above)
    return np.stack([model.X_thresholds_, model.y_thresholds_]).astype(float)
