"""Predictions for more crystals than memory holds, chunk by chunk."""

import copy
from dataclasses import replace

import numpy as np
from sklearn.pipeline import Pipeline
from tqdm.auto import tqdm

from sitenet_sklearn.exceptions import FeaturizationError
from sitenet_sklearn.featurization.featurizer import SupercellFeaturizer
from sitenet_sklearn.featurization.streaming import in_chunks

from .ensemble import SiteNetEnsemble


def predict_in_chunks(model, X, *, method="predict", chunk_size=1024, verbose=0) -> np.ndarray:
    """Predict for more crystals than memory holds.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted.
    X : iterable
        What the model takes: crystals in any form, also from a generator, or `RaggedCrystals`, also from a store.
    method : str, default="predict"
        Method of the model that makes an array with one row for every crystal, such as "predict_proba".
    chunk_size : int, default=1024
        Crystals to hold in memory at a time.
    verbose : int, default=0
        Whether to show progress.

    Returns
    -------
    ndarray of shape (n,) or (n, k)

    Raises
    ------
    FeaturizationError
        If crystals of a chunk fail in the featurizer; their index counts from the first crystal of all. A featurizer
        with ``on_error="mask"`` warns instead, and their predictions are NaN.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, predict_in_chunks
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> model = make_pipeline(SupercellFeaturizer(max_atoms=20), SiteNetRegressor(max_epochs=1))
    >>> model = model.fit(structures[:30], band_gap[:30])
    >>> predict_in_chunks(model, (structure for structure in structures[:50]), chunk_size=20).shape
    (50,)
    """
    featurizer, estimator = split_featurizer(model)
    predictions, start = [], 0
    with tqdm(desc=method, unit="crystal", disable=not verbose) as bar:
        for chunk in in_chunks(X, chunk_size, "predict_in_chunks"):
            if featurizer is not None:
                crystals, failures = featurizer.transform_with_failures(chunk, start)
                featurizer.raise_or_warn(failures)
                predictions.append(getattr(estimator, method)(crystals))
            else:
                predictions.append(_predict_with_inner_featurizer(getattr(estimator, method), chunk, start))
            start += len(chunk)
            bar.update(len(chunk))
    return np.concatenate(predictions or [getattr(model, method)([])])


def _predict_with_inner_featurizer(predict, chunk, start):
    """Predict with a featurizer that only the model knows; failures count from the first crystal of all."""
    try:
        return predict(chunk)
    except FeaturizationError as error:
        failures = [replace(failure, index=start + failure.index) for failure in error.failures]
        raise FeaturizationError(failures) from None


def split_featurizer(model):
    """Take a model apart, so that crystals are featurized once and what fails is known.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted.

    Returns
    -------
    featurizer : SupercellFeaturizer or None
        The first step, also where it is that of all members of an ensemble; None where there is none, and where a
        class of the user's might do something else.
    estimator : estimator or Pipeline
        What comes after it.
    """
    if type(model) is Pipeline and type(model[0]) is SupercellFeaturizer:
        return model[0], model[1:] if len(model.steps) > 2 else model[-1]
    if type(model) is SiteNetEnsemble and hasattr(model, "estimators_"):
        parts = [split_featurizer(member) for member in model.estimators_]
        if (
            len({repr(featurizer and featurizer.get_params()) for featurizer, _ in parts}) == 1
            and parts[0][0] is not None
        ):
            together = copy.copy(model)
            together.estimators_ = [member for _, member in parts]
            return parts[0][0], together
    return None, model
