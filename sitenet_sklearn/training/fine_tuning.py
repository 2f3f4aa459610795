"""Fine-tuning: a network that another model was fitted with becomes the beginning of a new one."""

import os
import warnings

from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sitenet_sklearn._pipelines import last_step
from sitenet_sklearn._validation import name_difference
from sitenet_sklearn.network.sitenet import SiteNet
from sitenet_sklearn.network.weights_file import build_network, read_model

_WITH_A_NETWORK = ("SiteNetRegressor", "SiteNetClassifier")
HEAD = ("output", "target")
"""Beginnings of the names of parameters and buffers that belong to one target."""


def read_pretrained(source):
    """Take the network out of a fitted model.

    Parameters
    ----------
    source : path-like or estimator
        File of `save_model`, or a fitted estimator, alone, at the end of a pipeline, or in a `FrozenEstimator`. Of an
        ensemble the first member is taken.

    Returns
    -------
    network : SiteNet
        Of an estimator its own, not to be changed.
    site_feature_names : tuple of str
        Site features it was trained with.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted, for instance as scikit-learn has cloned it.
    TypeError
        If it holds no network.
    """
    if isinstance(source, str | os.PathLike):
        return _read_file(source)
    while (inner := _inner(source)) is not None:
        source = inner
    network = getattr(getattr(source, "net_", None), "module_", None)
    if isinstance(network, SiteNet):
        return network, source.site_feature_names_in_
    if hasattr(source, "predict_raw"):
        raise NotFittedError(
            "pretrained is not fitted: scikit-learn clones estimators, so give it as FrozenEstimator(fitted) "
            "or as the path of a file of save_model"
        )
    raise TypeError(f"pretrained must be a path or an estimator with one fitted network, got {type(source).__name__}")


def _inner(source):
    """Return the fitted estimator inside another one: last step, estimator, first of several; None if there is none."""
    if isinstance(source, Pipeline):
        return last_step(source)
    if isinstance(source, FrozenEstimator):
        return source.estimator
    members = getattr(source, "estimators_", None) or [None]
    return getattr(source, "estimator_", members[0])


def _inner_node(node):
    """Return the same of the description in a file."""
    steps, members = node.get("steps") or [[None, None]], node.get("members") or [None]
    return steps[-1][1] or node.get("fitted") or members[0]


def _read_file(path):
    header, tensors = read_model(path)
    try:
        node = header["model"]
        while (inner := _inner_node(node)) is not None:
            node = inner
        found = _network_of(node, tensors) if node["class"] in _WITH_A_NETWORK else None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be loaded: {error!s:.500}") from error
    if found is None:
        raise TypeError(f"{path} holds a {node['class']}, and fine-tuning begins from one fitted network")
    return found


def _network_of(node, tensors):
    prefix = node["prefix"]
    weights = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return build_network(node["network"], weights), tuple(node["site_features"])


def begin_anew(config, *, new_head, frozen):
    """Build a network of random weights, and warn of parameters that are meant for one that goes on from another.

    Parameters
    ----------
    config : dict
        Arguments of `SiteNet`.
    new_head : bool
        As of the estimators.
    frozen : sequence of str
        As in `freeze`, with its errors.

    Returns
    -------
    SiteNet
    """
    network = SiteNet(**config)
    freeze(network, frozen)
    if new_head:
        warnings.warn("new_head=True has no effect without pretrained: all weights begin anew anyway", stacklevel=6)
    if frozen:
        warnings.warn(
            f"frozen={tuple(frozen)} keeps random weights as they are: pass pretrained, or use warm_start and a second "
            "fit, to begin from a fitted network",
            stacklevel=6,
        )
    return network


def continue_from(source, names, *, new_head, n_targets, asked=None, **options):
    """Build the network that goes on from a fitted one.

    Parameters
    ----------
    source : path-like or estimator
        As in `read_pretrained`. The embedding, blocks and layers around the pooling are kept, with what standardises
        their inputs.
    names : pair of tuples of str
        Site features and interaction features of the crystals to train on.
    new_head : bool
        Whether the output starts anew, its target not standardised yet.
    n_targets : int or None
        Number of outputs.
    asked : dict, default=None
        Arguments of `SiteNet` that the network is meant to have.
    **options
        Other arguments of `SiteNet` that replace those of the fitted one.

    Returns
    -------
    SiteNet

    Raises
    ------
    ValueError
        If features or what was asked for differ, or if the head is kept and has another number of outputs.
    """
    network, site_feature_names = read_pretrained(source)
    for name, value in sorted((asked or {}).items()):
        if network.config[name] != value:
            raise ValueError(
                f"the pretrained network has {name}={network.config[name]!r} and keeps it: leave out {name}={value!r}"
            )
    fitted_names = tuple(site_feature_names), network.interaction_features
    for kind, fitted, new in zip(("site", "interaction"), fitted_names, names, strict=True):
        if fitted != tuple(new):
            difference = name_difference(tuple(new), fitted)
            raise ValueError(f"X has other {kind} features than the pretrained network: {difference}")
    if not new_head and n_targets != network.n_targets:
        raise ValueError(
            f"the pretrained network has {_outputs(network.n_targets)} and y asks for {n_targets or 1}: "
            "pass new_head=True"
        )
    fresh = SiteNet(**network.config | options | {"n_targets": n_targets})
    state = network.state_dict().items()
    kept = {name: value for name, value in state if not (new_head and name.startswith(HEAD))}
    fresh.load_state_dict(kept, strict=not new_head)
    return fresh


def check_goes_on(fitted, wanted):
    """Raise a ValueError unless a fitted network is what parameters and data ask for.

    Parameters
    ----------
    fitted, wanted : dict
        Arguments of `SiteNet`, and `site_features`, the names of the site features; the first may hold more.
    """
    for name, value in wanted.items():
        if fitted[name] == value:
            continue
        if name.endswith("_features") and name != "n_site_features":
            difference = name_difference(value, fitted[name])
            raise ValueError(f"X has other {name.replace('_', ' ')} than the fitted network: {difference}")
        if name == "n_targets":
            raise ValueError(f"the fitted network has {_outputs(fitted[name])} and y asks for {value or 1}")
        raise ValueError(f"the fitted network has {name}={fitted[name]!r} and cannot go on with {value!r}")


def _outputs(n_targets):
    return f"{n_targets} outputs" if n_targets else "1 output"


def freeze(network, parts):
    """Let training change all of a network but some parts.

    Parameters
    ----------
    network : SiteNet
        Changed in place.
    parts : sequence of str
        Names out of "embedding", "site_input", "blocks", "blocks.0" and so on, "pre_pool", "pool_logit", "post_pool"
        and "output".

    Raises
    ------
    ValueError
        If the network has no such part, or nothing is left to train.

    Examples
    --------
    >>> from sitenet_sklearn.network.sitenet import SiteNet
    >>> network = SiteNet()
    >>> freeze(network, ["embedding", "blocks.0"])
    >>> sorted({name.split(".")[0] for name, p in network.named_parameters() if not p.requires_grad})
    ['blocks', 'embedding']
    """
    known = [name for name, _ in network.named_children()] + [f"blocks.{k}" for k in range(len(network.blocks))]
    unknown = [part for part in parts if part not in known]
    if unknown:
        raise ValueError(f"frozen names {unknown[0]!r}, but the network has the parts {', '.join(known)}")
    frozen = {name: name.startswith(tuple(f"{part}." for part in parts)) for name, _ in network.named_parameters()}
    if all(frozen.values()):
        raise ValueError(f"frozen={tuple(parts)} leaves nothing to train")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not frozen[name])
        parameter.grad = None  # an optimizer takes a step wherever it finds a gradient, also one of an earlier training
