"""The file of a model: numbers and words in one safetensors file, no code.

The header carries, as JSON, a tree of estimators with their parameters and what their networks need, and a checksum
over all of it and over the tensors. Whatever the file says, reading it builds nothing but networks of this library.
"""

import hashlib
import json
import math

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from sitenet_sklearn._files import write_whole_file

from .pooling import POOLINGS
from .sitenet import SiteNet

FORMAT = 5
"""Number of the file format; files of all earlier ones can be read."""

MAX_BLOCKS = 100
MAX_LAYERS = 500
"""Most layers of a network in a file: each takes time to build before its tensors can be compared."""


def write_model(path, header, tensors):
    """Write a file under another name and rename it, so that an interruption leaves no half of one.

    Parameters
    ----------
    path : path-like
        File.
    header : dict
        What JSON can hold.
    tensors : dict of str to Tensor
        On the CPU.
    """
    text = _text_of(header)
    write_whole_file(path, save(tensors, {"sitenet_sklearn": text, "checksum": checksum(text, tensors)}))


def checksum_of_model(header, tensors):
    """Compute the checksum that `write_model` would store."""
    return checksum(_text_of(header), tensors)


def _text_of(header):
    return json.dumps({"format": FORMAT} | header)


def stored_checksum(path):
    """Read the checksum that a file states: equal for equal models, whose files may differ in the order of bytes."""
    with safe_open(path, "pt") as file:
        return (file.metadata() or {}).get("checksum", "")


def read_model(path):
    """Read a file and verify that it is whole.

    Parameters
    ----------
    path : path-like
        File.

    Returns
    -------
    header : dict
        As written, brought to the present format.
    tensors : dict of str to Tensor

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is none of `write_model`, was altered or cut off, or is of a later format.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        text, expected = metadata["sitenet_sklearn"], metadata["checksum"]
        whole = expected == checksum(text, tensors)
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no model saved by save_model, or was cut off ({error})") from error
    if not whole:
        raise ValueError(f"{path} was altered: its checksum does not match")
    try:
        return _upgraded(json.loads(text)), tensors
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be loaded: {error}") from error


def build_network(config, tensors):
    """Build a network and give it its weights.

    Parameters
    ----------
    config : dict
        Arguments of `SiteNet`.
    tensors : dict of str to Tensor
        Its state; nothing is allocated before their shapes are found to fit.

    Returns
    -------
    SiteNet

    Raises
    ------
    ValueError
        If the tensors do not fit or are not finite.
    """
    config = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
    check_depth(config)
    _check_values(config)
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in SiteNet(**config).state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != expected:
        wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise ValueError(f"tensors do not fit the network: {', '.join(wrong[:5])}")
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError("a tensor is not finite")
    with torch.random.fork_rng(devices=[]):  # weights that are replaced cost nobody random numbers
        network = SiteNet(**config)
    network.load_state_dict(tensors)
    return network


def check_depth(config):
    """Raise a ValueError for more blocks or layers than a network in a file may have, before any is built."""
    if not 1 <= config["n_blocks"] <= MAX_BLOCKS:
        raise ValueError(f"n_blocks is {config['n_blocks']}, expected 1 to {MAX_BLOCKS}")
    names = ("attention_hidden_layers", "pre_pool_layers", "post_pool_layers")
    hidden, *others = (len(config[name]) for name in names)
    n_layers = config["n_blocks"] * hidden + sum(others)
    if n_layers > MAX_LAYERS:
        raise ValueError(f"it states {n_layers} layers, at most {MAX_LAYERS} are expected")


def _check_values(config):
    """Raise a ValueError for what shows in no shape, but changes or prevents predictions."""
    dropout, n_targets = config.get("dropout", 0.0), config["n_targets"]
    right = {
        "cutoff": _is_distance(config["cutoff"]),
        "coordination_radius": _is_distance(config["coordination_radius"]),
        "residual": isinstance(config["residual"], bool),
        "dropout": isinstance(dropout, int | float) and 0 <= dropout < 1,
        "pooling": config["pooling"] in POOLINGS,
        "clamp": _is_clamp(config["clamp"], n_targets),
        "n_targets": n_targets is None or (isinstance(n_targets, int) and n_targets > 0),
    }
    for name, is_right in right.items():
        if not is_right:
            raise ValueError(f"its network has {name}={config[name]!r}")


def _is_distance(value):
    return value is None or (type(value) in {int, float} and 0 < value < math.inf)


def _is_clamp(clamp, n_targets):
    flags = clamp if isinstance(clamp, tuple) else (clamp,)
    return all(isinstance(flag, bool) for flag in flags) and (not isinstance(clamp, tuple) or len(flags) == n_targets)


def checksum(text, tensors):
    """SHA-256 of a header and of all tensors with their names, types and shapes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _upgraded(header):
    """Bring the header of an earlier format to the present one."""
    number = header["format"]
    if not (isinstance(number, int) and 1 <= number <= FORMAT):
        raise ValueError(f"format {number} is not known to this library, which reads 1 to {FORMAT}")
    if number == 1:  # a regressor, alone or at the end of a pipeline
        nodes = [{"class": step["class"], "parameters": step["parameters"]} for step in header["steps"]]
        fitted = {name: header[name] for name in ("network", "site_features", "history")}
        nodes[-1] |= fitted | {"prefix": ""}
        names = [step["name"] for step in header["steps"]]
        steps = [list(step) for step in zip(names, nodes, strict=True)]
        header["model"] = nodes[0] if names[0] is None else {"class": "Pipeline", "steps": steps}
    if number < FORMAT:
        _upgrade_parameters(header["model"], number)
    about = header.get("about")
    return header | {"about": about if isinstance(about, dict) else {}}


def _upgrade_parameters(node, number):
    parameters = node.get("parameters", {})
    if number < 3 and parameters.get("site_features") == "all":  # there were those of elements alone
        parameters["site_features"] = "elements"
    # before format 4 there was no choice: all networks were like this
    if number < 4 and node.get("class") in {"SiteNetRegressor", "SiteNetClassifier"}:
        for settings in filter(None, (parameters, node.get("network"))):
            settings.update(coordination_radius=None, residual=False)
    inner = [step for _, step in node.get("steps", ())] + node.get("members", [])
    inner += [node.get("estimator"), node.get("fitted")]
    for other in filter(None, inner):
        _upgrade_parameters(other, number)
