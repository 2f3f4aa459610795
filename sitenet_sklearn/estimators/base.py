"""What the estimators share: parameters, training, and how they become fitted."""

import os
import warnings
from numbers import Integral, Real
from typing import Self

import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from sitenet_sklearn._validation import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
    check_groups,
    check_sample_weight,
    check_widths,
)
from sitenet_sklearn._versions import versions
from sitenet_sklearn.network.batch import CrystalDataset
from sitenet_sklearn.network.layers import ACTIVATIONS, NORMALIZATIONS
from sitenet_sklearn.network.pooling import POOLINGS
from sitenet_sklearn.network.sitenet import SiteNet
from sitenet_sklearn.training.checkpoint import TrainingCheckpoint, fingerprint_of_training
from sitenet_sklearn.training.data_parallel import common_random
from sitenet_sklearn.training.fine_tuning import continue_from, freeze, read_pretrained
from sitenet_sklearn.training.trainer import OPTIMIZERS, make_trainer, resolve_device, seeded

from .inference import PAPER_BATCH_SIZE, NetworkInference, batches
from .parameters import LAYERS, SIZES, ArchitectureParameters
from .selection import check_crystals, check_validation_data, resolve_batch_size, split_crystals, trainable

_PICKLED_WITH = ("sitenet-sklearn", "torch", "skorch")
_POSITIVE = [Interval(Integral, 1, None, closed="left")]


class BaseSiteNet(ArchitectureParameters, NetworkInference, BaseEstimator):
    """Base of `SiteNetRegressor` and `SiteNetClassifier`; parameters are documented there."""

    _parameter_constraints = {
        **dict.fromkeys(SIZES, _POSITIVE),
        **{name: [tuple, list] for name in LAYERS},
        "activation": [StrOptions(set(ACTIVATIONS))],
        "normalization": [StrOptions(set(NORMALIZATIONS))],
        "pooling": [StrOptions(set(POOLINGS))],
        "cutoff": [Interval(Real, 0, None, closed="neither"), None],
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
        "compile": ["boolean"],
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
        dropout=0.0,
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
        checkpoint_dir=None,
        callbacks=None,
        device="auto",
        train_oversized=True,
        warm_start=False,
        pretrained=None,
        new_head=False,
        frozen=(),
        random_state=None,
        verbose=0,
    ) -> None:
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
        self.dropout = dropout
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
        self.checkpoint_dir = checkpoint_dir
        self.callbacks = callbacks
        self.device = device
        self.train_oversized = train_oversized
        self.warm_start = warm_start
        self.pretrained = pretrained
        self.new_head = new_head
        self.frozen = frozen
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, validation_data=None, groups=None) -> Self:
        """Train a new network, or with `warm_start` the one that is there.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals, from `SupercellFeaturizer`. Masked ones are left out, and oversized ones unless
            `train_oversized`, each with a warning that counts them.
        y : array-like of shape (n,) or (n, k)
            Targets. Among several, NaN says that one is unknown: it has no loss.
        sample_weight : array-like of shape (n,), default=None
            Weights of the crystals in the loss, not negative; None for equal ones.
        validation_data : tuple (X, y), default=None
            Crystals and targets to hold out instead of a random share of X. Their loss is recorded, and decides
            with `early_stopping`.
        groups : array-like of shape (n,), default=None
            Crystals of one group are held out together or not at all.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        TypeError
            If X is no RaggedCrystals.
        ValueError
            If a parameter, y, sample_weight or validation_data is wrong.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        groups = None if groups is None else check_groups(groups, len(X))
        X, y, weight, rows = self._select(X, y, sample_weight, keep=self.warm_start)
        given = None
        if validation_data is not None:
            given = CrystalDataset(*check_validation_data(validation_data, self, y, self._check_known_target))
        device = resolve_device(self.device)
        random = common_random(check_random_state(self.random_state), device)
        share = self.validation_fraction if self.early_stopping else None
        train, rest = split_crystals(len(X), random, share=share, groups=None if groups is None else groups[rows])
        data, held_out, seed = CrystalDataset(X, y, weight), given, random.randint(2**31 - 1)
        if held_out is None and len(rest):
            data, held_out = (CrystalDataset(X[k], y[k], weight[k]) for k in (train, rest))
        checkpoint = None
        if self.checkpoint_dir is not None:
            datasets = [data] if held_out is None else [data, held_out]
            checkpoint = TrainingCheckpoint(self.checkpoint_dir, self._fingerprint(datasets), seed)
            seed = checkpoint.seed
        self.batch_size_ = resolve_batch_size(self.batch_size, data.crystals.primitive_sizes)
        with seeded(seed, device):
            network = self._network_for(data, keep=self.warm_start)
            self.net_ = self._trainer(network, device, data.crystals.primitive_sizes, stop=held_out is not None)
            try:
                self.net_.train(data, held_out=held_out, checkpoint=checkpoint)
            finally:
                self.history_ = self.net_.history
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None) -> Self:
        """Train for one more epoch, at the learning rate `lr` throughout.

        The first call standardises inputs and targets by its crystals, later ones keep that.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals, as in `fit`.
        y : array-like of shape (n,) or (n, k)
            Targets.
        sample_weight : array-like of shape (n,), default=None
            Weights of the crystals in the loss; None for equal ones.

        Returns
        -------
        estimator
            The estimator itself.
        """
        X, y, weight, _ = self._select(X, y, sample_weight, keep=True)
        data, device = CrystalDataset(X, y, weight), resolve_device(self.device)
        random = common_random(check_random_state(self.random_state), device)
        n_before = len(self.history_) if hasattr(self, "history_") else 0
        with seeded((random.randint(2**31 - 1) + n_before) % 2**31, device):
            network = self._network_for(data, keep=True)
            if not hasattr(self, "net_") or self.net_.module_ is not network or self.net_.max_epochs != 1:
                self.batch_size_ = resolve_batch_size(self.batch_size, X.primitive_sizes)
                self.net_ = self._trainer(network, device).initialize()
            self.net_.train_more(data)
        self.history_ = self.net_.history
        return self

    def _select(self, X, y, sample_weight, *, keep):
        """Check crystals, targets and weights, and keep those to train on, also by their indices."""
        check_crystals(X, self)
        check_widths(self, LAYERS)
        weight = check_sample_weight(sample_weight, len(X))
        y = self._check_target(y, len(X), known=keep and hasattr(self, "net_"))
        rows = trainable(X, train_oversized=self.train_oversized)
        return X[rows], y[rows], weight[rows], rows

    def _check_known_target(self, y, n):
        return self._check_target(y, n, known=True)

    def _fingerprint(self, datasets):
        """Name what a training follows from, for its checkpoint."""
        beginning = self.net_.module_ if self.warm_start and hasattr(self, "net_") else None
        if beginning is None and self.pretrained is not None:
            beginning, _ = read_pretrained(self.pretrained)
        return fingerprint_of_training(type(self).__name__, self.get_params(), datasets, beginning)

    def _remember_features(self, site_feature_names, interaction_feature_names):
        self.n_site_features_in_ = len(site_feature_names)
        self.site_feature_names_in_ = tuple(site_feature_names)
        self.interaction_feature_names_in_ = tuple(interaction_feature_names)

    def _network_for(self, data, *, keep):
        """Build the network that data and parameters ask for, or keep the fitted one if it is that."""
        names = data.crystals.site_feature_names, data.crystals.interaction_feature_names
        config = {
            "n_site_features": len(names[0]),
            "interaction_features": names[1],
            "n_targets": self._n_targets(data.y),
            **self.architecture(),
        }
        if keep and hasattr(self, "net_"):
            fitted = self.net_.module_.config | {"site_features": self.site_feature_names_in_}
            wanted = config | {"site_features": names[0]}
            for name, value in wanted.items():
                if fitted[name] != value:
                    raise ValueError(f"the fitted network has {name}={fitted[name]!r} and cannot go on with {value!r}")
            return self.net_.module_
        if self.pretrained is None:
            network = SiteNet(**config)
        else:
            head = {name: config[name] for name in ("n_targets", "clamp", "dropout")}
            network = continue_from(self.pretrained, names, new_head=self.new_head, **head)
        self._remember_features(*names)
        if self.pretrained is None:
            network.standardize_inputs(batches(data.crystals))
        if self.pretrained is None or self.new_head:
            network.standardize_target(torch.as_tensor(self._targets_to_standardize(data.y), dtype=torch.float32))
        return network

    def _check_target(self, y, n, *, known):
        """Make targets an array, of numbers; `known` says whether a network was fitted to the target before."""
        raise NotImplementedError

    def _n_targets(self, y):
        """Tell how many outputs the network has for the targets y; None for one without an axis."""
        raise NotImplementedError

    def _targets_to_standardize(self, y):
        """Return what the shift and scale of the outputs follow from."""
        raise NotImplementedError

    def _criterion(self, network):
        """Make the loss."""
        raise NotImplementedError

    def _trainer(self, network, device, sizes=None, *, stop=False):
        """Make the trainer of a network: for all epochs over crystals of such sizes, or for single ones."""
        freeze(network, self.frozen)
        if self.compile:
            network.compile_pairs()
        patience = (self.patience or self.max_epochs) if stop and self.early_stopping else None
        epochs = {} if sizes is None else {"max_epochs": self.max_epochs, "sizes": sizes}
        settings = {"device": device, "batch_size": self.batch_size_, "patience": patience} | epochs
        return make_trainer(network, self._criterion(network), **settings, **self.training())

    def _adopt(self, network, site_feature_names, interaction_feature_names):
        """Become fitted with a network that was trained elsewhere."""
        self._remember_features(site_feature_names, interaction_feature_names)
        self.batch_size_ = PAPER_BATCH_SIZE if self.batch_size == "auto" else self.batch_size
        self.net_ = self._trainer(network, resolve_device(self.device)).initialize()
        self.history_ = self.net_.history
        return self

    def __getstate__(self):
        return super().__getstate__() | {"_versions": versions(*_PICKLED_WITH)}

    def __setstate__(self, state):
        saved = state.pop("_versions", {})
        for name, now in versions(*_PICKLED_WITH).items():
            if saved.get(name, now) != now:
                warnings.warn(
                    f"this {type(self).__name__} was pickled with {name} {saved[name]} and is loaded with {now}: "
                    "predictions may differ, or fail; files of save_model can be read by every later version",
                    stacklevel=2,
                )
        super().__setstate__(state)
