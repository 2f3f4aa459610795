"""The training loop: skorch on batches of crystals."""

import contextlib
import math
from functools import partial

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from skorch.helper import predefined_split
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from sitenet_sklearn.network.batch import SiteBudgetSampler

from .data_parallel import ShareSampler, is_distributed, sum_over_processes
from .memory import in_parts

OPTIMIZERS = {
    "adamw": (torch.optim.AdamW, {"amsgrad": True, "eps": 1e-7}),
    "adam": (torch.optim.Adam, {"amsgrad": True, "eps": 1e-7}),
    "nadam": (torch.optim.NAdam, {"eps": 1e-7}),
    "radam": (torch.optim.RAdam, {"eps": 1e-7}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
}
"""Optimizers by name; settings of AdamW are those of the published models."""

MAX_GRADIENT_NORM = 1.0
WARM_UP = 0.1


class SiteNetTrainer(NeuralNet):
    """skorch's loop with batches bounded by primitive sites, shared by all processes of torch.distributed.

    Parameters
    ----------
    amp : bool, default=False
        Whether to compute in bfloat16 where that is precise enough.
    gradient_accumulation : int, default=1
        Number of batches to every step of the optimizer.
    checkpoint : TrainingCheckpoint, default=None
        Where to go on from; it is among the callbacks as well.
    **kwargs
        Those of `skorch.NeuralNet`.

    Attributes
    ----------
    order_ : torch.Generator
        Source of the order of crystals.
    n_added_ : int
        Number of batches in the gradients since the last step of the optimizer.
    interrupted_ : bool
        Whether Ctrl-C ended training, which skorch does not tell apart from a callback that stops it.
    """

    def __init__(self, *args, amp=False, gradient_accumulation=1, checkpoint=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.checkpoint = checkpoint
        self.amp = amp
        self.gradient_accumulation = gradient_accumulation

    def initialize(self):
        """Initialise skorch; nothing has stopped training yet."""
        self.interrupted_, self.stopped_by_callback_, self.n_added_ = False, False, 0
        return super().initialize()

    def get_iterator(self, dataset, training=False):
        """Load whole batches from a `CrystalDataset`, in a new random order each epoch for training."""
        sampler = SiteBudgetSampler(
            dataset.crystals.primitive_sizes, self.batch_size, self.order_ if training else None
        )
        if training and is_distributed():
            sampler = ShareSampler(sampler)
        own_seed = torch.Generator()  # a loader draws a number: not one of those that dropout is made of
        return DataLoader(dataset, batch_sampler=sampler, collate_fn=_as_it_is, generator=own_seed)

    def infer(self, x, **fit_params):
        """Run the network on a `CrystalBatch`."""
        device = torch.device(self.device).type
        with torch.autocast(device, torch.bfloat16, enabled=self.amp):
            return self.module_(x.to(self.device, non_blocking=True), **fit_params).float()

    def train_step(self, batch, **fit_params):
        """Add the gradients of a batch; after `gradient_accumulation` of them take a step of the optimizer."""
        if self.n_added_ == 0:
            self.size_ = torch.zeros((), device=self.device)
            for _, parameter in self._trained():
                parameter.grad = torch.zeros_like(parameter)
        step = self.train_step_single(batch, **fit_params)
        self.n_added_ += 1
        if self.n_added_ == self.gradient_accumulation:
            self._take_step(batch)
        return step

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run an epoch; gradients left over at its end make a step of their own."""
        super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
        if training and self.n_added_:
            self._take_step()

    def _trained(self):
        """Pairs (name, parameter) of those that are not frozen."""
        return [(name, parameter) for name, parameter in self.module_.named_parameters() if parameter.requires_grad]

    def _take_step(self, batch=None):
        self.n_added_ = 0
        parameters = self._trained()
        gradients = [parameter.grad for _, parameter in parameters]
        if is_distributed():
            sum_over_processes(gradients)
        for gradient in gradients:
            gradient.div_(self.size_.clamp(min=1e-30))
        self.notify("on_grad_computed", named_parameters=parameters, batch=batch, training=True)
        self.optimizer_.step()
        for _, callback in self.callbacks_:
            if isinstance(callback, StepScheduler):
                callback.advance(self)

    def train_step_single(self, batch, **fit_params):
        """Add to the gradients those of the summed loss of a batch, computed in parts where memory does not suffice."""
        self._set_training(training=True)
        parameters = [parameter for _, parameter in self._trained()]

        def compute(X, y, weight):
            loss, size, y_pred = self._loss(X, y, weight, **fit_params)
            return loss.detach(), size, y_pred.detach(), torch.autograd.grad(loss, parameters)

        parts = in_parts(compute, *batch) if len(batch[0]) else []
        for part in parts:
            for parameter, gradient in zip(parameters, part[3], strict=True):
                parameter.grad.add_(gradient)
        total = torch.tensor([0.0, 0.0], device=self.device)
        for part in parts:
            total += torch.stack(part[:2])
        if is_distributed():
            sum_over_processes([total])
        self.size_ += total[1]
        return self._step(total, [part[2] for part in parts])

    def validation_step(self, batch, **fit_params):
        """Compute the loss of held-out crystals, in parts where memory does not suffice."""
        self._set_training(training=False)
        with torch.no_grad():
            parts = in_parts(lambda *part: self._loss(*part, **fit_params), *batch)
        return self._step(sum(torch.stack(part[:2]) for part in parts), [part[2] for part in parts])

    def on_batch_end(self, net, batch=None, training=False, **kwargs):  # noqa: ARG002
        """Average losses by weights rather than numbers of crystals; stop where there is nothing left to learn from."""
        prefix = "train" if training else "valid"
        self.history.record_batch(f"{prefix}_batch_size", self.last_size_)
        loss = self.history[-1, "batches", -1, f"{prefix}_loss"]
        if training and not math.isfinite(loss):
            raise FloatingPointError(
                f"the training loss became {loss} in epoch {len(self.history)}: try a lower lr (now {self.lr}) and "
                "look for extreme targets"
            )

    def _loss(self, X, y, weight, **fit_params):
        """Compute the summed loss of a batch, its weight and predictions."""
        y_pred = self.infer(X, **fit_params)
        return *self.criterion_(y_pred, y.to(self.device), weight.to(self.device)), y_pred

    def _step(self, total, predictions):
        self.last_size_ = float(total[1])
        y_pred = torch.cat(predictions) if predictions else total.new_zeros(0)
        return {"loss": total[0] / total[1].clamp(min=1e-30), "y_pred": y_pred}

    def notify(self, method_name, **kwargs):
        """Call the callbacks and remember whether one of them stops training."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt:
            self.stopped_by_callback_ = True
            raise

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train, from the checkpoint if there is one, and remember whether the user interrupts it."""
        self.order_ = torch.Generator().manual_seed(torch.initial_seed())
        epochs = self.max_epochs if epochs is None else epochs
        if self.checkpoint is not None and (order := self.checkpoint.restore(self)) is not None:
            self.order_.set_state(order)
            epochs -= len(self.history)
        try:
            return super().fit_loop(X, y, epochs=epochs, **fit_params)
        except KeyboardInterrupt:
            self.interrupted_ = not self.stopped_by_callback_
            raise
        finally:
            self.order_ = None


class StepScheduler(LRScheduler):
    """Learning rate schedule that advances with every step of the optimizer."""

    def on_batch_end(self, net, training, **kwargs):
        """Wait: gradients may still accumulate."""

    def advance(self, net):
        """Go to the learning rate of the next step."""
        super().on_batch_end(net, training=True)


class EpochProgress(Callback):
    """Progress bar over epochs, with the losses of the last one."""

    def on_train_begin(self, net, **kwargs):  # noqa: ARG002
        """Open the bar."""
        self.bar_ = tqdm(total=net.max_epochs, desc="train", unit="epoch")

    def on_epoch_begin(self, net, **kwargs):  # noqa: ARG002
        """Go on where a checkpoint left off."""
        done = len(net.history) - 1
        if net.checkpoint is not None and self.bar_.n < done:
            self.bar_.n = self.bar_.initial = done

    def on_epoch_end(self, net, **kwargs):  # noqa: ARG002
        """Advance the bar."""
        losses = {
            name: f"{net.history[-1, name]:.4f}" for name in ("train_loss", "valid_loss") if name in net.history[-1]
        }
        self.bar_.set_postfix(losses, refresh=False)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):  # noqa: ARG002
        """Close the bar."""
        self.bar_.close()
        del self.bar_


def make_trainer(network, estimator, *, batch_size, sizes, validation, device, checkpoint=None):
    """Set up training of a network as an estimator's parameters say.

    Parameters
    ----------
    network : SiteNet
        Network to train.
    estimator : SiteNetRegressor
        Whose `lr`, `optimizer`, `weight_decay`, `max_epochs`, `patience`, `callbacks` and `verbose` count.
    batch_size : int
        Largest number of primitive sites in a batch.
    sizes : ndarray of int, shape (n,), or None
        Primitive sites of the training crystals; None for a trainer of single epochs at a constant learning rate.
    validation : CrystalDataset or None
        Held-out crystals; with `early_stopping` the weights of the epoch that predicts them best are restored.
    device : torch.device
        Where to train.
    checkpoint : TrainingCheckpoint, default=None
        Where to save every epoch and to go on from.

    Returns
    -------
    SiteNetTrainer
        Ready to `fit` a `CrystalDataset`.
    """
    optimizer, settings = OPTIMIZERS[estimator.optimizer]
    n_steps = None
    if sizes is not None:
        n_batches = len(list(SiteBudgetSampler(sizes, batch_size)))
        n_steps = math.ceil(n_batches / estimator.gradient_accumulation) * estimator.max_epochs
    callbacks = _callbacks(estimator, n_steps, validation is not None and estimator.early_stopping)
    if checkpoint is not None:
        callbacks.append(("checkpoint", checkpoint))  # last, when all others have seen the epoch
    return SiteNetTrainer(
        network,
        checkpoint=checkpoint,
        criterion=estimator._criterion(network),  # noqa: SLF001
        optimizer=optimizer,
        lr=estimator.lr,
        max_epochs=1 if sizes is None else estimator.max_epochs,
        batch_size=batch_size,
        train_split=None if validation is None else predefined_split(validation),
        callbacks=callbacks,
        device=str(device),
        amp=estimator.amp,
        gradient_accumulation=estimator.gradient_accumulation,
        verbose=0,
        callbacks__print_log=None,
        optimizer__weight_decay=estimator.weight_decay,
        **{f"optimizer__{name}": value for name, value in settings.items()},
    )


def learning_rate_share(step, n_steps):
    """Share of the highest learning rate at a step: a linear rise, then a cosine fall to 0.

    Examples
    --------
    >>> [round(learning_rate_share(step, 100), 2) for step in (0, 5, 10, 55, 100, 101)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    progress = min(step / n_steps, 1.0)
    if progress < WARM_UP:
        return progress / WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))


def _callbacks(estimator, n_steps, validated):
    callbacks = [("grad_clip", GradientNormClipping(MAX_GRADIENT_NORM))]
    if n_steps is not None:
        share = partial(learning_rate_share, n_steps=n_steps)
        schedule = StepScheduler(torch.optim.lr_scheduler.LambdaLR, step_every="batch", lr_lambda=share)
        callbacks.append(("lr_scheduler", schedule))
    if estimator.verbose:
        callbacks.append(("progress", EpochProgress()))
    callbacks += [c if isinstance(c, tuple) else (type(c).__name__, c) for c in estimator.callbacks or ()]
    if validated:
        patience = estimator.patience or estimator.max_epochs
        callbacks.append(("early_stopping", EarlyStopping(patience=patience, load_best=True, sink=_silent)))
    return callbacks


@contextlib.contextmanager
def seeded(seed, device):
    """Seed torch inside a with block and leave its random state as found."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def resolve_device(device):
    """Turn "auto" into the GPU if CUDA has one and the CPU otherwise; refuse a CUDA that is not there.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f'device="{device}" asked for, but torch sees no CUDA GPU: use "cpu" or "auto"')
    return device


def _as_it_is(batch):
    return batch


def _silent(*args, **kwargs):
    pass
