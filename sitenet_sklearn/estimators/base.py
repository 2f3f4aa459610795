"""What the estimators share: parameters, training, and how they become fitted."""

import warnings
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from sitenet_sklearn._validation import (
    _fit_context,
    check_groups,
    check_sample_weight,
    check_widths,
    unchanged_after_error,
)
from sitenet_sklearn._versions import versions
from sitenet_sklearn.crystals.site_features import site_feature_spread
from sitenet_sklearn.network.batch import CrystalDataset
from sitenet_sklearn.training.callbacks import check_callbacks
from sitenet_sklearn.training.checkpoint import TrainingCheckpoint, fingerprint_of_training, remove_checkpoint
from sitenet_sklearn.training.data_parallel import common_random
from sitenet_sklearn.training.devices import resolve_device
from sitenet_sklearn.training.fine_tuning import begin_anew, check_goes_on, continue_from, freeze, read_pretrained
from sitenet_sklearn.training.randomness import own_generator, seeded
from sitenet_sklearn.training.trainer import make_trainer

from .inference import PAPER_BATCH_SIZE, NetworkInference, batches
from .loss_curve import LossCurve
from .parameters import CONSTRAINTS, HEAD_OPTIONS, LAYERS, ArchitectureParameters
from .selection import check_crystals, check_validation_data, resolve_batch_size, split_crystals, trainable

_PICKLED_WITH = ("sitenet-sklearn", "torch", "skorch")
AFTER_FIT = 0.1
"""Share of the learning rate with which `partial_fit` goes on after `fit`."""


class BaseSiteNet(ArchitectureParameters, NetworkInference, LossCurve, BaseEstimator):
    """Base of `SiteNetRegressor` and `SiteNetClassifier`; parameters are documented there."""

    _parameter_constraints = CONSTRAINTS
    _kept_checkpoint: Path | None = None

    def __init__(
        self,
        *,
        embedding_dim=92,
        site_dim=30,
        interaction_dim=16,
        n_heads=3,
        n_blocks=2,
        attention_hidden_layers=(64,),
        pre_pool_layers=(94,),
        post_pool_layers=(200, 200, 200),
        activation="mish",
        normalization="layer",
        pooling="mean",
        cutoff=None,
        coordination_radius=5.0,
        residual=True,
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
        self.coordination_radius = coordination_radius
        self.residual = residual
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
            with `early_stopping`. In a pipeline X may be structures: they are featurized as those to train on.
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
        with unchanged_after_error(self, resumes=self.warm_start and self.checkpoint_dir is not None):
            self._fit(X, y, sample_weight, validation_data, groups)
        return self

    def _fit(self, X, y, sample_weight, validation_data, groups):
        groups = None if groups is None else check_groups(groups, len(X))
        X, y, weight, rows = self._select(X, y, sample_weight, keep=self.warm_start)
        held_out, device = None, resolve_device(self.device)
        if validation_data is not None:
            held_out = CrystalDataset(*check_validation_data(validation_data, self, X, y, self._check_held_out_target))
        random = common_random(check_random_state(self.random_state), device)
        share = self.validation_fraction if self.early_stopping else None
        train, rest = split_crystals(len(X), random, share=share, groups=None if groups is None else groups[rows])
        data, seed = CrystalDataset(X, y, weight), random.randint(2**31 - 1)
        if held_out is None and len(rest):
            data, held_out = (CrystalDataset(X[k], y[k], weight[k]) for k in (train, rest))
        if held_out is not None and np.isnan(held_out.y).all():
            raise ValueError("the targets of all held-out crystals are unknown (NaN): hold out others")
        with self._checkpoint([data] if held_out is None else [data, held_out], seed) as checkpoint:
            self.batch_size_ = resolve_batch_size(self.batch_size, data.crystals.primitive_sizes)
            seed = seed if checkpoint is None else checkpoint.seed
            with seeded(seed, device):
                network = self._network_for(data, keep=self.warm_start)
                generator = own_generator(device)
            self.net_ = self._trainer(network, device, data.crystals.primitive_sizes, stop=held_out is not None)
            try:
                self.net_.train(data, seed=seed, generator=generator, held_out=held_out, checkpoint=checkpoint)
            finally:
                self.history_ = self.net_.history

    def _checkpoint(self, datasets, seed):
        """Give the checkpoint of a training, as a context, or None for none."""
        if self.checkpoint_dir is None:
            return nullcontext()
        beginning = self.net_.module_ if self.warm_start and hasattr(self, "net_") else None
        if beginning is None and self.pretrained is not None:
            beginning, _ = read_pretrained(self.pretrained)
        fingerprint = fingerprint_of_training(type(self).__name__, self.get_params(), datasets, beginning)
        checkpoint = TrainingCheckpoint(self.checkpoint_dir, fingerprint, seed, keep=self._kept_checkpoint is not None)
        if checkpoint.keep:
            self._kept_checkpoint = checkpoint.path
        return checkpoint

    def _keep_checkpoint(self):
        """Let the next `fit` leave its checkpoint, of which an equal `fit` makes the same network without training."""
        self._kept_checkpoint = Path()

    def _remove_checkpoint(self):
        """Remove the checkpoint that was kept."""
        kept = vars(self).pop("_kept_checkpoint", Path())
        if kept != Path():
            remove_checkpoint(kept)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None) -> Self:
        """Train for one more epoch, at a constant learning rate.

        It is `lr`, and a tenth of it after `fit`, which ends near 0. The first call standardises inputs and targets by
        its crystals, later ones keep that. Parameters of training may change between calls.

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
        with unchanged_after_error(self):
            X, y, weight, _ = self._select(X, y, sample_weight, keep=True)
            data, device = CrystalDataset(X, y, weight), resolve_device(self.device)
            random = common_random(check_random_state(self.random_state), device)
            n_before = len(self.history_) if hasattr(self, "history_") else 0
            seed = (random.randint(2**31 - 1) + n_before) % 2**31
            with seeded(seed, device):
                network = self._network_for(data, keep=True)
                generator = own_generator(device)
            self.batch_size_ = resolve_batch_size(self.batch_size, X.primitive_sizes)
            earlier = getattr(self, "net_", None)
            share = AFTER_FIT if earlier is not None and earlier.after_fit_ else 1.0
            self.net_ = self._trainer(network, device).set_params(lr=share * self.lr).initialize()
            if earlier is not None:
                self.net_.go_on_from(earlier)
            try:
                self.net_.train_more(data, seed=seed, generator=generator)
            finally:
                self.history_ = self.net_.history
        return self

    def _select(self, X, y, sample_weight, *, keep):
        """Check crystals, targets and weights, and keep those to train on, also by their indices."""
        check_crystals(X, self)
        check_widths(self, LAYERS)
        check_callbacks(self.callbacks)
        weight = check_sample_weight(sample_weight, len(X))
        rows = trainable(X, weight, train_oversized=self.train_oversized)
        y = self._check_target(y, rows, known=keep)
        return X[rows], y[rows], weight[rows], rows

    def _check_held_out_target(self, y, used):
        return self._check_target(y, used, known=True, name="y of validation_data")

    def _remember_features(self, site_feature_names, interaction_feature_names):
        self.n_site_features_in_ = len(site_feature_names)
        self.site_feature_names_in_ = tuple(site_feature_names)
        self.interaction_feature_names_in_ = tuple(interaction_feature_names)

    def _network_for(self, data, *, keep):
        """Build the network that data and parameters ask for, or copy the fitted one if it is that."""
        names = data.crystals.site_feature_names, data.crystals.interaction_feature_names
        config = {
            "n_site_features": len(names[0]),
            "interaction_features": names[1],
            "n_targets": self._n_targets(data.y),
            **self.architecture(),
        }
        if keep and hasattr(self, "net_"):
            fitted = self.net_.module_.config | {"site_features": self.site_feature_names_in_}
            wanted = {"site_features": names[0]} | config
            if self.pretrained is not None:  # its architecture was taken over, whatever the parameters say
                wanted = {name: wanted[name] for name in ("site_features", "interaction_features", *HEAD_OPTIONS)}
            check_goes_on(fitted, wanted)
            return deepcopy(self.net_.module_)  # the fitted one stays as it is until training has ended
        if self.pretrained is None:
            network = begin_anew(config, new_head=self.new_head, frozen=self.frozen)
        else:
            usual, head = type(self)().architecture(), {name: config[name] for name in HEAD_OPTIONS}
            asked = {name: config[name] for name in set(usual) - set(head) if config[name] != usual[name]}
            network = continue_from(self.pretrained, names, new_head=self.new_head, asked=asked, **head)
        self._remember_features(*names)
        weights = torch.as_tensor(data.weight, dtype=torch.float32) if np.ptp(data.weight) > 0 else None
        if self.pretrained is None:
            spread, least = map(torch.as_tensor, site_feature_spread(names[0]))
            network.standardize_inputs(batches(data.crystals), weights, spread=spread, least=least)
        if self.pretrained is None or self.new_head:
            targets = torch.as_tensor(self._targets_to_standardize(data.y), dtype=torch.float32)
            network.standardize_target(targets, weights)
        return network

    def _check_target(self, y, used, *, known, name="y"):
        """Make targets an array of numbers, of which some are used; `known` ones go on from earlier ones, if any."""
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
        patience = (self.patience or self.max_epochs) if stop and self.early_stopping else None
        epochs = {} if sizes is None else {"max_epochs": self.max_epochs, "sizes": sizes}
        settings = {"device": device, "batch_size": self.batch_size_, "patience": patience} | epochs
        return make_trainer(network, self._criterion(network), **settings, **self.training())

    def _adopt(self, network, site_feature_names, interaction_feature_names):
        """Become fitted with a network that was trained elsewhere."""
        self._remember_features(site_feature_names, interaction_feature_names)
        self.batch_size_ = PAPER_BATCH_SIZE if self.batch_size == "auto" else self.batch_size
        self.net_ = self._trainer(network, resolve_device(self.device)).initialize()
        self.net_.after_fit_ = True
        self.history_ = self.net_.history
        return self

    def __getstate__(self):
        return super().__getstate__() | {"_versions": versions(*_PICKLED_WITH)}

    def __setstate__(self, state):
        saved = state.pop("_versions", {})
        state = {"coordination_radius": None, "residual": False} | state  # pickles of 0.1.0 have neither
        for name, now in versions(*_PICKLED_WITH).items():
            if saved.get(name, now) != now:
                warnings.warn(
                    f"this {type(self).__name__} was pickled with {name} {saved[name]} and is loaded with {now}: "
                    "predictions may differ, or fail; files of save_model can be read by every later version",
                    stacklevel=2,
                )
        super().__setstate__(state)
