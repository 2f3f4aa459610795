"""`SiteNetRegressor`: Site-Net as a scikit-learn regressor."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from sitenet_sklearn._validation import StrOptions, check_target
from sitenet_sklearn.metrics import mean_over_targets
from sitenet_sklearn.training.losses import LOSSES, WeightedLoss

from .base import BaseSiteNet


class KnownTargetsMixin(RegressorMixin):
    """Regressor whose score leaves out unknown targets."""

    def score(self, X, y, sample_weight=None) -> float:
        """Coefficient of determination R2, the mean over targets, each over the crystals of which it is known.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals, or what else the estimator predicts for.
        y : array-like of shape (n,) or (n, k)
            Targets; among several, NaN where one is unknown.
        sample_weight : array-like of shape (n,), default=None
            Weights of the crystals.

        Returns
        -------
        float
        """
        return mean_over_targets(y, self.predict(X), metric=r2_score, sample_weight=sample_weight)


class SiteNetRegressor(KnownTargetsMixin, BaseSiteNet):
    """Predict a property of crystals with Site-Net.

    The defaults are the architecture of the paper [1]_ but for what predicts better, `attention_hidden_layers`,
    `coordination_radius` and `residual`; `from_preset("paper")` is the published model (its Table 1). Inputs and target
    are standardised inside the model, from the training crystals.

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
    attention_hidden_layers : tuple of int, default=(64,)
        Widths of the hidden layers of the attention weights' network g^W. The paper has one of 225.
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
    coordination_radius : float, default=5.0
        Distance in angstrom within which neighbours are also summed up, with weights that fall smoothly to 0: attention
        takes means and cannot count. None for attention alone, as in the paper.
    residual : bool, default=True
        Whether every attention block adds to the sites that it was given. In the paper it replaces them.
    clamp : bool or sequence of bool, default=True
        Whether negative predictions become 0, as suits a band gap; of several targets one for each, or one for all. The
        gradient passes unchanged, and the loss sees the clamped value. Use False for targets that can be negative.
    dropout : float, default=0.0
        Share of the outputs of the layers before and after pooling that every step of training sets to 0, and half
        that share of the outputs of the attention blocks. It helps some data and harms others.
    loss : {"l1", "mse", "huber"}, default="l1"
        What training minimises: the mean absolute or squared error, or Huber's loss, which turns from square to linear
        at one standard deviation of the target. Several targets are measured in their standard deviations.
    max_epochs : int, default=40
        Passes over the training crystals.
    lr : float, default=0.0008126
        Highest learning rate; it rises over the first tenth of training and falls to nearly 0 at its end.
    optimizer : {"adamw", "adam", "nadam", "radam", "sgd"}, default="adamw"
        Optimizer.
    weight_decay : float, default=0.0001
        Weight decay of the optimizer.
    batch_size : int or "auto", default="auto"
        Largest number of primitive sites in a batch. "auto" is the paper's 1200 where that leaves 20 batches an epoch,
        and less for fewer crystals, down to 128: with few data the number of steps limits training.
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
        Whether to train in mixed precision (bfloat16): less memory and time on a GPU that has it, gradients of about
        three digits. Weights and predictions stay in single precision.
    checkpoint_dir : str or path-like, default=None
        Folder where `fit` saves all of training after every epoch. After Ctrl-C or a kill the same call goes on with
        the next epoch and ends as if nothing had happened; then the file is removed. Files are named by parameters
        and data, so that fits may share a folder; with `early_stopping` that takes a fixed `random_state`.
    callbacks : list of skorch callbacks, default=None
        Additional callbacks, each alone or as a pair (name, callback). An `LRScheduler` takes the place of the schedule
        of `lr`.
    device : str or torch.device, default="auto"
        Where to compute; "auto" is the first CUDA GPU or else the CPU.
    train_oversized : bool, default=True
        Whether to train on crystals whose primitive cell alone exceeds the `max_atoms` of the featurizer. The paper
        leaves them out and still predicts them.
    warm_start : bool, default=False
        Whether `fit` continues with the network of the last `fit` instead of new weights. The learning rate schedule
        starts anew; the standardisation of inputs and target stays. Crystals and parameters must ask for the same
        network.
    pretrained : path-like or estimator, default=None
        Fitted model to begin from instead of random weights: a file of `save_model`, or an estimator in scikit-learn's
        `FrozenEstimator`, which keeps it fitted when it is cloned. The new model has its architecture and its
        standardisation of inputs; the parameters of the architecture are ignored.
    new_head : bool, default=False
        Whether the output of the `pretrained` network begins anew, with the target standardised by the new crystals, as
        another property needs. False keeps both: the same property, of other crystals or from another method. Without
        `pretrained` it has no effect, and a warning says so.
    frozen : tuple of str, default=()
        Parts of the network that training leaves as they are: "embedding", "site_input", "blocks" or single ones as
        "blocks.0", "pre_pool", "pool_logit", "post_pool", "output". Where no fitted network is gone on from, they keep
        random weights, and a warning says so.
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
    loss_curve_, validation_loss_curve_ : list of float
        Losses of every epoch, of the training crystals and of those held out; see `LossCurveDisplay`.
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
        **BaseSiteNet._parameter_constraints,  # noqa: SLF001
        "clamp": ["boolean", tuple, list],
        "loss": [StrOptions(set(LOSSES))],
    }

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
        clamp=True,
        dropout=0.0,
        loss="l1",
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
        super().__init__(
            embedding_dim=embedding_dim,
            site_dim=site_dim,
            interaction_dim=interaction_dim,
            n_heads=n_heads,
            n_blocks=n_blocks,
            attention_hidden_layers=attention_hidden_layers,
            pre_pool_layers=pre_pool_layers,
            post_pool_layers=post_pool_layers,
            activation=activation,
            normalization=normalization,
            pooling=pooling,
            cutoff=cutoff,
            coordination_radius=coordination_radius,
            residual=residual,
            dropout=dropout,
            max_epochs=max_epochs,
            lr=lr,
            optimizer=optimizer,
            weight_decay=weight_decay,
            batch_size=batch_size,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            gradient_accumulation=gradient_accumulation,
            amp=amp,
            checkpoint_dir=checkpoint_dir,
            callbacks=callbacks,
            device=device,
            train_oversized=train_oversized,
            warm_start=warm_start,
            pretrained=pretrained,
            new_head=new_head,
            frozen=frozen,
            random_state=random_state,
            verbose=verbose,
        )
        self.clamp = clamp
        self.loss = loss

    def predict(self, X) -> np.ndarray:
        """Predict, with negative values set to 0 if `clamp`.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals.

        Returns
        -------
        ndarray of shape (n,) or (n, k)
            Predictions in the unit of the training targets; NaN for masked crystals.
        """
        raw = self.predict_raw(X)
        return np.where(self.net_.module_.clamp, raw.clip(min=0), raw)

    def architecture(self):
        """Return the arguments of `SiteNet` that are parameters, as a dict."""
        return super().architecture() | {"clamp": self._clamp()}

    def _clamp(self):
        return tuple(self.clamp) if isinstance(self.clamp, tuple | list) else self.clamp

    def _check_target(self, y, used, *, known, name="y"):  # noqa: ARG002
        y = check_target(y, used, name)
        clamp = self._clamp()
        if isinstance(clamp, tuple) and (y.shape[1:] != (len(clamp),) or not all(isinstance(c, bool) for c in clamp)):
            raise ValueError(f"clamp must be a truth value, or one for each target of {name}, got {clamp}")
        negative = np.where((y < 0) & np.asarray(clamp), y, 0)
        if negative.any():
            index = np.unravel_index(negative.argmin(), y.shape)
            several = f" of target {index[1]}" if y.ndim == 2 else ""
            raise ValueError(
                f"{name} holds negative targets (lowest {y[index]:.4g} at index {index[0]}{several}), which a clamped "
                f"model cannot predict: pass clamp=False{', or one truth value for each target' if several else ''}"
            )
        return y

    def _n_targets(self, y):
        return None if y.ndim == 1 else y.shape[1]

    def _targets_to_standardize(self, y):
        return y

    def _criterion(self, network):
        return WeightedLoss(self.loss, network.target_scale)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True
        return tags
