"""Crystals that `fit` holds out: they say how far to trust the model, and make its intervals."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import typer
from sklearn.base import clone, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from sitenet_sklearn.estimators.calibrated import FEWEST, CalibratedRegressor
from sitenet_sklearn.estimators.ensemble import SiteNetEnsemble
from sitenet_sklearn.pretrained import card_of

from .baselines import baseline_predictions, magpie_features
from .learned import learned_rows
from .options import say

FEW = 500
"""Training crystals up to which fine-tuning is compared with training from scratch: that costs little."""
USUAL = 0.1
"""Share of the crystals that is held out unless another one is asked for."""


def share_to_hold_out(n, held_out):
    """Decide how many crystals to hold out.

    Parameters
    ----------
    n : int
        Number of crystals.
    held_out : float or None
        Share that is asked for; None for a tenth, where these are enough.

    Returns
    -------
    float
        Share of the crystals, or 0.

    Raises
    ------
    typer.BadParameter
        If what is asked for is too few.
    """
    share = USUAL if held_out is None else held_out
    if not share or np.ceil(share * n) >= FEWEST:
        return share
    if held_out is not None:
        raise typer.BadParameter(f"--held-out {held_out:g} of {n} crystals are fewer than {FEWEST}: hold out more")
    say(f"crystals: {n}, too few to hold out some: errors are not measured, and the model will have no intervals")
    return 0.0


def with_answers(pipeline, y, *, share, members, seed):
    """Wrap the last step of a pipeline, so that it is trained several times and calibrated.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Of featurizer and Site-Net, not fitted.
    y : ndarray of shape (n,) or (n, k)
        Targets.
    share : float
        Share of the crystals to hold out. They calibrate the model if there is one target, a number known for all.
    members : int
        Networks to train.
    seed : int
        Chooses the crystals that are held out, and the seeds of several networks.

    Returns
    -------
    sklearn.pipeline.Pipeline

    Raises
    ------
    typer.BadParameter
        If several classifiers are asked for.
    """
    name, model = pipeline.steps[-1]
    classify = is_classifier(model)
    if classify and members > 1:
        raise typer.BadParameter("--members averages numbers: leave it out with --classify")
    if members > 1:
        model = SiteNetEnsemble(model, n_members=members, random_state=seed)
    if share and not classify and y.ndim == 1 and not np.isnan(y).any():
        model = CalibratedRegressor(model, calibration_fraction=share, random_state=seed)
    return Pipeline([*pipeline.steps[:-1], (name, model)])


def fit_and_hold_out(pipeline, crystals, *, share, seed):
    """Train on all crystals but those that are held out.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Of `with_answers`; it is fitted.
    crystals : Labelled
        All crystals.
    share : float
        Share of them to hold out.
    seed : int
        Chooses them.

    Returns
    -------
    ndarray of int
        Rows that were held out.
    """
    structures, y = crystals.structures, crystals.y
    start = getattr(_network_of(pipeline), "pretrained", None)
    learned = np.zeros(len(y), bool)
    if share and start is not None:
        X = pipeline[0].fit_transform(structures)
        learned = _learned(start, X)
    if isinstance(pipeline[-1], CalibratedRegressor):
        if learned.any():
            return _calibrate_apart(pipeline, X, y, share=share, seed=seed, learned=learned)
        return pipeline.fit(structures, y)[-1].held_out_rows_
    classify = is_classifier(pipeline[-1])
    test = _rows_apart(y, share, seed, learned, classify=classify) if share else np.zeros(0, int)
    if share and not len(test):
        say("no crystals are held out, as every class or target has too few: errors are not measured")
    train = np.setdiff1d(np.arange(len(y)), test)
    pipeline.fit(structures.iloc[train], y[train])
    return test


def _learned(start, X):
    """Find rows that the model learned from which training begins; none where too few others are left to hold out."""
    learned = learned_rows(start, X)
    name = Path(start).parent.name if card_of(start) else start
    doubt = "if it learned the same property, errors and intervals come out too small"
    if learned is None:
        say(f"{name} does not say what it learned from; some of these crystals may be among that: {doubt}")
        return np.zeros(len(X), bool)
    if learned.any():
        of_these = f"{name} learned from {learned.sum()} of these {len(learned)} crystals"
        if (~learned).sum() >= FEWEST:
            say(f"{of_these}: only others are held out")
            return learned
        say(f"{of_these}, and some of them are held out: {doubt}")
    return np.zeros(len(X), bool)


def _calibrate_apart(pipeline, X, y, *, share, seed, learned):
    """Train and calibrate with crystals that were not learned before, at most half of these."""
    model, new = pipeline[-1], np.flatnonzero(~learned)
    n = min(int(np.ceil(share * len(y))), max(FEWEST, len(new) // 2))
    test = np.sort(np.random.default_rng(seed).permutation(new)[:n])
    train = np.setdiff1d(np.arange(len(y)), test)
    estimator = clone(model.estimator).fit(X[train], y[train])
    calibrated = CalibratedRegressor.from_fitted(estimator, (X[train], y[train]), (X[test], y[test]))
    pipeline.steps[-1] = pipeline.steps[-1][0], calibrated
    return test


def _rows_apart(y, share, seed, learned, *, classify):
    """Choose rows to hold out; what has few crystals, a class or a target that is known for few, is all trained on."""
    fewest = np.ceil(1 / min(share, 1 - share))
    if classify:
        classes = np.unique(y, return_inverse=True)[1]
        usable = np.flatnonzero((np.bincount(classes, ~learned)[classes] >= fewest) & ~learned)
    else:
        known = np.isfinite(y.reshape(len(y), -1))
        usable, classes = np.flatnonzero(~known[:, known.sum(axis=0) < fewest].any(axis=1) & ~learned), None
    if len(usable) < fewest:
        return np.zeros(0, int)
    strata = None if classes is None else classes[usable]
    return np.sort(train_test_split(usable, test_size=share, random_state=seed, stratify=strata)[1])


def report(pipeline, crystals, test, unit):
    """Say what the errors on held-out crystals are, beside those of simple models.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted.
    crystals : Labelled
        All crystals that were given.
    test : ndarray of int
        Rows that were held out.
    unit : str
        Unit of the target.

    Returns
    -------
    dict
        What to write into the file of the model: target, unit, number of crystals, date, and errors.
    """
    about = {"target": ", ".join(crystals.names), "unit": unit, "crystals": len(crystals.y)}
    about["date"] = datetime.now(UTC).date().isoformat()
    if not len(test):
        return about
    classify, quantity = is_classifier(pipeline[-1]), f"{f' ({unit})' if unit else ''}"
    about["held out"] = len(test)
    for name, scores in _scores(pipeline, crystals, test, classify=classify).items():
        what = "accuracy" if classify else "mean absolute error"
        what += f" of {name}" if len(crystals.names) > 1 else ""
        say(f"{what} on {len(test)} held-out crystals{quantity}:")
        for model, score in scores.items():
            say(f"  {model:<26}{score:.4g}")
        if scores["Site-Net"] != (max if classify else min)(scores.values()):
            say("  A simpler model is better here: more crystals, more epochs, or --from a trained model may help")
        about[what] = {model: float(f"{score:.4g}") for model, score in scores.items()}
    return about


def _scores(pipeline, crystals, test, *, classify):
    """Scores of Site-Net and of simple models for every target: accuracies, or mean absolute errors."""
    X, y = crystals.structures, crystals.y.reshape(len(crystals.y), -1)
    train = np.setdiff1d(np.arange(len(y)), test)
    predicted = {"Site-Net": pipeline.predict(X.iloc[test])}
    if _network_of(pipeline).pretrained is not None and len(train) <= FEW:
        alone = _from_scratch(pipeline).fit(X.iloc[train], crystals.y[train])
        predicted["Site-Net from scratch"] = alone.predict(X.iloc[test])
    features = magpie_features([structure.composition for structure in X])
    found = {}
    for k, name in enumerate(crystals.names):
        known = np.full(len(y), fill_value=True) if classify else np.isfinite(y[:, k])
        learned, asked = train[known[train]], test[known[test]]
        if not len(asked):
            continue
        mine = {model: values.reshape(len(test), -1)[known[test], k] for model, values in predicted.items()}
        mine |= baseline_predictions(features, y[:, k], learned, asked, classify=classify)
        found[name] = {model: _score(y[asked, k], values, classify=classify) for model, values in mine.items()}
    return found


def _score(true, predicted, *, classify):
    return (true == predicted).mean() if classify else np.abs(true - predicted).mean()


def _network_of(pipeline):
    """Return the Site-Net that is trained, inside an ensemble or a calibration."""
    model = pipeline[-1]
    while hasattr(model, "estimator"):
        model = model.estimator
    return model


def _from_scratch(pipeline):
    """Make the same pipeline, but for one network that begins anew."""
    network = clone(_network_of(pipeline)).set_params(pretrained=None, new_head=False, frozen=())
    return Pipeline([(pipeline.steps[0][0], clone(pipeline[0])), ("sitenet", network)])
