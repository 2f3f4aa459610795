"""What a model is: its class, the parameters that were changed, its size and training; and what it runs on."""

import torch
from sklearn.pipeline import Pipeline

from sitenet_sklearn._pipelines import last_step
from sitenet_sklearn.estimators.base import BaseSiteNet
from sitenet_sklearn.estimators.calibrated import CalibratedRegressor
from sitenet_sklearn.estimators.disorder import DisorderedRegressor
from sitenet_sklearn.estimators.ensemble import SiteNetEnsemble


def devices():
    """Where can be computed: list of str, the first is what "auto" chooses."""
    names = [f"cuda:{k} ({torch.cuda.get_device_name(k)})" for k in range(torch.cuda.device_count())]
    return [*names, f"cpu ({torch.get_num_threads()} threads)"]


def changed_parameters(model, prefix=""):
    """List the parameters that differ from the defaults.

    Parameters
    ----------
    model : estimator or Pipeline
        Any of scikit-learn's form.
    prefix : str, default=""
        What to put before the names.

    Returns
    -------
    dict of str to object

    Examples
    --------
    >>> from sklearn.pipeline import Pipeline
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
    >>> steps = [("featurizer", SupercellFeaturizer(100)), ("sitenet", SiteNetRegressor(lr=0.001))]
    >>> changed_parameters(Pipeline(steps))
    {'featurizer__max_atoms': 100, 'sitenet__lr': 0.001}
    """
    changed = {}
    if isinstance(model, Pipeline):
        for name, step in model.steps:
            changed |= changed_parameters(step, f"{prefix}{name}__")
        return changed
    if not hasattr(model, "get_params"):
        return changed
    try:
        defaults = type(model)().get_params(deep=False)
    except TypeError:  # of a class with a parameter that is required
        defaults = {}
    for name, value in model.get_params(deep=False).items():
        if hasattr(value, "get_params"):
            changed |= {f"{prefix}{name}": type(value).__name__} | changed_parameters(value, f"{prefix}{name}__")
        elif name not in defaults or repr(value) != repr(defaults[name]):
            changed[prefix + name] = value
    return changed


def describe_model(model):
    """Describe a fitted model.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted.

    Returns
    -------
    dict
        The class, also of the steps; parameters that were changed; and of a Site-Net, alone, at the end of a pipeline
        or first of an ensemble, the number of weights, names of features, classes, epochs trained and last losses.
    """
    steps = [type(step).__name__ for _, step in model.steps] if isinstance(model, Pipeline) else []
    described = {"class": type(model).__name__} | ({"steps": steps} if steps else {})
    described["parameters"] = changed_parameters(model)
    if isinstance(last_step(model), CalibratedRegressor) and hasattr(last_step(model), "calibration_"):
        calibration = last_step(model).calibration_
        described |= {"training crystals": len(calibration.known.values), "calibrated with": len(calibration.distances)}
    if (members := site_nets_of(model)) and hasattr(members[0], "net_"):
        network, history = members[0].net_.module_, members[0].history_
        described |= {"members": len(members)} if len(members) > 1 else {}
        described |= {
            "weights": sum(parameter.numel() for parameter in network.parameters()),
            "site features": list(members[0].site_feature_names_in_),
            "interaction features": list(members[0].interaction_feature_names_in_),
            "targets": network.config["n_targets"] or 1,
            "epochs": len(history),
        }
        if hasattr(members[0], "classes_"):
            described["classes"] = members[0].classes_.tolist()
            del described["targets"]
        if len(history):
            described |= {name: history[-1][name] for name in ("train_loss", "valid_loss") if name in history[-1]}
    return described


def site_nets_of(model):
    """List the Site-Nets of a model: itself, or those of its last step, inside a calibration, or in an ensemble."""
    model = last_step(model)
    if isinstance(model, CalibratedRegressor | DisorderedRegressor):
        return site_nets_of(getattr(model, "estimator_", model.estimator))
    if isinstance(model, SiteNetEnsemble):
        return [found for member in getattr(model, "estimators_", []) for found in site_nets_of(member)]
    return [model] if isinstance(model, BaseSiteNet) else []
