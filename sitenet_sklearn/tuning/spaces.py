"""Search spaces of Optuna: the published ranges, the few parameters that matter, and checks of anyone's own."""

from collections.abc import Mapping
from numbers import Real

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from sklearn.base import clone

from sitenet_sklearn._pipelines import last_step, parameter_names, similar_names, steps_of
from sitenet_sklearn._validation import check_widths, validate_parameters
from sitenet_sklearn.estimators.parameters import LAYERS
from sitenet_sklearn.network.sitenet import SiteNet

SPACES = {
    "small": {
        "lr": FloatDistribution(2e-4, 4e-3, log=True),
        "dropout": FloatDistribution(0.0, 0.4),
        "site_dim": IntDistribution(12, 48),
        "n_heads": IntDistribution(1, 6),
        "weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
    },
    "paper": {
        "embedding_dim": IntDistribution(1, 128),
        "site_dim": IntDistribution(4, 32),
        "interaction_dim": IntDistribution(4, 32),
        "n_heads": IntDistribution(1, 8),
        "n_blocks": IntDistribution(1, 3),
        "attention_hidden_layers__width": IntDistribution(32, 256),
        "attention_hidden_layers__depth": IntDistribution(1, 2),
        "pre_pool_layers__width": IntDistribution(32, 256),
        "pre_pool_layers__depth": IntDistribution(1, 3),
        "post_pool_layers__width": IntDistribution(32, 256),
        "post_pool_layers__depth": IntDistribution(1, 3),
        "pooling": CategoricalDistribution(["mean", "max", "attention"]),
        "normalization": CategoricalDistribution(["layer", "none"]),
        "lr": FloatDistribution(5e-5, 1e-2, log=True),
    },
}


def search_space(level="small", *, prefix=""):
    """Ranges to search hyper-parameters in, for `tune` and for `OptunaSearchCV`.

    Parameters
    ----------
    level : {"small", "paper"}, default="small"
        The few parameters that change accuracy or cost most, or all those of the search behind the paper (its Table 1,
        doi:10.1039/d3dd00005b).
    prefix : str, default=""
        What to put before every name: ``"sitenet__"`` for a pipeline whose last step is called "sitenet".

    Returns
    -------
    dict of str to optuna.distributions.BaseDistribution

    Raises
    ------
    ValueError
        If there is no such level.

    Examples
    --------
    >>> search_space("paper", prefix="sitenet__")["sitenet__n_heads"]
    IntDistribution(high=8, log=False, low=1, step=1)
    """
    if level not in SPACES:
        raise ValueError(f"level must be one of {', '.join(SPACES)}, got {level!r}")
    return {prefix + name: distribution for name, distribution in SPACES[level].items()}


def check_space(space, estimator):
    """Check that every end of a search space can be built, before any long work starts.

    Parameters
    ----------
    space : mapping of str to optuna.distributions.BaseDistribution
        Search space.
    estimator : estimator or Pipeline
        Whose parameters the names are; the last step of a pipeline is a Site-Net.

    Raises
    ------
    TypeError
        If it is no mapping to distributions.
    ValueError
        If it is empty, has a name that the estimator does not know, or a value that it refuses.
    """
    if not isinstance(space, Mapping):
        raise TypeError(f"space must be a dict of Optuna distributions, got {type(space).__name__}")
    if not space:
        raise ValueError("space is empty: give at least one parameter, or a level of search_space")
    known = parameter_names(estimator)
    for name, distribution in space.items():
        if not isinstance(distribution, BaseDistribution):
            raise TypeError(f"{name} must be an Optuna distribution, got {distribution!r}")
        if name not in known:
            raise ValueError(f"unknown parameter {name!r}{similar_names(name, known)}")
        for value in _ends(distribution):
            try:
                _build(clone(estimator).set_params(**{name: value}))
            except (TypeError, ValueError, RuntimeError, KeyError) as error:
                raise ValueError(f"{name}={value!r} of the space cannot be built: {error}") from error


def suggest(trial, space):
    """Let a trial choose a value for every parameter of a space; fixed order, so that a seed fixes the values."""
    return {name: _SUGGEST[type(distribution)](trial, name, distribution) for name, distribution in space.items()}


def own_values(estimator, space):
    """Values of the estimator's own parameters, of those whose distribution holds them."""
    parameters, values = estimator.get_params(), {}
    for name, distribution in space.items():
        layers, _, part = name.rpartition("__")
        if name in parameters:
            value = parameters[name]
        else:
            widths = parameters[layers]
            value = len(widths) if part == "depth" else max(widths, default=None)
        if _holds(distribution, value):
            values[name] = value
    return values


_SUGGEST = {
    FloatDistribution: lambda trial, name, d: trial.suggest_float(name, d.low, d.high, step=d.step, log=d.log),
    IntDistribution: lambda trial, name, d: trial.suggest_int(name, d.low, d.high, step=d.step, log=d.log),
    CategoricalDistribution: lambda trial, name, d: trial.suggest_categorical(name, d.choices),
}


def _holds(distribution, value):
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return isinstance(value, Real) and distribution.low <= value <= distribution.high


def _ends(distribution):
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    return distribution.low, distribution.high


def _build(estimator):
    """Validate parameters and build the network without memory for its weights."""
    for step in steps_of(estimator):
        validate_parameters(step)
    check_widths(last_step(estimator), LAYERS)
    with torch.device("meta"):
        SiteNet(**last_step(estimator).architecture())
