"""Simple models to compare with: the median, and gradient boosting on the composition."""

import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error

BOOSTING = "gradient boosting, Magpie"


def baseline_errors(compositions, y, train, test, random_state=0):
    """Train simple models and test them on crystals they have not seen.

    Parameters
    ----------
    compositions : list of pymatgen.core.Composition
        n crystals.
    y : ndarray of shape (n,)
        Targets.
    train, test : ndarray of int
        Rows to train on and rows to test on.
    random_state : int, default=0
        Seed of gradient boosting.

    Returns
    -------
    dict of str to float
        Mean absolute error of every model.
    """
    features = magpie_features(compositions)
    models = {
        BOOSTING: HistGradientBoostingRegressor(random_state=random_state),
        "median": DummyRegressor(strategy="median"),
    }
    predictions = {name: model.fit(features[train], y[train]).predict(features[test]) for name, model in models.items()}
    return {name: mean_absolute_error(y[test], predicted) for name, predicted in predictions.items()}


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
