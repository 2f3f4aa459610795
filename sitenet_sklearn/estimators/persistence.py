"""`save_model` and `load_model`: fitted models in one file that anybody may send to anybody.

Loading builds nothing but the estimators of this library, and pipelines of them, and reads nothing but that file.
"""

from inspect import signature
from numbers import Real
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sitenet_sklearn._files import plain
from sitenet_sklearn._pipelines import last_step
from sitenet_sklearn._validation import validate_parameters
from sitenet_sklearn._versions import versions
from sitenet_sklearn.featurization.featurizer import SupercellFeaturizer
from sitenet_sklearn.network.weights_file import build_network, check_depth, read_model, write_model

from .base import BaseSiteNet
from .calibrated import CalibratedRegressor
from .calibration_file import pack, unpack
from .chunks import split_featurizer
from .classifier import SiteNetClassifier
from .disorder import DisorderedRegressor
from .ensemble import SiteNetEnsemble, first_network
from .regressor import SiteNetRegressor

_CLASSES = {
    cls.__name__: cls
    for cls in (
        SupercellFeaturizer,
        SiteNetRegressor,
        SiteNetClassifier,
        SiteNetEnsemble,
        CalibratedRegressor,
        DisorderedRegressor,
        Pipeline,
    )
}
_LOCAL = {
    "cache": None,
    "checkpoint_dir": None,
    "callbacks": None,
    "pretrained": None,
    "device": "auto",
    "n_jobs": None,
}
"""Parameters that belong to a machine or hold code, and what they are in a file."""
_GONE = {"compile"}
"""Parameters in files of earlier versions that say nothing about predictions."""
MAX_DEPTH = 5
MAX_MODELS = 2000
_HISTORY = ("epoch", "train_loss", "valid_loss", "dur")


def save_model(model, path, *, about=None) -> None:
    """Save a fitted regressor, classifier or ensemble, calibrated or not, alone or behind a featurizer in a pipeline.

    Parameters
    ----------
    model : SiteNetRegressor, SiteNetClassifier, SiteNetEnsemble, CalibratedRegressor, DisorderedRegressor or Pipeline
        What to save. The parameters `cache`, `checkpoint_dir`, `callbacks`, `pretrained`, `device` and `n_jobs`
        are not saved.
    path : str or path-like
        File to write, with the suffix ``.safetensors`` if the command line is to open it. It is written under another
        name and renamed, so that an interruption leaves no half of a file.
    about : dict, default=None
        What else to write into the file, as JSON can hold it, for example data, unit and errors.

    Raises
    ------
    TypeError
        If there is a step or a parameter that such a file cannot hold.
    ValueError
        If a parameter was set to what `fit` refuses, or if it holds more than 2,000 models, models more than five deep
        inside models, or a network of more than 100 blocks or 500 layers.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    Examples
    --------
    >>> import tempfile
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, load_model, save_model
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> crystals = SupercellFeaturizer(max_atoms=20).fit_transform(structures[:30])
    >>> model = SiteNetRegressor(max_epochs=1, random_state=0).fit(crystals, band_gap[:30])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, f"{folder}/gap.safetensors")
    ...     again = load_model(f"{folder}/gap.safetensors")
    >>> bool((again.predict(crystals) == model.predict(crystals)).all())
    True
    """
    write_model(path, *contents_of_model(model, about))


def contents_of_model(model, about=None):
    """Describe a model for `write_model`: header and tensors of its file, with the errors of `save_model`."""
    if isinstance(last_step(model), SupercellFeaturizer):
        raise TypeError("the last step must be a fitted model, got SupercellFeaturizer")
    tensors: dict = {}
    described = _describe(model, tensors)
    _check_size(described)
    written_with = versions("sitenet-sklearn", "torch", "numpy", "scikit-learn")
    return {"versions": written_with, "about": about or {}, "model": described}, tensors


def load_model(path, *, device="auto") -> Any:
    """Load what `save_model` saved.

    Parameters
    ----------
    path : str or path-like
        File. It can come from anybody: no code from it is executed.
    device : str or torch.device, default="auto"
        Where to compute; "auto" is the first CUDA GPU or else the CPU.

    Returns
    -------
    SiteNetRegressor, SiteNetClassifier, SiteNetEnsemble, CalibratedRegressor, DisorderedRegressor or Pipeline
        Fitted.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is none of `save_model`, was altered or cut off, is of a later format, or holds what this library
        does not know.
    """
    header, tensors = read_model(path)
    try:
        _check_size(header["model"])
        rest = dict(tensors)
        model = _build(header["model"], rest, device)
        _check_predicts(model, rest)
    except Exception as error:  # whatever a header that says what cannot be makes others raise
        raise ValueError(f"{path} cannot be loaded: {error!s:.500}") from error
    return model


def _check_size(root):
    """Raise a ValueError for more models, or models deeper inside models, than anybody makes, before one is built."""
    level, n_models = [root], 1
    for _ in range(MAX_DEPTH + 1):
        level = [inner for node in level for inner in _inner_nodes(node)]
        n_models += len(level)
        if n_models > MAX_MODELS:
            raise ValueError(f"it holds more than {MAX_MODELS} models")
    if level:
        raise ValueError(f"models are nested more than {MAX_DEPTH} deep")


def _inner_nodes(node):
    inner = [step for _, step in node.get("steps", ())] + node.get("members", [])
    inner += [node.get("estimator"), node.get("fitted")]
    return filter(None, inner)


def _check_predicts(model, rest):
    check_is_fitted(model)
    if not hasattr(model, "predict"):
        raise ValueError("its last step cannot predict")
    if rest:
        raise ValueError(f"{len(rest)} tensors belong to no network: {', '.join(sorted(rest)[:5])}")


def _describe(model, tensors, *, fitted=True):
    """Turn an estimator into a node of JSON, and put the tensors of its networks beside those already there."""
    kind = type(model).__name__
    if _CLASSES.get(kind) is not type(model):
        raise TypeError(f"a step of type {kind} cannot be saved, only {_known()}; joblib.dump saves any")
    if isinstance(model, Pipeline):
        return {"class": kind, "steps": [[name, _describe(step, tensors, fitted=fitted)] for name, step in model.steps]}
    validate_parameters(model)
    parameters = model.get_params(deep=False)
    estimator = parameters.pop("estimator", None)
    parameters |= {name: value for name, value in _LOCAL.items() if name in parameters}
    node = {"class": kind, "parameters": {name: _saved(name, value) for name, value in parameters.items()}}
    if "estimator" in model.get_params(deep=False):
        node["estimator"] = None if estimator is None else _describe(estimator, tensors, fitted=False)
    return node | _describe_learned(model, tensors) if fitted else node


def _describe_learned(model, tensors):
    """Describe what a fitted estimator has learned, itself or those inside."""
    if isinstance(model, SupercellFeaturizer):
        return {}
    check_is_fitted(model)
    if isinstance(model, BaseSiteNet):
        return _describe_network(model, tensors)
    if isinstance(model, SiteNetEnsemble):
        return {"members": [_describe(member, tensors) for member in model.estimators_]}
    node = {"fitted": _describe(model.estimator_, tensors)}
    if isinstance(model, CalibratedRegressor):
        node["calibration"], arrays = pack(model.calibration_)
        node["prefix"] = f"{len(tensors)}/"
        tensors.update({node["prefix"] + name: tensor for name, tensor in arrays.items()})
    return node


def _describe_network(model, tensors):
    network, prefix = model.net_.module_, f"{len(tensors)}/"
    check_depth(network.config)
    for name, tensor in network.state_dict().items():
        tensors[prefix + name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    node = {
        "network": {name: plain(value) for name, value in network.config.items()},
        "site_features": model.site_feature_names_in_,
        "history": [{name: row[name] for name in _HISTORY if name in row} for row in model.history_],
        "prefix": prefix,
    }
    if isinstance(model, SiteNetClassifier):
        node["classes"] = [_saved("classes_", label) for label in model.classes_]
    return node


def _saved(name, value):
    """Turn a parameter into what JSON can hold."""
    try:
        return plain(value)
    except TypeError as error:
        raise TypeError(f"{name}={value!r} cannot be saved: set it to a number, text or None first") from error


def _build(node, tensors, device):
    """Turn a node of JSON into the estimator it describes, fitted if it was; take its tensors out of those given."""
    cls = _CLASSES.get(node["class"])
    if cls is None:
        raise ValueError(f"unknown class {node['class']!r}, known are {_known()}")
    if cls is Pipeline:
        return Pipeline([(name, _build(step, tensors, device)) for name, step in node["steps"]])
    known = signature(cls).parameters
    parameters = {name: value for name, value in node["parameters"].items() if name not in _GONE}
    unknown = set(parameters) - set(known)
    if unknown:
        raise ValueError(f"{node['class']} has no parameter {', '.join(sorted(unknown))}")
    parameters = parameters | {name: value for name, value in _LOCAL.items() if name in known}
    if "estimator" in known:
        parameters["estimator"] = _build(node["estimator"], tensors, device) if node.get("estimator") else None
    estimator = cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()})
    validate_parameters(estimator)
    if issubclass(cls, BaseSiteNet):
        estimator.set_params(device=device)
    for part, kind, adopt in (
        ("network", BaseSiteNet, _adopt_network),
        ("members", SiteNetEnsemble, _build_members),
        ("fitted", CalibratedRegressor | DisorderedRegressor, _build_fitted),
    ):
        if part in node and isinstance(estimator, kind):
            adopt(estimator, node, tensors, device)
    return estimator


def _build_members(ensemble, node, tensors, device):
    ensemble.estimators_ = [_build(member, tensors, device) for member in node["members"]]
    if not ensemble.estimators_:
        raise ValueError("an ensemble has no members")
    for member in ensemble.estimators_:
        check_is_fitted(last_step(member))


def _build_fitted(model, node, tensors, device):
    model.estimator_ = _build(node["fitted"], tensors, device)
    if isinstance(model, DisorderedRegressor):
        _check_predicts(model.estimator_, {})
        if split_featurizer(model.estimator_)[0] is None:
            raise ValueError("what averages over arrangements has no featurizer in front of its network")
        return
    model.calibration_ = unpack(node["calibration"], _own(node["prefix"], tensors))
    width = first_network(model.estimator_).net_.module_.output.in_features
    n_weights = 2 + isinstance(model.estimator_, SiteNetEnsemble)
    if (len(model.calibration_.known.origin), len(model.calibration_.scale.weights)) != (width, n_weights):
        raise ValueError("the calibration is not of this network")


def _own(prefix, tensors):
    """Take the tensors whose names begin so out of those given, and drop that beginning."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def _adopt_network(estimator, node, tensors, device):  # noqa: ARG001
    site_features = tuple(node["site_features"])
    network = build_network(node["network"], _own(node["prefix"], tensors))
    if not all(isinstance(name, str) for name in site_features) or len(set(site_features)) < len(site_features):
        raise ValueError("the names of site features are no different texts")
    if len(site_features) != network.config["n_site_features"]:
        raise ValueError(f"{len(site_features)} site features are named, the network has other ones")
    if isinstance(estimator, SiteNetClassifier):
        estimator.classes_ = _classes(node["classes"], network)
    estimator._adopt(network, site_features, network.interaction_features)  # noqa: SLF001
    estimator.history_.extend(_history(node["history"]))


def _classes(labels, network):
    classes = np.array(labels)
    if classes.ndim != 1 or classes.dtype.kind not in "biufU" or len(set(labels)) != network.n_targets:
        raise ValueError("classes are not as many distinct labels as the network has outputs")
    return classes


def _history(rows):
    known = [{name: row[name] for name in _HISTORY if name in row} for row in rows]
    if not all(isinstance(value, Real) for row in known for value in row.values()):
        raise ValueError("the history holds what is no number")
    return known


def _known():
    return ", ".join(_CLASSES)
