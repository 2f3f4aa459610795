"""What a fitted network attends to: histograms, ranges, element pairs and the long-range coefficient.

All of it streams over crystals. Pairs that stand for several equal ones are counted as those, so that the results are
those of the uncompressed crystals.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from pymatgen.core import Element
from sklearn.utils.validation import check_is_fitted

from sitenet_sklearn.estimators.selection import check_crystals

CHUNK = 64
"""Crystals whose attention is in memory at a time."""

LOWEST_WEIGHT = 1e-6

SUMMARIES = ("ranges", "elements", "long-range")

BEYOND = 1.001
"""Upper end of the histogram in units of the largest distance: distances of a periodic crystal are simple fractions of
each other, and would lie at the very edges of bins that end with the largest."""


class AttentionHistogram(NamedTuple):
    """Numbers of pairs by distance and attention weight.

    Attributes
    ----------
    counts : ndarray of shape (n_blocks, n_heads, d, w)
        Pairs of sites (i, j) in every bin.
    distance_edges : ndarray of shape (d + 1,)
        Edges of the bins of distance, in angstrom.
    weight_edges : ndarray of shape (w + 1,)
        Edges of the bins of attention weight; smaller weights are in the first bin.
    """

    counts: np.ndarray
    distance_edges: np.ndarray
    weight_edges: np.ndarray

    @property
    def normalized(self):
        """Shares in every bin of distance, as in Fig. 6 of the paper; they sum to 1, or are 0 where no pair is."""
        return self.counts / np.maximum(self.counts.sum(axis=-1, keepdims=True), 1)


def attention_histogram(estimator, X, *, bins=(60, 60), max_distance=None):
    """Count pairs of sites by distance and attention weight, for every block and head.

    Fig. 6 of the paper (doi:10.1039/d3dd00005b) shows these counts, normalised in every bin of distance.

    Parameters
    ----------
    estimator : SiteNetRegressor or SiteNetClassifier
        Fitted.
    X : RaggedCrystals
        n crystals, also from a store; masked ones count nothing.
    bins : pair of int, default=(60, 60)
        Numbers of bins: of distance, linear from 0, and of weight, logarithmic from 1e-6 to 1.
    max_distance : float, default=None
        Upper end of the distances, in angstrom; pairs beyond are not counted. None is just beyond the largest
        distance in X.

    Returns
    -------
    AttentionHistogram

    Examples
    --------
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> crystals = SupercellFeaturizer(max_atoms=20).fit_transform(structures[:30])
    >>> model = SiteNetRegressor(max_epochs=1).fit(crystals, band_gap[:30])
    >>> histogram = attention_histogram(model, crystals)
    >>> histogram.counts.shape
    (2, 3, 60, 60)
    """
    shape = _blocks_and_heads(estimator, X)
    if max_distance is None:
        largest = (float(X[k : k + CHUNK].field("pair_distance").max(initial=0)) for k in _starts(X))
        max_distance = BEYOND * max(largest, default=0) or 1.0
    distance_edges = np.linspace(0, max_distance, bins[0] + 1)
    weight_edges = np.geomspace(LOWEST_WEIGHT, 1, bins[1] + 1)
    counts = np.zeros((*shape, *bins))
    for record in attention_of(estimator, X):
        single = np.clip(record.weights / record.count[:, None, None], LOWEST_WEIGHT, 1)
        pairs = record.count * record.multiplicity
        for block, head in np.ndindex(shape):
            found = np.histogram2d(
                record.distance, single[:, block, head], (distance_edges, weight_edges), weights=pairs
            )
            counts[block, head] += found[0]
    return AttentionHistogram(counts, distance_edges, weight_edges)


def long_range_coefficients(estimator, X):
    r"""Measure how far every head looks: the largest product of distance and attention in a crystal.

    .. math::

        c_h = \max_{ij} d_{ij} a_{ijh}

    (eq. 8 of doi:10.1039/d3dd00005b). Its Fig. 7 shows the sum over the heads of the second block,
    ``long_range_coefficients(estimator, X)[:, 1].sum(axis=1)``.

    Parameters
    ----------
    estimator : SiteNetRegressor or SiteNetClassifier
        Fitted.
    X : RaggedCrystals
        n crystals.

    Returns
    -------
    ndarray of shape (n, n_blocks, n_heads)
        In angstrom; NaN for masked crystals.
    """
    coefficients = np.full((len(X), *_blocks_and_heads(estimator, X)), np.nan)
    for k, record in enumerate(attention_of(estimator, X)):
        if len(record.distance):
            share = record.distance / record.count
            coefficients[k] = (share[:, None, None] * record.weights).max(axis=0)
    return coefficients


def attention_range(estimator, X, *, quantiles=(0.1, 0.5, 0.9)):
    """Summarise the distances that every head attends to, over all sites of all crystals.

    Parameters
    ----------
    estimator : SiteNetRegressor or SiteNetClassifier
        Fitted.
    X : RaggedCrystals
        n crystals.
    quantiles : tuple of float, default=(0.1, 0.5, 0.9)
        Shares of the attention; distances that so much of it does not exceed, to 0.01 angstrom.

    Returns
    -------
    pandas.DataFrame
        One row for every block and head: their numbers, the mean distance weighted by attention, and the quantiles, in
        angstrom. Blocks and heads count from 1.
    """
    shape = _blocks_and_heads(estimator, X)
    step, moment, mass = 0.01, np.zeros(shape), np.zeros((*shape, 1))
    for record in attention_of(estimator, X):
        weights = record.weights * record.multiplicity[:, None, None]
        moment += (weights * record.distance[:, None, None]).sum(axis=0)
        bins = np.ceil(record.distance / step).astype(int)
        if bins.max(initial=0) >= mass.shape[2]:
            mass = np.pad(mass, ((0, 0), (0, 0), (0, bins.max() + 1 - mass.shape[2])))
        for block, head in np.ndindex(shape):
            mass[block, head] += np.bincount(bins, weights[:, block, head], mass.shape[2])
    total = mass.sum(axis=2)
    share = mass.cumsum(axis=2) / total[:, :, None]
    rows = []
    for block, head in np.ndindex(shape):
        ends = {f"q{q:g}": step * np.searchsorted(share[block, head], q - 1e-9) for q in quantiles}
        rows.append({"block": block + 1, "head": head + 1, "mean": moment[block, head] / total[block, head]} | ends)
    return pd.DataFrame(rows)


def attention_by_elements(estimator, X):
    """Tell how the attention of the sites of one element is shared among elements.

    Parameters
    ----------
    estimator : SiteNetRegressor or SiteNetClassifier
        Fitted.
    X : RaggedCrystals
        n crystals.

    Returns
    -------
    pandas.DataFrame
        One row for every block, head and pair of elements i, j that occurs: `attention`, the mean over sites i of what
        they pay to all sites j, so that the rows of an element i sum to 1 where every crystal has all its partners;
        `distance`, its mean weighted by attention, in angstrom; `sites`, the number of sites i in crystals with j.
    """
    _blocks_and_heads(estimator, X)
    parts = []
    for k, record in enumerate(attention_of(estimator, X)):
        table = neighbor_table(record, X[k])
        table["moment"] = table["attention"] * table["distance"] * table["multiplicity"]
        table["attention"] *= table["multiplicity"]
        keys = ["block", "head", "element_i", "element_j"]
        summed = table.groupby(keys, sort=False)[["attention", "moment"]].sum()
        sites = table.drop_duplicates(["site", "element_i"]).groupby("element_i")["multiplicity"].sum()
        summed["sites"] = sites.reindex(summed.index.get_level_values("element_i")).to_numpy()
        parts.append(summed.reset_index())
    found = pd.concat(parts).groupby(["block", "head", "element_i", "element_j"], as_index=False).sum()
    found["distance"] = found["moment"] / found["attention"].where(found["attention"] > 0)
    found["attention"] /= found["sites"]
    return found[["block", "head", "element_i", "element_j", "attention", "distance", "sites"]]


def neighbor_table(record, crystal):
    """List the attention of every site of one crystal to all its neighbours, as a tidy table.

    Parameters
    ----------
    record : CrystalAttention
        Of the crystal, from ``estimator.attention(X)``.
    crystal : Crystal
        The crystal, ``X[k]``.

    Returns
    -------
    pandas.DataFrame
        One row for every pair, block and head: `site`, the number of the compressed site i; the elements of i and j;
        `distance` in angstrom; `count`, equal neighbours j of one site i; `multiplicity`, equal sites i; `attention` of
        one site i to all equal neighbours together.
    """
    n_pairs, n_blocks, n_heads = record.weights.shape
    pair, block, head = (axis.ravel() for axis in np.indices((n_pairs, n_blocks, n_heads)))
    symbols = np.array([Element.from_Z(z).symbol for z in range(1, 119)])
    return pd.DataFrame(
        {
            "site": np.asarray(crystal.pair_site)[pair],
            "element_i": symbols[record.atomic_numbers[pair, 0] - 1],
            "element_j": symbols[record.atomic_numbers[pair, 1] - 1],
            "distance": record.distance[pair],
            "count": record.count[pair],
            "multiplicity": record.multiplicity[pair],
            "block": block + 1,
            "head": head + 1,
            "attention": record.weights.reshape(-1),
        }
    )


def attention_of(estimator, X):
    """Yield the `CrystalAttention` of every crystal, with few of them in memory at a time."""
    for start in _starts(X):
        yield from estimator.attention(X[start : start + CHUNK])


def _starts(X):
    return range(0, len(X), CHUNK)


def _blocks_and_heads(estimator, X):
    """Check crystals and estimator, and tell how many blocks and heads it has."""
    check_crystals(X, estimator)
    check_is_fitted(estimator)
    network = estimator.net_.module_
    return len(network.blocks), network.n_heads


def strongest_neighbors(estimator, X, ids, formulas, *, top=20):
    """List, for every crystal, block, head and site, the neighbours that get most attention.

    Parameters
    ----------
    estimator : SiteNetRegressor or SiteNetClassifier
        Fitted.
    X : RaggedCrystals
        n crystals.
    ids, formulas : sequence of str, length n
        What to call them.
    top : int, default=20
        Neighbours of a site to keep. Equal neighbours are one row, with their `count`.

    Yields
    ------
    pandas.DataFrame
        Of one crystal: `id`, `formula`, `block`, `head`, `site`, and the columns of
        `sitenet_sklearn.analysis.neighbor_table`, the strongest first.
    """
    keys = ["block", "head", "site"]
    for k, record in enumerate(attention_of(estimator, X)):
        table = neighbor_table(record, X[k]).sort_values("attention", ascending=False, kind="stable")
        table = table.groupby(keys, sort=False).head(top).sort_values(keys, kind="stable")
        table = table[[*keys, *table.columns.drop(keys)]]
        table.insert(0, "formula", formulas[k])
        table.insert(0, "id", ids[k])
        yield table.reset_index(drop=True)


def summarize_attention(estimator, X, ids, formulas, summary):
    """Summarise the attention of all crystals in one table.

    Parameters
    ----------
    estimator : SiteNetRegressor or SiteNetClassifier
        Fitted.
    X : RaggedCrystals
        n crystals.
    ids, formulas : sequence of str, length n
        What to call them.
    summary : {"ranges", "elements", "long-range"}
        Distances attended to by every block and head (`attention_range`); shares by pair of elements
        (`attention_by_elements`); or the long-range coefficient of every crystal, block and head
        (`long_range_coefficients`).

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ValueError
        If there is no such summary.
    """
    if summary not in SUMMARIES:
        raise ValueError(f"summary must be one of {', '.join(SUMMARIES)}, got {summary!r}")
    if summary == "ranges":
        return attention_range(estimator, X)
    if summary == "elements":
        return attention_by_elements(estimator, X)
    coefficients = long_range_coefficients(estimator, X)
    crystal, block, head = (axis.ravel() for axis in np.indices(coefficients.shape))
    return pd.DataFrame(
        {
            "id": np.asarray(ids, object)[crystal],
            "formula": np.asarray(formulas, object)[crystal],
            "block": block + 1,
            "head": head + 1,
            "coefficient": coefficients.ravel(),
        }
    )
