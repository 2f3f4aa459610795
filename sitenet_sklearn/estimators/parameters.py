"""Parameters of the estimators: what they may be, and those that go to the network and to the trainer."""

import os
from numbers import Integral, Real
from typing import Self

import torch

from sitenet_sklearn._files import as_python
from sitenet_sklearn._validation import HasMethods, Interval, StrOptions, choose_preset
from sitenet_sklearn.network.layers import ACTIVATIONS, NORMALIZATIONS
from sitenet_sklearn.network.pooling import POOLINGS
from sitenet_sklearn.training.trainer import OPTIMIZERS

SIZES = ("embedding_dim", "site_dim", "interaction_dim", "n_heads", "n_blocks")
LAYERS = ("attention_hidden_layers", "pre_pool_layers", "post_pool_layers")
STYLE = ("activation", "normalization", "pooling", "cutoff", "coordination_radius", "residual", "dropout")
ARCHITECTURE = (*SIZES, *LAYERS, *STYLE)
HEAD_OPTIONS = ("n_targets", "clamp", "dropout")
"""Arguments of `SiteNet` that a pretrained network leaves to the new estimator."""

TRAINING = ("lr", "optimizer", "weight_decay", "gradient_accumulation", "amp", "verbose")

_POSITIVE = [Interval(Integral, 1, None, closed="left")]
CONSTRAINTS = {
    **dict.fromkeys(SIZES, _POSITIVE),
    **{name: [tuple, list] for name in LAYERS},
    "activation": [StrOptions(set(ACTIVATIONS))],
    "normalization": [StrOptions(set(NORMALIZATIONS))],
    "pooling": [StrOptions(set(POOLINGS))],
    "cutoff": [Interval(Real, 0, None, closed="neither"), None],
    "coordination_radius": [Interval(Real, 0, None, closed="neither"), None],
    "residual": ["boolean"],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "max_epochs": _POSITIVE,
    "lr": [Interval(Real, 0, None, closed="neither")],
    "optimizer": [StrOptions(set(OPTIMIZERS))],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "batch_size": [*_POSITIVE, StrOptions({"auto"})],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "patience": [*_POSITIVE, None],
    "gradient_accumulation": _POSITIVE,
    "amp": ["boolean"],
    "checkpoint_dir": [str, os.PathLike, None],
    "callbacks": [list, tuple, None],
    "device": [str, torch.device],
    "train_oversized": ["boolean"],
    "warm_start": ["boolean"],
    "pretrained": [str, os.PathLike, HasMethods(["predict"]), None],
    "new_head": ["boolean"],
    "frozen": [tuple, list],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
"""What every parameter may be, as scikit-learn checks it."""

_PAPER = {
    "attention_hidden_layers": (225,),
    "coordination_radius": None,
    "residual": False,
    "optimizer": "adamw",
    "lr": 0.0008125971481941902,
    "weight_decay": 0.0001,
    "batch_size": 1200,
    "dropout": 0.0,
    "train_oversized": False,
    "early_stopping": True,
    "validation_fraction": 0.05,
}
PRESETS = {"accurate": {}, "paper": _PAPER, "paper_cutoff": _PAPER | {"cutoff": 5.0}}
"""Parameters that differ from the defaults, which are called "accurate", or could."""


class ArchitectureParameters:
    """What estimators of a Site-Net do with the parameters of its architecture."""

    @classmethod
    def from_preset(cls, name: str, **changes) -> Self:
        """Build an estimator with named settings.

        "accurate" are the defaults. "paper" is the published model and training: Table 1, section 2.3 of
        doi:10.1039/d3dd00005b (5 % of the crystals held out, batches of 1200 sites). "paper_cutoff" is the same with
        attention cut off at 5 angstrom (Table 2).

        Parameters
        ----------
        name : {"accurate", "paper", "paper_cutoff"}
            Which settings.
        **changes
            Parameters to set otherwise.

        Returns
        -------
        estimator
            Not fitted.

        Raises
        ------
        ValueError
            If there is no such preset.

        Examples
        --------
        >>> from sitenet_sklearn import SiteNetRegressor
        >>> SiteNetRegressor.from_preset("paper_cutoff", max_epochs=100).cutoff
        5.0
        """
        return cls(**choose_preset(PRESETS, name) | changes)

    def set_params(self, **params):
        """Set parameters; of layers also `<name>__width` and `<name>__depth`, all layers equally wide.

        Examples
        --------
        >>> from sitenet_sklearn import SiteNetRegressor
        >>> SiteNetRegressor().set_params(post_pool_layers__width=64, post_pool_layers__depth=2).post_pool_layers
        (64, 64)
        """
        for name in LAYERS:
            width, depth = (params.pop(f"{name}__{part}", None) for part in ("width", "depth"))
            if width is not None or depth is not None:
                layers = params.get(name, getattr(self, name))
                if width is None and not layers:
                    raise ValueError(f"{name} holds no layer whose width could be kept: set {name}__width as well")
                params[name] = (layers[0] if width is None else width,) * (len(layers) if depth is None else depth)
        return super().set_params(**params)

    def architecture(self):
        """Return the arguments of `SiteNet` that are parameters, as a dict."""
        values = {name: getattr(self, name) for name in ARCHITECTURE}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

    def training(self):
        """Return the arguments of `make_trainer` that are parameters, as a dict."""
        values = {name: as_python(getattr(self, name)) for name in TRAINING}  # checkpoints hold no numbers of NumPy
        return values | {"callbacks": tuple(self.callbacks or ())}
