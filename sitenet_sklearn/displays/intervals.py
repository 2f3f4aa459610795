"""A picture of predictions with their intervals."""

import numpy as np

from sitenet_sklearn.analysis.intervals import predict_intervals

from .base import Display


class IntervalDisplay(Display):
    """Intervals of crystals in the order of their predictions, with the true values.

    Parameters
    ----------
    y_true, y_pred, lower, upper : ndarray of shape (n,)
        True values, predictions, and the ends of their intervals; crystals whose prediction is NaN are left out.
    quantity : str, default="band gap"
        What the axes call it.
    unit : str, default="eV"
        Its unit.

    Attributes
    ----------
    coverage_ : float
        Share of the true values that lie inside.
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.

    Examples
    --------
    >>> IntervalDisplay.from_predictions([0.0, 1.0], [0.1, 2.0], [0.0, 1.5], [0.6, 2.5]).coverage_
    0.5
    """

    def __init__(self, y_true, y_pred, lower, upper, *, quantity="band gap", unit="eV"):
        self.y_true, self.y_pred = np.asarray(y_true, float), np.asarray(y_pred, float)
        self.lower, self.upper = np.asarray(lower, float), np.asarray(upper, float)
        self.quantity, self.unit = quantity, unit

    @classmethod
    def from_estimator(cls, estimator, X, y, *, level=0, lowest=0.0, ax=None, **kwargs):
        """Predict and plot.

        Parameters
        ----------
        estimator : object with `predict_interval`
            A conformalized regressor of MAPIE.
        X : list of crystals or RaggedCrystals
            n crystals.
        y : array-like of shape (n,)
            True values.
        level : int, default=0
            Which of its confidence levels.
        lowest : float, default=0.0
            Smallest possible value, or None.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs
            Those of the class.

        Returns
        -------
        IntervalDisplay
        """
        predicted, lower, upper = predict_intervals(estimator, X, lowest=lowest)
        return cls.from_predictions(y, predicted, lower[:, level], upper[:, level], ax=ax, **kwargs)

    @classmethod
    def from_predictions(cls, y_true, y_pred, lower, upper, *, ax=None, **kwargs):
        """Plot known intervals; `kwargs` are those of the class."""
        return cls(y_true, y_pred, lower, upper, **kwargs).plot(ax=ax)

    def plot(self, ax=None):
        """Draw on axes, by default on new ones, and return the display."""
        ax = self._axes(ax, figsize=(7, 4))
        order = np.argsort(self.y_pred)[: np.sum(~np.isnan(self.y_pred))]
        true, lower, upper = self.y_true[order], self.lower[order], self.upper[order]
        inside = (lower <= true) & (true <= upper)
        self.coverage_ = float(inside.mean())
        place = np.arange(len(order))
        ax.vlines(place, lower, upper, color="tab:blue", alpha=0.25, linewidth=2, label="interval")
        ax.plot(place, self.y_pred[order], color="black", linewidth=1, label="predicted")
        ax.plot(place[inside], true[inside], ".", color="tab:blue", markersize=4, label="true, inside")
        ax.plot(place[~inside], true[~inside], "x", color="tab:orange", markersize=5, label="true, outside")
        title = f"{self.coverage_:.0%} of {len(order)} crystals lie in their interval"
        ax.set(xlabel=f"crystals by predicted {self.quantity}", ylabel=f"{self.quantity} ({self.unit})", title=title)
        ax.legend()
        return self
