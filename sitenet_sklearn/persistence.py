"""`save_model` and `load_model`: fitted models in one file that holds numbers and words, no code.

The file is in safetensors format. Its header carries, as JSON, the parameters of every step and what the fitted network
needs, with a checksum over all of it and over the tensors. Whatever the file says, loading builds nothing but the
estimators of this library and reads nothing but that file.
"""

import hashlib
import json
import os
from importlib.metadata import version
from numbers import Integral, Real
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .featurizer import SupercellFeaturizer
from .network import SiteNet
from .regressor import SiteNetRegressor

FORMAT = 1
"""Number of the file format; files of all earlier ones can be read."""

_CLASSES = {cls.__name__: cls for cls in (SupercellFeaturizer, SiteNetRegressor)}
_LOCAL = {"cache": None, "checkpoint_dir": None, "callbacks": None, "device": "auto", "compile": False}
"""Parameters that belong to a machine or hold code, and what they are in a file."""
_HISTORY = ("epoch", "train_loss", "valid_loss", "dur")


def save_model(model, path):
    """Save a fitted regressor, or a pipeline of a featurizer and a fitted regressor.

    Parameters
    ----------
    model : SiteNetRegressor or Pipeline
        What to save. The parameters `cache`, `checkpoint_dir`, `callbacks`, `device` and `compile` are not saved.
    path : str or path-like
        File to write, by custom with the suffix ``.safetensors``. It is written under another name and renamed, so
        that an interruption leaves no half of a file.

    Raises
    ------
    TypeError
        If there is a step or a parameter that such a file cannot hold.
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
    steps = model.steps if isinstance(model, Pipeline) else [(None, model)]
    described = [_describe(name, estimator) for name, estimator in steps]
    fitted = steps[-1][1]
    if not isinstance(fitted, SiteNetRegressor):
        raise TypeError(f"the last step must be a SiteNetRegressor, got {type(fitted).__name__}")
    check_is_fitted(fitted)
    network = fitted.net_.module_
    header = {
        "format": FORMAT,
        "versions": {name: version(name) for name in ("sitenet-sklearn", "torch", "numpy", "scikit-learn")},
        "steps": described,
        "network": network.config,
        "site_features": fitted.site_feature_names_in_,
        "history": [{name: row[name] for name in _HISTORY if name in row} for row in fitted.history_],
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    text = json.dumps(header)
    _write(path, save(tensors, {"sitenet_sklearn": text, "checksum": _checksum(text, tensors)}))


def load_model(path, *, device="auto"):
    """Load what `save_model` saved.

    Parameters
    ----------
    path : str or path-like
        File. It can come from anybody: no code from it is executed.
    device : str or torch.device, default="auto"
        Where to compute; "auto" is the first CUDA GPU or else the CPU.

    Returns
    -------
    SiteNetRegressor or Pipeline
        Fitted.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is none of `save_model`, was altered or cut off, is of a later format, or holds what this library
        does not know.
    """
    text, tensors = _read(path)
    try:
        header = json.loads(text)
        _check_format(header["format"])
        steps = [_build(step) for step in header["steps"]]
        network = _network(header["network"], tensors)
        regressor = steps[-1][1].set_params(device=device)
        regressor._adopt(network, header["site_features"], network.interaction_features)  # noqa: SLF001
        regressor.history_.extend(header["history"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be loaded: {error}") from error
    return regressor if steps[0][0] is None else Pipeline(steps)


def _describe(name, estimator):
    kind = type(estimator).__name__
    if _CLASSES.get(kind) is not type(estimator):
        raise TypeError(f"a step of type {kind} cannot be saved, only {' and '.join(_CLASSES)}; joblib.dump saves any")
    parameters = estimator.get_params() | {key: value for key, value in _LOCAL.items() if hasattr(estimator, key)}
    return {"name": name, "class": kind, "parameters": {key: _plain(key, value) for key, value in parameters.items()}}


def _check_format(number):
    if not 1 <= number <= FORMAT:
        raise ValueError(f"format {number} is not known to this library, which reads 1 to {FORMAT}")


def _plain(name, value):
    """Turn a parameter into what JSON can hold."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, tuple | list):
        return [_plain(name, entry) for entry in value]
    raise TypeError(f"parameter {name}={value!r} cannot be saved: set it to a number, text or None first")


def _build(step):
    cls = _CLASSES.get(step["class"])
    if cls is None:
        raise ValueError(f"unknown class {step['class']!r}, known are {' and '.join(_CLASSES)}")
    known = cls().get_params()
    unknown = set(step["parameters"]) - set(known)
    if unknown:
        raise ValueError(f"{step['class']} has no parameter {', '.join(sorted(unknown))}")
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in (step["parameters"] | {k: v for k, v in _LOCAL.items() if k in known}).items()
    }
    estimator = cls(**values)
    estimator._validate_params()
    return step["name"], estimator


def _network(config, tensors):
    config = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
    if not 1 <= config["n_blocks"] <= 100:
        raise ValueError(f"n_blocks is {config['n_blocks']}, expected 1 to 100")
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in SiteNet(**config).state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != expected:
        wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise ValueError(f"tensors do not fit the network: {', '.join(wrong[:5])}")
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError("a tensor is not finite")
    network = SiteNet(**config)
    network.load_state_dict(tensors)
    return network


def _read(path):
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        text, checksum = metadata["sitenet_sklearn"], metadata["checksum"]
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{path} is no model saved by save_model, or was cut off ({error})") from error
    if checksum != _checksum(text, tensors):
        raise ValueError(f"{path} was altered: its checksum does not match")
    return text, tensors


def _checksum(text, tensors):
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _write(path, content):
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
