"""Crystals that `fit` holds out: they say how far to trust the model, and make its intervals."""

from datetime import UTC, datetime

import numpy as np
import typer
from sklearn.base import clone
from sklearn.metrics import mean_absolute_error
from sklearn.pipeline import Pipeline

from sitenet_sklearn.estimators.calibrated import FEWEST, CalibratedRegressor
from sitenet_sklearn.estimators.ensemble import SiteNetEnsemble

from .baselines import baseline_errors
from .options import say

FEW = 500
"""Training crystals up to which fine-tuning is compared with training from scratch: that costs little."""
USUAL = 0.1
"""Share of the crystals that is held out unless another one is asked for."""


def with_answers(pipeline, y, *, held_out, members, classify, seed):
    """Wrap the last step of a pipeline, so that it is trained several times and calibrated.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Of featurizer and Site-Net, not fitted.
    y : ndarray of shape (n,) or (n, k)
        Targets.
    held_out : float or None
        Share of the crystals to hold out; None for a tenth, where that is possible.
    members : int
        Networks to train.
    classify : bool
        Whether the target is a class.
    seed : int
        Chooses the crystals that are held out, and the seeds of several networks.

    Returns
    -------
    sklearn.pipeline.Pipeline

    Raises
    ------
    typer.BadParameter
        If several networks or a held-out part are asked for where they mean nothing or are too few.
    """
    single = not classify and y.ndim == 1 and not np.isnan(y).any()
    if classify and members > 1:
        raise typer.BadParameter("--members averages numbers: leave it out with --classify")
    if held_out and not single:
        raise typer.BadParameter("--held-out is for a single number as a target, known for all crystals: pass 0")
    name, model = pipeline.steps[-1]
    if members > 1:
        model = SiteNetEnsemble(model, n_members=members, random_state=seed)
    share = held_out if held_out is not None else USUAL if single else 0
    if share and np.ceil(share * len(y)) >= FEWEST:
        model = CalibratedRegressor(model, calibration_fraction=share, random_state=seed)
    elif held_out:
        raise typer.BadParameter(f"--held-out {held_out:g} of {len(y)} crystals are fewer than {FEWEST}: hold out more")
    elif share:
        say(f"crystals: {len(y)}, too few to hold out some: the model will have no intervals")
    return Pipeline([*pipeline.steps[:-1], (name, model)])


def report(pipeline, crystals, unit):
    """Say what the errors on held-out crystals are, beside those of simple models.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted, of `with_answers`.
    crystals : Labelled
        All crystals that were given.
    unit : str
        Unit of the target.

    Returns
    -------
    dict
        What to write into the file of the model: target, unit, number of crystals, date, and errors.
    """
    about = {"target": ", ".join(crystals.names), "unit": unit, "crystals": len(crystals.y)}
    about["date"] = datetime.now(UTC).date().isoformat()
    model = pipeline[-1]
    if not isinstance(model, CalibratedRegressor):
        return about
    test = model.held_out_rows_
    train = np.setdiff1d(np.arange(len(crystals.y)), test)
    predicted = pipeline.predict(crystals.structures.iloc[test])
    errors = {"Site-Net": mean_absolute_error(crystals.y[test], predicted)}
    if _network_of(pipeline).pretrained is not None and len(train) <= FEW:
        X = crystals.structures.iloc
        alone = _from_scratch(pipeline).fit(X[train], crystals.y[train]).predict(X[test])
        errors["Site-Net from scratch"] = mean_absolute_error(crystals.y[test], alone)
    compositions = [structure.composition for structure in crystals.structures]
    errors |= baseline_errors(compositions, crystals.y, train, test)
    say(f"mean absolute error on {len(test)} held-out crystals{f' ({unit})' if unit else ''}:")
    for name, error in errors.items():
        say(f"  {name:<26}{error:.4g}")
    if errors["Site-Net"] > min(errors.values()):
        say("  A simpler model is better here: more crystals, more epochs, or --from a trained model may help")
    return about | {
        "held out": len(test),
        "mean absolute error": {name: float(f"{e:.4g}") for name, e in errors.items()},
    }


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
