"""Parameters of an estimator that say what network it trains, one by one or by the name of a preset."""

from difflib import get_close_matches
from typing import Self

SIZES = ("embedding_dim", "site_dim", "interaction_dim", "n_heads", "n_blocks")
LAYERS = ("attention_hidden_layers", "pre_pool_layers", "post_pool_layers")
ARCHITECTURE = (*SIZES, *LAYERS, "activation", "normalization", "pooling", "cutoff", "dropout")
TRAINING = ("lr", "optimizer", "weight_decay", "gradient_accumulation", "amp", "verbose")

_PAPER = {
    "optimizer": "adamw",
    "lr": 0.0008125971481941902,
    "weight_decay": 0.0001,
    "batch_size": 1200,
    "dropout": 0.0,
    "train_oversized": False,
    "early_stopping": True,
    "validation_fraction": 0.05,
}
PRESETS = {"paper": _PAPER, "paper_cutoff": _PAPER | {"cutoff": 5.0}}
"""Parameters that differ from the defaults, or could; the architecture of the defaults is the paper's already."""


class ArchitectureParameters:
    """What estimators of a Site-Net do with the parameters of its architecture."""

    @classmethod
    def from_preset(cls, name: str, **changes) -> Self:
        """Build an estimator with named settings.

        "paper" is the published model and training: Table 1, section 2.3 of doi:10.1039/d3dd00005b (5 % of the crystals
        held out, batches of 1200 sites). "paper_cutoff" is the same with attention cut off at 5 angstrom (Table 2).

        Parameters
        ----------
        name : {"paper", "paper_cutoff"}
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
        if name not in PRESETS:
            similar = get_close_matches(str(name), PRESETS, n=1, cutoff=0) or PRESETS
            raise ValueError(f"unknown preset {name!r}; did you mean {' or '.join(map(repr, similar))}?")
        return cls(**PRESETS[name] | changes)

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
        return {name: getattr(self, name) for name in TRAINING} | {"callbacks": tuple(self.callbacks or ())}
