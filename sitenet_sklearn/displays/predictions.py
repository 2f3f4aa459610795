"""Pictures of predictions, in the form of scikit-learn's displays."""

import numpy as np
from pymatgen.core import Element
from scipy.stats import norm
from sklearn.metrics import mean_absolute_error

from .base import Display
from .periodic_table import draw_periodic_table

ZERO_GAP = 1e-3
"""Values up to this count as no gap."""


class _QuantityDisplay(Display):
    """What the displays of one quantity share."""

    def __init__(self, y_true, y_pred, *, quantity="band gap", unit="eV"):
        self.y_true, self.y_pred = np.asarray(y_true, float), np.asarray(y_pred, float)
        self.quantity, self.unit = quantity, unit

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, ax=None, **kwargs):
        """Plot known predictions; `kwargs` are those of the class."""
        return cls(y_true, y_pred, **kwargs).plot(ax=ax)


class ParityDisplay(_QuantityDisplay):
    """Predicted against true values, the density of points in colour, with the counts of zero gaps (Fig. 5b).

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n,)
        True and predicted values; crystals whose prediction is NaN are left out, and counted in the title.
    quantity : str, default="band gap"
        What the axes call it.
    unit : str, default="eV"
        Its unit.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.

    Examples
    --------
    >>> display = ParityDisplay.from_predictions([0.0, 1.0, 2.0], [0.0, 1.1, 1.8])
    >>> display.ax_.get_xlabel()
    'true band gap (eV)'
    """

    def plot(self, ax=None):
        """Draw on axes, by default on new ones, and return the display."""
        from matplotlib.ticker import LogLocator

        ax = self._axes(ax, figsize=(5.5, 4.8))
        known = ~np.isnan(self.y_pred)
        true, predicted = self.y_true[known], self.y_pred[known]
        ends = [min(true.min(), predicted.min(), 0), max(true.max(), predicted.max())]
        if ends[0] == ends[1]:
            ends[1] += 1
        density = ax.hexbin(true, predicted, gridsize=50, bins="log", mincnt=1, cmap="viridis", extent=ends * 2)
        ticks = LogLocator(subs=(1, 2, 5))
        self.figure_.colorbar(density, ax=ax, label="crystals", ticks=ticks, format="%d").minorticks_off()
        ax.plot(ends, ends, color="black", linewidth=1)
        left_out = f", {np.sum(~known)} not predicted" if not known.all() else ""
        ax.set(
            xlabel=f"true {self.quantity} ({self.unit})",
            ylabel=f"predicted {self.quantity} ({self.unit})",
            title=f"MAE {mean_absolute_error(true, predicted):.3f} {self.unit}, {len(true)} crystals{left_out}",
        )
        no_gap, none_predicted = np.abs(true) <= ZERO_GAP, np.abs(predicted) <= ZERO_GAP
        if no_gap.any():
            counts = [
                f"true 0, predicted 0: {np.sum(no_gap & none_predicted)}",
                f"true 0, predicted more: {np.sum(no_gap & ~none_predicted)}",
                f"true more, predicted 0: {np.sum(~no_gap & none_predicted)}",
            ]
            ax.text(0.03, 0.97, "\n".join(counts), transform=ax.transAxes, va="top", fontsize=9)
        return self


class ErrorDisplay(_QuantityDisplay):
    """Absolute error against the true value: every crystal, and the mean in bins.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n,)
        True and predicted values.
    quantity : str, default="band gap"
        What the axes call it.
    unit : str, default="eV"
        Its unit.
    n_bins : int, default=10
        Bins of equal width.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    """

    def __init__(self, y_true, y_pred, *, quantity="band gap", unit="eV", n_bins=10):
        super().__init__(y_true, y_pred, quantity=quantity, unit=unit)
        self.n_bins = n_bins

    def plot(self, ax=None):
        """Draw on axes, by default on new ones, and return the display."""
        ax = self._axes(ax, figsize=(5.5, 4))
        known = ~np.isnan(self.y_pred)
        true, error = self.y_true[known], np.abs(self.y_true - self.y_pred)[known]
        edges = np.linspace(true.min(), np.nextafter(true.max(), np.inf), self.n_bins + 1)
        bins = np.digitize(true, edges) - 1
        count = np.bincount(bins, minlength=self.n_bins)[: self.n_bins]
        total = np.bincount(bins, error, self.n_bins)[: self.n_bins]
        mean = np.full(self.n_bins, np.nan)
        np.divide(total, count, out=mean, where=count > 0)
        ax.plot(true, error, ".", color="tab:gray", alpha=0.4, markersize=4, label="crystal")
        ax.stairs(mean, edges, baseline=None, color="tab:blue", linewidth=2, label="mean of a bin")
        ax.set(xlabel=f"true {self.quantity} ({self.unit})", ylabel=f"absolute error ({self.unit})")
        ax.legend()
        return self


class ElementErrorDisplay(Display):
    """Mean absolute error of the crystals that hold an element, on the periodic table.

    Parameters
    ----------
    errors : dict of str to float
        Mean absolute error by the symbol of the element.
    counts : dict of str to int
        Number of crystals with the element.
    unit : str, default="eV"
        What the colour bar says.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    """

    def __init__(self, errors, counts, *, unit="eV"):
        self.errors, self.counts, self.unit = errors, counts, unit

    @classmethod
    def from_estimator(cls, estimator, X, y, **kwargs):
        """Predict for structures and plot; `kwargs` are those of `from_predictions`."""
        return cls.from_predictions(X, y, estimator.predict(X), **kwargs)

    @classmethod
    def from_predictions(cls, X, y_true, y_pred, *, unit="eV", ax=None):
        """Plot known predictions.

        Parameters
        ----------
        X : list of pymatgen Structure, or RaggedCrystals
            n crystals.
        y_true, y_pred : array-like of shape (n,)
            True and predicted values; NaN is left out.
        unit : str, default="eV"
            What the colour bar says.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ElementErrorDisplay
        """
        sums, counts = {}, {}
        for crystal, error in zip(X, np.abs(np.asarray(y_true, float) - y_pred), strict=True):
            if not np.isnan(error):
                for symbol in _symbols(crystal):
                    sums[symbol] = sums.get(symbol, 0.0) + float(error)
                    counts[symbol] = counts.get(symbol, 0) + 1
        return cls({symbol: total / counts[symbol] for symbol, total in sums.items()}, counts, unit=unit).plot(ax=ax)

    def plot(self, ax=None):
        """Draw on axes, by default on new ones, and return the display."""
        ax = self._axes(ax, figsize=(10, 5))
        draw_periodic_table(ax, self.errors, texts=self.counts, label=f"mean absolute error ({self.unit})")
        ax.set_title("error by element, with the number of crystals that hold it")
        return self


class UncertaintyDisplay(Display):
    """Observed against expected share of true values inside intervals.

    From means and standard deviations these are central intervals of a normal distribution. What is right lies on the
    diagonal; below it the intervals are too narrow.

    Parameters
    ----------
    expected, observed : ndarray of shape (k,)
        Shares, from 0 to 1.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> mean, std = np.zeros(2000), np.full(2000, 0.5)
    >>> display = UncertaintyDisplay.from_predictions(random.normal(mean, std), mean, std)
    >>> bool(abs(display.observed - display.expected).max() < 0.05)
    True
    """

    def __init__(self, expected, observed):
        self.expected, self.observed = expected, observed

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None):
        """Predict with `return_std=True`, as a `SiteNetEnsemble` does, and plot."""
        return cls.from_predictions(y, *estimator.predict(X, return_std=True), ax=ax)

    @classmethod
    def from_predictions(cls, y_true, y_pred, y_std, *, ax=None):
        """Plot known means and standard deviations; crystals whose prediction is NaN are left out."""
        known = ~np.isnan(y_pred)
        deviation = np.abs(np.asarray(y_true)[known] - y_pred[known])
        expected = np.linspace(0, 1, 21)[1:-1]
        half_width = norm.ppf(0.5 + expected / 2)[:, None] * y_std[known]
        return cls(expected, (deviation <= half_width).mean(axis=1)).plot(ax=ax)

    @classmethod
    def from_intervals(cls, y_true, lower, upper, levels, *, ax=None):
        """Plot known intervals.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            True values.
        lower, upper : ndarray of shape (n, k)
            Ends of k intervals, as `predict_intervals` makes them; crystals whose ends are NaN are left out.
        levels : array-like of shape (k,)
            Shares of true values that they ought to hold.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        UncertaintyDisplay
        """
        known = ~np.isnan(lower).any(axis=1)
        true = np.asarray(y_true, float)[known, None]
        return cls(np.asarray(levels), ((lower[known] <= true) & (true <= upper[known])).mean(axis=0)).plot(ax=ax)

    def plot(self, ax=None):
        """Draw on axes, by default on new ones, and return the display."""
        ax = self._axes(ax, figsize=(4.5, 4.5))
        ax.plot([0, 1], [0, 1], color="black", linewidth=1, label="ideal")
        ax.plot(self.expected, self.observed, "o-", markersize=4, label="observed")
        ax.set(xlabel="expected share inside the interval", ylabel="observed share", aspect="equal")
        ax.legend()
        return self


def _symbols(crystal):
    if hasattr(crystal, "composition"):
        return {element.symbol for element in crystal.composition.element_composition}
    return {Element.from_Z(int(z)).symbol for z in np.unique(crystal.atomic_numbers)}
