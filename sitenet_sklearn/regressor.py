"""`SiteNetRegressor`: Site-Net as a scikit-learn regressor."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state

from ._data_parallel import common_random
from ._training import OPTIMIZERS, make_trainer, resolve_device, seeded
from ._validation import Interval, StrOptions, _fit_context, check_target, check_widths
from .batch import CrystalDataset
from .inference import PAPER_BATCH_SIZE, NetworkInference, batches
from .layers import ACTIVATIONS, NORMALIZATIONS
from .network import SiteNet
from .presets import FromPreset
from .usable import check_crystals, trainable

MIN_BATCH_SIZE = 128
STEPS_PER_EPOCH = 50
MIN_VALIDATED = 20

_POSITIVE = [Interval(Integral, 1, None, closed="left")]
_SIZES = ("embedding_dim", "site_dim", "interaction_dim", "n_heads", "n_blocks")
_LAYERS = ("attention_hidden_layers", "pre_pool_layers", "post_pool_layers")
_ARCHITECTURE = (*_SIZES, *_LAYERS, "activation", "normalization", "pooling", "cutoff", "clamp")


class SiteNetRegressor(RegressorMixin, FromPreset, NetworkInference, BaseEstimator):
    """Predict a property of crystals with Site-Net.

    The defaults are the architecture of the paper [1]_ (its Table 1 and the published models). Inputs and
    target are standardised inside the model, from the training crystals.

    Parameters
    ----------
    embedding_dim : int, default=92
        Length of the learned vector of every element.
    site_dim : int, default=30
        Width of site representations per head.
    interaction_dim : int, default=16
        Width of interaction representations per head. Table 1 prints 12, the text and the published models
        have 16.
    n_heads : int, default=3
        Number of attention heads.
    n_blocks : int, default=2
        Number of attention blocks.
    attention_hidden_layers : tuple of int, default=(225,)
        Widths of the hidden layers of the attention weights' network g^W.
    pre_pool_layers : tuple of int, default=(94,)
        Widths of the layers before pooling.
    post_pool_layers : tuple of int, default=(200, 200, 200)
        Widths of the layers after pooling.
    activation : {"mish", "relu", "leaky_relu", "elu", "selu", "silu", "gelu", "tanh"}, default="mish"
        Activation of every layer.
    normalization : {"layer", "batch", "none"}, default="layer"
        Normalisation after every activation.
    pooling : {"mean", "max", "attention"}, default="mean"
        How the sites of a crystal become one vector.
    cutoff : float, default=None
        Distance in angstrom beyond which a site gets no attention; None for no limit. Table 2 uses 5.
    clamp : bool, default=True
        Whether negative predictions become 0, as suits a band gap. The gradient passes unchanged, and the
        loss sees the clamped value. Use False for targets that can be negative.
    max_epochs : int, default=40
        Passes over the training crystals.
    lr : float, default=0.0008126
        Highest learning rate; it rises over the first tenth of training and falls to nearly 0 at its end.
    optimizer : {"adamw", "adam", "nadam", "radam", "sgd"}, default="adamw"
        Optimizer.
    weight_decay : float, default=0.0001
        Weight decay of the optimizer.
    batch_size : int or "auto", default="auto"
        Largest number of primitive sites in a batch. "auto" is the paper's 1200 where that leaves 50 batches
        an epoch, and less for fewer crystals, down to 128: with few data the number of steps limits training.
    early_stopping : bool, default=False
        Whether to hold out crystals and to restore the weights of the epoch that predicts them best. False
        trains on all of them and keeps the last weights. Fewer than 20 training crystals are never split.
    validation_fraction : float, default=0.1
        Share of the training crystals to hold out with `early_stopping`, drawn at random.
    patience : int, default=None
        Epochs without improvement on held-out crystals after which `early_stopping` ends training; None trains
        to the end.
    gradient_accumulation : int, default=1
        Number of batches whose gradients are added up before each step of the optimizer, as if they were one.
    amp : bool, default=False
        Whether to compute in mixed precision (bfloat16): less memory and time on a GPU that has it, about three
        digits of precision in training and prediction.
    compile : bool, default=False
        Whether torch compiles what is computed of pairs, which takes a C++ compiler and half a minute. The default
        architecture has a kernel of its own and gains nothing on a CPU; others may.
    callbacks : list of skorch callbacks, default=None
        Additional callbacks, each alone or as a pair (name, callback).
    device : str or torch.device, default="auto"
        Where to compute; "auto" is the first CUDA GPU or else the CPU.
    train_oversized : bool, default=False
        Whether to train on crystals whose primitive cell alone exceeds the `max_atoms` of the featurizer. The
        paper leaves them out and still predicts them.
    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, of the split and of the order of crystals. The same number gives the
        same predictions on the same machine; torch's global random state is left as found.
    verbose : int, default=0
        Whether to show a progress bar over epochs, with the losses.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained network in its training loop.
    history_ : skorch.history.History
        Losses and times of every epoch.
    n_site_features_in_ : int
        Number of site features seen in `fit`.
    site_feature_names_in_, interaction_feature_names_in_ : tuple of str
        Names of the site features and of the interaction features.
    batch_size_ : int
        Primitive sites in a batch, as used.

    See Also
    --------
    SupercellFeaturizer : Makes the crystals that this regressor learns from.

    References
    ----------
    .. [1] M. Moran, M. W. Gaultois, V. V. Gusev, M. J. Rosseinsky, Digital Discovery 2 (2023) 1297, Table 1 and
       section 2.2, doi:10.1039/d3dd00005b.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> model = make_pipeline(
    ...     SupercellFeaturizer(max_atoms=20), SiteNetRegressor(max_epochs=1, random_state=0)
    ... )
    >>> model.fit(structures[:30], band_gap[:30]).predict(structures[30:32]).shape
    (2,)
    """

    _parameter_constraints = {
        **dict.fromkeys(("embedding_dim", "site_dim", "interaction_dim", "n_heads", "n_blocks"), _POSITIVE),
        **{name: [tuple, list] for name in _LAYERS},
        "activation": [StrOptions(set(ACTIVATIONS))],
        "normalization": [StrOptions(set(NORMALIZATIONS))],
        "pooling": [StrOptions({"mean", "max", "attention"})],
        "cutoff": [Interval(Real, 0, None, closed="neither"), None],
        "clamp": ["boolean"],
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
        "compile": ["boolean"],
        "callbacks": [list, tuple, None],
        "device": [str, torch.device],
        "train_oversized": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        embedding_dim=92,
        site_dim=30,
        interaction_dim=16,
        n_heads=3,
        n_blocks=2,
        attention_hidden_layers=(225,),
        pre_pool_layers=(94,),
        post_pool_layers=(200, 200, 200),
        activation="mish",
        normalization="layer",
        pooling="mean",
        cutoff=None,
        clamp=True,
        max_epochs=40,
        lr=0.0008126,
        optimizer="adamw",
        weight_decay=0.0001,
        batch_size="auto",
        early_stopping=False,
        validation_fraction=0.1,
        patience=None,
        gradient_accumulation=1,
        amp=False,
        compile=False,  # noqa: A002
        callbacks=None,
        device="auto",
        train_oversized=False,
        random_state=None,
        verbose=0,
    ):
        self.embedding_dim = embedding_dim
        self.site_dim = site_dim
        self.interaction_dim = interaction_dim
        self.n_heads = n_heads
        self.n_blocks = n_blocks
        self.attention_hidden_layers = attention_hidden_layers
        self.pre_pool_layers = pre_pool_layers
        self.post_pool_layers = post_pool_layers
        self.activation = activation
        self.normalization = normalization
        self.pooling = pooling
        self.cutoff = cutoff
        self.clamp = clamp
        self.max_epochs = max_epochs
        self.lr = lr
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.gradient_accumulation = gradient_accumulation
        self.amp = amp
        self.compile = compile
        self.callbacks = callbacks
        self.device = device
        self.train_oversized = train_oversized
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Train a new network.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals, from `SupercellFeaturizer`. Masked ones are left out, and oversized ones unless
            `train_oversized`, each with a warning that counts them.
        y : array-like of shape (n,)
            Targets.

        Returns
        -------
        SiteNetRegressor
            The estimator itself.

        Raises
        ------
        TypeError
            If X is no RaggedCrystals.
        ValueError
            If a parameter or y is wrong.
        """
        check_crystals(X, self)
        check_widths(self, _LAYERS)
        y = self._check_sign(check_target(y, len(X)))
        rows = trainable(X, train_oversized=self.train_oversized)
        X, y = X[rows], y[rows]
        device = resolve_device(self.device)
        random = common_random(check_random_state(self.random_state), device)
        train, held_out = self._split(len(X), random)
        self.n_site_features_in_ = len(X.site_feature_names)
        self.site_feature_names_in_ = X.site_feature_names
        self.interaction_feature_names_in_ = X.interaction_feature_names
        self.batch_size_ = self._resolve_batch_size(X.primitive_sizes[train])
        with seeded(random.randint(2**31 - 1), device):
            self._train(X, y, train, held_out, device)
        return self

    def predict(self, X):
        """Predict, with negative values set to 0 if `clamp`.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals.

        Returns
        -------
        ndarray of shape (n,)
            Predictions in the unit of the training target; NaN for masked crystals.
        """
        raw = self.predict_raw(X)
        return raw.clip(min=0) if self.net_.module_.clamp else raw

    def _check_sign(self, y):
        if self.clamp and y.min() < 0:
            raise ValueError(
                f"y holds negative targets (lowest {y.min():.4g} at index {y.argmin()}), which a clamped model cannot "
                "predict: pass clamp=False"
            )
        return y

    def _split(self, n, random):
        """Draw the indices of training and of held-out crystals, the latter possibly none."""
        order = random.permutation(n)
        held_out = max(1, round(self.validation_fraction * n)) if self.early_stopping and n >= MIN_VALIDATED else 0
        return np.sort(order[held_out:]), np.sort(order[:held_out])

    def _resolve_batch_size(self, sizes):
        if self.batch_size != "auto":
            return self.batch_size
        return int(np.clip(sizes.sum() // STEPS_PER_EPOCH, MIN_BATCH_SIZE, PAPER_BATCH_SIZE))

    def _train(self, X, y, train, held_out, device):
        network = SiteNet(
            self.n_site_features_in_,
            self.interaction_feature_names_in_,
            **{name: getattr(self, name) for name in _ARCHITECTURE},
        )
        if self.compile:
            network.compile_pairs()
        network.standardize(batches(X[train]), torch.as_tensor(y[train], dtype=torch.float32))
        self.net_ = make_trainer(
            network,
            self,
            batch_size=self.batch_size_,
            sizes=X.primitive_sizes[train],
            validation=CrystalDataset(X[held_out], y[held_out]) if len(held_out) else None,
            device=device,
        )
        self.net_.fit(CrystalDataset(X[train], y[train]), None)
        self.net_.train_split = None  # do not keep the held-out crystals
        self.history_ = self.net_.history
        if self.net_.interrupted_:
            raise KeyboardInterrupt(f"training was interrupted after {len(self.history_)} epochs")

    def _adopt(self, network, site_feature_names, interaction_feature_names):
        """Become fitted with a network that was trained elsewhere."""
        self.n_site_features_in_ = len(site_feature_names)
        self.site_feature_names_in_ = tuple(site_feature_names)
        self.interaction_feature_names_in_ = tuple(interaction_feature_names)
        self.batch_size_ = PAPER_BATCH_SIZE if self.batch_size == "auto" else self.batch_size
        device = resolve_device(self.device)
        sizes = np.ones(1, int)
        trainer = make_trainer(network, self, batch_size=self.batch_size_, sizes=sizes, validation=None, device=device)
        self.net_ = trainer.initialize()
        self.history_ = self.net_.history
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.regressor_tags.poor_score = True
        return tags
