"""`load_reference_checkpoint`: published Site-Net models as fitted estimators."""

import io
import pickle
from functools import partial
from numbers import Real
from pathlib import Path

import torch

from sitenet_sklearn.crystals.elements import MAX_ATOMIC_NUMBER, elemental_property_names
from sitenet_sklearn.crystals.interaction_features import INTERACTION_FEATURES
from sitenet_sklearn.network.sitenet import SiteNet
from sitenet_sklearn.training.trainer import OPTIMIZERS

from .regressor import SiteNetRegressor

_PUBLISHED_INTERACTIONS = (
    ("distance_matrix", {"polynomial_degree": 1}),
    ("non_sine_coulomb_matrix", {"polynomial_degree": 1, "log": True, "max_clip": 10}),
)
_KINDS = {int: "an integer", Real: "a number", list: "a list"}
_CLAMPS = {"TReLU": True, "relu": True, "identity": False}
_ACTIVATIONS = ("mish", "relu")
_NORMALIZATIONS = ("layer", "batch", "none")
_POOLINGS = ("mean", "max")


def load_reference_checkpoint(path, *, device="auto") -> SiteNetRegressor:
    """Load a model in the layout of the published checkpoints as a fitted regressor.

    The supercells of this library are not those of the published one; given the same distances the predictions are
    the same.

    Parameters
    ----------
    path : str or path-like
        File with a `state_dict` and `hyper_parameters`, of any sizes, activation, normalisation, pooling and cut-off
        that these state. No code from it is executed.
    device : str or torch.device, default="auto"
        Where to compute; "auto" is the first CUDA GPU or else the CPU.

    Returns
    -------
    SiteNetRegressor
        Fitted; it expects crystals with the site features that the model was trained on, see
        `site_feature_names_in_`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no such checkpoint, lacks or misshapes a tensor, or states what this library does not have.

    References
    ----------
    M. Moran, M. W. Gaultois, V. V. Gusev, M. J. Rosseinsky, Digital Discovery 2 (2023) 1297,
    doi:10.1039/d3dd00005b.

    Examples
    --------
    >>> from sitenet_sklearn import load_reference_checkpoint
    >>> load_reference_checkpoint("other.ckpt")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'other.ckpt'
    """
    checkpoint = _read(path)
    config = _Config(path, checkpoint["hyper_parameters"])
    architecture, site_features = config.architecture(), config.site_features()
    make_network = partial(SiteNet, len(site_features), **architecture)
    with torch.device("meta"):
        expected = make_network()
    state = _Translation(path, checkpoint["state_dict"], expected).state()
    network = make_network()
    network.load_state_dict(state, strict=False)
    estimator = SiteNetRegressor(**architecture, **config.training(), device=device)
    return estimator._adopt(network, site_features, INTERACTION_FEATURES)  # noqa: SLF001


def _read(path):
    content = io.BytesIO(Path(path).read_bytes())  # a file that is missing or forbidden is named by the system
    try:
        checkpoint = torch.load(content, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path} is no Site-Net checkpoint, or holds more than numbers: {reason:.200}") from error
    parts = ("state_dict", "hyper_parameters")
    if not isinstance(checkpoint, dict) or not all(isinstance(checkpoint.get(part), dict) for part in parts):
        raise ValueError(f"{path} is no Site-Net checkpoint: state_dict and hyper_parameters expected")
    return checkpoint


class _Config:
    """The published hyper-parameters, checked and in our words."""

    def __init__(self, path, values):
        self.path, self.values = path, values

    def architecture(self):
        """Arguments of `SiteNet`."""
        if self._get("k_softmax", int) != -1:
            self._refuse("k_softmax", "-1 (attention to all sites)")
        if self._get("lin_norm") != self._get("set_norm"):
            self._refuse("lin_norm", f"that of set_norm, {self.values['set_norm']!r}")
        cutoff = self._get("distance_cutoff", Real)
        return {
            "embedding_dim": self._width("embedding_size"),
            "site_dim": self._width("site_dim_per_head"),
            "interaction_dim": self._width("attention_dim_interaction"),
            "n_heads": self._width("attention_heads", 100),
            "n_blocks": self._width("attention_blocks", 100),
            "attention_hidden_layers": self._widths("attention_hidden_layers"),
            "pre_pool_layers": self._widths("pre_pool_layers"),
            "post_pool_layers": self._widths("post_pool_layers"),
            "activation": self._choice("activation_function", _ACTIVATIONS),
            "normalization": self._choice("set_norm", _NORMALIZATIONS),
            "pooling": self._choice("sym_func", _POOLINGS),
            "cutoff": None if cutoff < 0 else float(cutoff),
            "coordination_radius": None,
            "residual": False,
            "clamp": _CLAMPS[self._choice("last_af_func", tuple(_CLAMPS))],
        }

    def training(self):
        """Arguments of the regressor that repeat the published training; its own defaults where not stated."""
        optimizer = self.values.get("Optimizer") or {}
        settings = optimizer.get("Kwargs") or {}
        stated = {
            "lr": self.values.get("Learning_Rate"),
            "optimizer": str(optimizer.get("Name")).lower(),
            "weight_decay": settings.get("weight_decay"),
            "batch_size": self.values.get("Batch_Size") if self.values.get("dynamic_batch") else None,
            "dropout": 0.0,
            "train_oversized": False,
        }
        if stated["optimizer"] not in OPTIMIZERS:
            del stated["optimizer"]
        return {name: value for name, value in stated.items() if value is not None}

    def site_features(self):
        """Names of the site features; the oxidation state comes last."""
        found = tuple((entry.get("name"), entry.get("kwargs")) for entry in self._get("Interaction_Features", list))
        if found != _PUBLISHED_INTERACTIONS:
            self._refuse("Interaction_Features", "the distance and the logarithm of the Coulomb matrix clipped at 10")
        names = [
            name
            for entry in self._get("Site_Features", list)
            for name in entry.get("Featurizer_KArgs", {}).get("properties", [])
        ]
        unknown = [name for name in names if name not in elemental_property_names()]
        if unknown:
            self._refuse("Site_Features", f"elemental properties of matminer (unknown: {', '.join(unknown)})")
        return (*names, "OxidationState")

    def _get(self, name, kind=object):
        if not isinstance(self.values.get(name), kind) or name not in self.values:
            self._refuse(name, "a value" if kind is object else _KINDS[kind])
        return self.values[name]

    def _width(self, name, largest=10**5):
        if not 1 <= self._get(name, int) <= largest:
            self._refuse(name, f"an integer from 1 to {largest}")
        return self.values[name]

    def _widths(self, name):
        widths = tuple(self._get(name, list))
        if not widths or not all(isinstance(width, int) and 1 <= width <= 10**5 for width in widths):
            self._refuse(name, "positive integers")
        return widths

    def _choice(self, name, choices):
        if self._get(name) not in choices:
            self._refuse(name, " or ".join(choices))
        return self.values[name]

    def _refuse(self, name, expected):
        value = repr(self.values[name]) if name in self.values else "nothing"
        raise ValueError(f"{self.path}: hyper-parameter {name} is {value:.200}, expected {expected}")


class _Translation:
    """Published tensors under our names; the first layers of a block become one Linear.

    Parameters
    ----------
    path : path-like
        For messages.
    published : dict of Tensor
        By published names.
    network : SiteNet
        Whose names and shapes are expected.
    """

    def __init__(self, path, published, network):
        self.path, self.published, self.network = path, published, network
        self.expected = network.state_dict()
        self.found = {}

    def state(self):
        """Tensors by our names, every one checked."""
        self._embedding()
        self._layer("site_input", 0, "encoder.site_featurization", "encoder.site_featurization_norm.Norm")
        interactions = "encoder.interaction_featurization"
        self._layer("blocks.0.interaction_input", 0, interactions, f"{interactions}_norm.Norm")
        for k, block in enumerate(self.network.blocks):
            self._block(f"blocks.{k}", block, f"encoder.Attention_Blocks.{k}")
        for k in range(len(self.network.pre_pool.linear)):
            self._layer("pre_pool", k, f"encoder.pre_pool_layers.{k}", f"encoder.pre_pool_layers_norm.{k}.Norm")
        for k in range(len(self.network.post_pool.linear)):
            self._layer("post_pool", k, f"encoder.post_pool_layers.{k}", f"encoder.post_pool_layers_norm.{k}")
        self._copy("output", ["decoder"])
        return self.found

    def _block(self, ours, block, theirs):
        parts = ["ije_to_multihead", "ije_to_attention_features", "ije_to_Interaction_Features"]
        norms = ["logit_norm", "feature_norm", "interaction_norm"]
        present = [part for part, width in zip(parts, block.output_widths, strict=True) if width]
        self._copy(f"{ours}.bond", [f"{theirs}.{part}.linear_layers.0" for part in present])
        for part, norm in zip(present, norms, strict=False):
            self._copy(f"{ours}.{norm}", [f"{theirs}.{part}.norm_layers.0.Norm"])
        for k in range(len(block.logit_hidden.linear)):
            hidden = f"{theirs}.ije_to_multihead"
            self._layer(
                f"{ours}.logit_hidden", k, f"{hidden}.linear_layers.{k + 1}", f"{hidden}.norm_layers.{k + 1}.Norm"
            )
        self._copy(f"{ours}.logit", [f"{theirs}.pre_softmax_linear"])
        after = f"{theirs}.global_linear"
        self._layer(f"{ours}.site_layer", 0, f"{after}.linear_layers.0", f"{after}.norm_layers.0.Norm")

    def _layer(self, ours, k, linear, norm):
        self._copy(f"{ours}.linear.{k}", [linear])
        self._copy(f"{ours}.act_norm.{k}.norm", [norm])

    def _copy(self, ours, theirs):
        """Take over all tensors of a module; those of several published ones are joined along rows."""
        for name in [name for name in self.expected if name.rpartition(".")[0] == ours]:
            tensors = [self._tensor(f"{source}.{name.rpartition('.')[2]}") for source in theirs]
            self._keep(name, torch.cat(tensors) if len(tensors) > 1 else tensors[0], theirs)

    def _embedding(self):
        table = self._tensor("Elemental_Embeddings.weight")
        self._keep("embedding.weight", table[: MAX_ATOMIC_NUMBER + 1], ["Elemental_Embeddings"])

    def _tensor(self, name):
        tensor = self.published.get(name)
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(  # noqa: TRY004
                f"{self.path}: the checkpoint has no tensor {name}, which its hyper-parameters imply"
            )
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{self.path}: tensor {name} is not finite")
        return tensor

    def _keep(self, name, tensor, theirs):
        expected = self.expected[name].shape
        if tensor.shape != expected:
            raise ValueError(
                f"{self.path}: {' and '.join(theirs)} have shape {tuple(tensor.shape)}, the hyper-parameters imply "
                f"{tuple(expected)}"
            )
        self.found[name] = tensor
