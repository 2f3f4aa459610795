"""Attention as tidy tables with the ids and formulas of crystals."""

import numpy as np
import pandas as pd

from .attention import (
    attention_by_elements,
    attention_of,
    attention_range,
    long_range_coefficients,
    neighbor_table,
)

SUMMARIES = ("ranges", "elements", "long-range")


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
        `sitenet_sklearn.analysis.attention.neighbor_table`, the strongest first.
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
