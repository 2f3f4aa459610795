"""Pictures of attention, in the form of scikit-learn's displays."""

import numpy as np
from scipy.stats import spearmanr

from sitenet_sklearn.analysis.attention import attention_histogram, long_range_coefficients, neighbor_table

COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
"""Colours that the colour-blind can tell apart (Okabe and Ito)."""
MARKERS = "osD^vP"


class AttentionHistogramDisplay:
    """Attention weight against distance, a panel for every block and head (Fig. 6 of the paper).

    Parameters
    ----------
    histogram : AttentionHistogram
        From `attention_histogram`.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_blocks, n_heads)
        After `plot`.
    figure_ : matplotlib Figure
        After `plot`.
    """

    def __init__(self, histogram):
        self.histogram = histogram

    @classmethod
    def from_estimator(cls, estimator, X, **kwargs):
        """Count and plot; `kwargs` are those of `attention_histogram`."""
        return cls(attention_histogram(estimator, X, **kwargs)).plot()

    def plot(self, axes=None):
        """Draw on axes of shape (n_blocks, n_heads), by default on new ones, and return the display."""
        n_blocks, n_heads = self.histogram.counts.shape[:2]
        axes = _panels(n_blocks, n_heads) if axes is None else axes
        self.axes_, self.figure_ = axes, axes[0, 0].figure
        shares = self.histogram.normalized
        ordered = np.argsort(shares, axis=None)
        below = self.histogram.counts.ravel()[ordered].cumsum()
        highest = shares.ravel()[ordered][np.searchsorted(below, 0.99 * below[-1])]  # few pairs do not set the colours
        for block, head in np.ndindex(n_blocks, n_heads):
            ax, share = axes[block, head], shares[block, head].T
            edges = self.histogram.distance_edges, self.histogram.weight_edges
            image = ax.pcolormesh(*edges, np.where(share > 0, share, np.nan), vmin=0, vmax=highest, cmap="viridis")
        _label(axes)
        self.figure_.colorbar(image, ax=axes, label="share of the pairs at a distance", extend="max")
        return self


class NeighborDisplay:
    """Attention of one site to its neighbours, a panel for every block and head.

    A point is a neighbour, or several equal ones, whose number is its area; the dashed line is attention shared equally
    among all sites of the supercell.

    Parameters
    ----------
    neighbors : pandas.DataFrame
        Rows of one site, from `neighbor_table`.
    title : str, default=None
        Title of the figure; None for none.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_blocks, n_heads)
        After `plot`.
    figure_ : matplotlib Figure
        After `plot`.
    """

    def __init__(self, neighbors, *, title=None):
        self.neighbors, self.title = neighbors, title

    @classmethod
    def from_estimator(cls, estimator, X, *, index=0, site=0):
        """Compute and plot.

        Parameters
        ----------
        estimator : SiteNetRegressor or SiteNetClassifier
            Fitted.
        X : RaggedCrystals
            Crystals.
        index : int, default=0
            Which crystal.
        site : int, default=0
            Which of its compressed sites, as `neighbor_table` numbers them.

        Returns
        -------
        NeighborDisplay

        Raises
        ------
        IndexError
            If there is no such crystal, or it has no such site.
        """
        crystal = X[index]
        table = neighbor_table(estimator.attention(X[[index]])[0], crystal)
        if not 0 <= site < len(crystal.multiplicity):
            raise IndexError(f"crystal {index} has sites 0 to {len(crystal.multiplicity) - 1}, got {site}")
        neighbors = table[table["site"] == site]
        return cls(neighbors, title=f"crystal {index}, site {site} ({neighbors['element_i'].iloc[0]})").plot()

    def plot(self, axes=None):
        """Draw on axes of shape (n_blocks, n_heads), by default on new ones, and return the display."""
        n_blocks, n_heads = self.neighbors[["block", "head"]].max()
        axes = _panels(n_blocks, n_heads) if axes is None else axes
        self.axes_, self.figure_ = axes, axes[0, 0].figure
        elements = sorted(self.neighbors["element_j"].unique())
        for (block, head), rows in self.neighbors.groupby(["block", "head"]):
            ax = axes[block - 1, head - 1]
            for k, element in enumerate(elements):
                of = rows[rows["element_j"] == element]
                single = of["attention"] / of["count"]
                style = {"marker": MARKERS[k % len(MARKERS)], "color": COLORS[k % len(COLORS)], "alpha": 0.7}
                ax.scatter(of["distance"], single, s=12 * of["count"], linewidths=0, label=element, **style)
            ax.axhline(1 / rows["count"].sum(), color="black", linestyle="--", linewidth=0.8)
        _label(axes)
        self.figure_.suptitle(self.title)
        self.figure_.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper", title="neighbour")
        return self


class LongRangeDisplay:
    """Long-range coefficient against a measure of the crystals, with its trend (Fig. 7 of the paper).

    Parameters
    ----------
    measure : ndarray of shape (n,)
        For example `complexity(structure).total`, or the cube root of the primitive volume.
    coefficient : ndarray of shape (n,)
        Sum over the heads of a block, in angstrom.
    measure_name : str, default="configurational complexity (bits per primitive cell)"
        What the axis says.

    Attributes
    ----------
    rank_correlation_ : float
        Spearman's.
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    """

    def __init__(self, measure, coefficient, *, measure_name="configurational complexity (bits per primitive cell)"):
        self.measure, self.coefficient = np.asarray(measure, float), np.asarray(coefficient, float)
        self.measure_name = measure_name

    @classmethod
    def from_estimator(cls, estimator, X, measure, *, block=2, ax=None, **kwargs):
        """Compute and plot.

        Parameters
        ----------
        estimator : SiteNetRegressor or SiteNetClassifier
            Fitted.
        X : RaggedCrystals
            n crystals; masked ones are left out.
        measure : array-like of shape (n,)
            A measure of every crystal.
        block : int, default=2
            Whose heads are summed, counted from 1; the paper takes the second.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs
            Those of the class.

        Returns
        -------
        LongRangeDisplay

        Raises
        ------
        ValueError
            If there is no such block.
        """
        coefficients = long_range_coefficients(estimator, X)
        n_blocks = coefficients.shape[1]
        if not 1 <= block <= n_blocks:
            raise ValueError(f"block must be one of 1 to {n_blocks}, got {block}")
        coefficient = coefficients[:, block - 1].sum(axis=1)
        return cls(measure, coefficient, **kwargs).plot(ax=ax)

    def plot(self, ax=None):
        """Draw on axes, by default on new ones, and return the display."""
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        known = np.isfinite(self.measure) & np.isfinite(self.coefficient)
        x, y = self.measure[known], self.coefficient[known]
        self.rank_correlation_ = float(spearmanr(x, y).statistic)
        ax.plot(x, y, ".", markersize=4, alpha=0.5)
        slope, intercept = np.polyfit(x, y, 1)
        ends = np.array([x.min(), x.max()])
        ax.plot(ends, slope * ends + intercept, color="tab:orange", label=f"trend, {slope:+.3g} Å per unit")
        title = f"rank correlation {self.rank_correlation_:.2f}, {len(x)} crystals"
        ax.set(xlabel=self.measure_name, ylabel="long-range coefficient (Å)", title=title)
        ax.legend()
        return self


def _panels(n_blocks, n_heads):
    """Make a figure with axes for every block and head."""
    import matplotlib.pyplot as plt

    size = (1 + 2.6 * n_heads, 0.6 + 2.2 * n_blocks)
    _, axes = plt.subplots(
        n_blocks, n_heads, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    return axes


def _label(axes):
    """Say what panels of attention against distance are."""
    for block, head in np.ndindex(axes.shape):
        axes[block, head].set(yscale="log", title=f"block {block + 1}, head {head + 1}")
    for ax in axes[-1]:
        ax.set_xlabel("distance (Å)")
    for ax in axes[:, 0]:
        ax.set_ylabel("attention weight")
