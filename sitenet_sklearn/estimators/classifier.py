"""`SiteNetClassifier`: Site-Net as a scikit-learn classifier."""

from typing import Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from sitenet_sklearn._validation import check_not_masked, unchanged_after_error
from sitenet_sklearn.training.losses import WeightedCrossEntropy

from .base import BaseSiteNet


class SiteNetClassifier(ClassifierMixin, BaseSiteNet):
    """Tell classes of crystals apart with Site-Net, for example metals and insulators.

    The network of `SiteNetRegressor` [1]_ with one output for every class, trained on the cross entropy.

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
    dropout : float, default=0.0
        Share of the outputs of the layers before and after pooling that every step of training sets to 0, and half
        that share of the outputs of the attention blocks. It helps some data and harms others.
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
    classes_ : ndarray of shape (k,)
        Classes seen in `fit`, sorted.
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
    SiteNetRegressor : Predicts numbers.

    References
    ----------
    .. [1] M. Moran, M. W. Gaultois, V. V. Gusev, M. J. Rosseinsky, Digital Discovery 2 (2023) 1297, section 2.2,
       doi:10.1039/d3dd00005b.

    Examples
    --------
    >>> import numpy as np
    >>> from sitenet_sklearn import SiteNetClassifier, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> crystals = SupercellFeaturizer(max_atoms=20).fit_transform(structures[:30])
    >>> kind = np.where(band_gap[:30] > 3, "insulator", "semiconductor")
    >>> model = SiteNetClassifier(max_epochs=1, random_state=0).fit(crystals, kind)
    >>> model.classes_
    array(['insulator', 'semiconductor'], dtype='<U13')
    >>> model.predict_proba(crystals).shape
    (30, 2)
    """

    def predict_proba(self, X) -> np.ndarray:
        """Predict the probability of every class.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals.

        Returns
        -------
        ndarray of shape (n, k)
            Probabilities in the order of `classes_`; NaN for masked crystals.
        """
        return torch.as_tensor(self.predict_raw(X)).softmax(dim=1).numpy()

    def predict(self, X) -> np.ndarray:
        """Predict the most probable class.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals, none masked.

        Returns
        -------
        ndarray of shape (n,)
            Entries of `classes_`.

        Raises
        ------
        ValueError
            If a crystal is masked: it has no class. Its probabilities are NaN.
        """
        raw = self.predict_raw(X)
        masked = np.flatnonzero(np.isnan(raw).any(axis=1))
        if len(masked):
            raise ValueError(f"{len(masked)} crystals are masked and have no class, the first at index {masked[0]}")
        return self.classes_[raw.argmax(axis=1)]

    def partial_fit(self, X, y, classes=None, sample_weight=None) -> Self:
        """Train for one more epoch, at a constant learning rate.

        It is `lr`, and a tenth of it after `fit`, which ends near 0. The first call standardises inputs by its crystals
        and settles the classes, later ones keep that. Parameters of training may change between calls.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals, as in `fit`.
        y : array-like of shape (n,)
            Classes; a call may hold some of them only, or one.
        classes : array-like of shape (k,), default=None
            All classes that any call may hold; None takes those of y in the first call. Later calls may leave it out.
        sample_weight : array-like of shape (n,), default=None
            Weights of the crystals in the loss; None for equal ones.

        Returns
        -------
        SiteNetClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If y holds what is none of the classes, or `classes` are others than training began with.
        """
        with unchanged_after_error(self):
            if classes is not None:
                self.classes_ = self._check_classes(classes)
            return super().partial_fit(X, y, sample_weight)

    def _check_classes(self, classes):
        found = np.unique(classes)
        if np.ndim(classes) != 1 or len(found) < 2:
            raise ValueError(f"classes must list at least two classes, got {classes!r:.80}")
        if hasattr(self, "net_") and found.tolist() != self.classes_.tolist():
            raise ValueError(f"classes={found.tolist()} are not those that training began with: {self._classes()}")
        return found

    def _classes(self):
        return f"{self.classes_.tolist()!s:.300}"

    def _check_target(self, y, used, *, known, name="y"):
        if y is None:
            raise ValueError(f"{name} is None, but a class for every crystal is required")
        check_not_masked(y, name)
        y = np.asarray(y)
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if y.shape != used.shape:
            raise ValueError(f"{name} must hold one class for each of {len(used)} crystals, got shape {y.shape}")
        missing = pd.isna(y)
        if (missing & used).any():
            raise ValueError(f"{name} holds no class at index {np.flatnonzero(missing & used)[0]}: leave it out")
        labels, codes = y[~missing], np.full(len(y), np.nan)
        check_classification_targets(labels)
        if not (known and hasattr(self, "classes_")):
            self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise ValueError(f"{name} must hold at least two classes, got only {self._classes()}")
        known_classes = set(self.classes_.tolist())
        for index, label in zip(np.flatnonzero(~missing), labels.tolist(), strict=True):
            if label not in known_classes:
                raise ValueError(
                    f"{name} holds the class {label!r} at index {index}, but training began with {self._classes()}"
                )
        codes[~missing] = np.searchsorted(self.classes_, labels)
        return codes

    def architecture(self):
        """Return the arguments of `SiteNet` that are parameters, as a dict; logits are not clamped."""
        return super().architecture() | {"clamp": False}

    def _n_targets(self, y):  # noqa: ARG002
        return len(self.classes_)

    def _targets_to_standardize(self, y):
        return np.zeros((len(y), len(self.classes_)))

    def _criterion(self, network):  # noqa: ARG002
        return WeightedCrossEntropy()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.classifier_tags.poor_score = True
        return tags
