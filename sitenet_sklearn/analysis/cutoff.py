"""The experiment of Table 2: what attention beyond a distance is worth."""

import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import check_cv, cross_val_score

from sitenet_sklearn._pipelines import prefix_of_last_step


def compare_cutoff(estimator, X, y, *, cutoff=5.0, cv=5, scoring="neg_mean_absolute_error", groups=None):
    """Cross-validate with and without a cut-off of attention, on the same folds and from the same random state.

    Table 2 of the paper (doi:10.1039/d3dd00005b) compares none with 5 angstrom.

    Parameters
    ----------
    estimator : SiteNetRegressor or Pipeline
        What to train. Give it a fixed `random_state`, so that only the cut-off differs.
    X : RaggedCrystals or list of crystals
        n crystals, as the estimator takes them.
    y : array-like of shape (n,)
        Targets.
    cutoff : float, default=5.0
        Distance in angstrom.
    cv : int, cross-validation splitter or iterable, default=5
        Folds.
    scoring : str or callable, default="neg_mean_absolute_error"
        Score of scikit-learn.
    groups : array-like of shape (n,), default=None
        Groups of crystals for splitters that need them.

    Returns
    -------
    pandas.DataFrame
        One row for every fold, with the columns `none` and `cutoff`.

    Examples
    --------
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> crystals = SupercellFeaturizer(max_atoms=20).fit_transform(structures[:30])
    >>> compare_cutoff(SiteNetRegressor(max_epochs=1, random_state=0), crystals, band_gap[:30], cv=2).shape
    (2, 2)
    """
    name = f"{prefix_of_last_step(estimator)}cutoff"
    folds = list(check_cv(cv, y).split(X, y, groups))
    scores = {
        column: cross_val_score(
            clone(estimator).set_params(**{name: value}), X, y, cv=folds, scoring=scoring, error_score="raise"
        )
        for column, value in (("none", None), ("cutoff", cutoff))
    }
    return pd.DataFrame(scores)
