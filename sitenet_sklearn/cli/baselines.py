"""Simple models to compare with: a constant, and gradient boosting on the composition."""

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

BOOSTING = "gradient boosting, Magpie"


def baseline_predictions(features, y, train, test, *, classify=False, random_state=0):
    """Train simple models and let them predict crystals they have not seen.

    Parameters
    ----------
    features : ndarray of shape (n, f)
        Features of n crystals, of `magpie_features`.
    y : ndarray of shape (n,)
        Targets, known for the rows to train on.
    train, test : ndarray of int
        Rows to train on and rows to test on.
    classify : bool, default=False
        Whether targets are classes.
    random_state : int, default=0
        Seed of gradient boosting.

    Returns
    -------
    dict of str to ndarray
        Predictions of every model for the rows to test on.
    """
    if classify:
        models = {
            BOOSTING: HistGradientBoostingClassifier(random_state=random_state),
            "most frequent class": DummyClassifier(),
        }
    else:
        models = {
            BOOSTING: HistGradientBoostingRegressor(random_state=random_state),
            "median": DummyRegressor(strategy="median"),
        }
    return {name: model.fit(features[train], y[train]).predict(features[test]) for name, model in models.items()}


def magpie_features(compositions):
    """Magpie statistics of elemental properties, matminer's baseline features of a composition.

    Parameters
    ----------
    compositions : list of pymatgen.core.Composition
        n compositions.

    Returns
    -------
    ndarray of shape (n, 132)
    """
    from matminer.featurizers.composition import ElementProperty

    featurizer = ElementProperty.from_preset("magpie", impute_nan=True)
    return np.array([featurizer.featurize(composition) for composition in compositions])
