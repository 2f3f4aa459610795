"""The training loop: skorch on batches of crystals."""

import math
from copy import deepcopy

import torch
from skorch import NeuralNet
from torch.utils.data import DataLoader

from sitenet_sklearn.network.batch import SiteBudgetSampler
from sitenet_sklearn.network.threads import threads_for_tiles

from .callbacks import StepScheduler, make_callbacks
from .data_parallel import ShareSampler, is_distributed, sum_over_processes
from .interrupts import watched_ctrl_c
from .memory import in_parts

OPTIMIZERS = {
    "adamw": (torch.optim.AdamW, {"amsgrad": True, "eps": 1e-7}),
    "adam": (torch.optim.Adam, {"amsgrad": True, "eps": 1e-7}),
    "nadam": (torch.optim.NAdam, {"eps": 1e-7}),
    "radam": (torch.optim.RAdam, {"eps": 1e-7}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
}
"""Optimizers by name; settings of AdamW are those of the published models."""


class SiteNetTrainer(NeuralNet):
    """Training loop of skorch with batches bounded by primitive sites, shared by all processes of torch.distributed.

    Parameters
    ----------
    amp : bool, default=False
        Whether to compute in bfloat16 where that is precise enough.
    gradient_accumulation : int, default=1
        Number of batches to every step of the optimizer.
    **kwargs
        Those of `skorch.NeuralNet`.

    Attributes
    ----------
    order_ : torch.Generator
        Source of the order of crystals.
    n_added_ : int
        Number of batches in the gradients since the last step of the optimizer.
    n_restored_ : int
        Number of epochs that came from a checkpoint.
    after_fit_ : bool
        Whether the learning rate of this network fell to nearly 0 before, at the end of a training.
    """

    held_out_ = checkpoint_ = seed_ = generator_ = ctrl_c_ = None  # while `train` runs, what it was given
    after_fit_ = False

    def __init__(self, *args, amp=False, gradient_accumulation=1, **kwargs):
        super().__init__(*args, **kwargs)
        self.amp = amp
        self.gradient_accumulation = gradient_accumulation

    def initialize(self):
        """Initialise skorch."""
        self.n_added_, self.n_restored_ = 0, 0
        return super().initialize()

    def train(self, data, *, seed=None, generator=None, held_out=None, checkpoint=None):
        """Train from the beginning, or from where a checkpoint left off.

        Parameters
        ----------
        data : CrystalDataset
            Crystals to train on.
        seed : int, default=None
            Source of the order of crystals; None for torch's own.
        generator : torch.Generator, default=None
            Source of dropout; None for torch's own.
        held_out : CrystalDataset, default=None
            Crystals whose loss is recorded after every epoch.
        checkpoint : TrainingCheckpoint, default=None
            Where to save every epoch and to go on from. It is removed at the end, and kept if there is none.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C, whoever caught it first.
        """
        self._run(self.fit, data, seed_=seed, generator_=generator, held_out_=held_out, checkpoint_=checkpoint)
        self.after_fit_ = True
        if checkpoint is not None:
            checkpoint.finish()

    def go_on_from(self, earlier):
        """Copy the history of another trainer of the same network, and the state of its optimizer if it fits."""
        self.history, self.after_fit_ = deepcopy(earlier.history), earlier.after_fit_
        state = self.optimizer_.state_dict()
        if type(self.optimizer_) is type(earlier.optimizer_):
            self.optimizer_.load_state_dict(state | {"state": deepcopy(earlier.optimizer_.state_dict()["state"])})

    def train_more(self, data, *, seed=None, generator=None):
        """Train for `max_epochs` more, with the optimizer as it is; parameters and errors as in `train`."""
        self._run(self.partial_fit, data, seed_=seed, generator_=generator)

    def _run(self, fit, data, **given):
        """Call a method of skorch, which ends without a word when training is stopped, and tell who stopped it."""
        self.interrupted_ = self.stopped_by_callback_ = False
        failure = None
        with watched_ctrl_c() as ctrl_c:
            vars(self).update(given, ctrl_c_=ctrl_c)
            try:
                fit(data, None)
            except Exception as error:  # noqa: BLE001 - raised below
                failure = error
            finally:
                for name in (*given, "ctrl_c_"):
                    vars(self).pop(name, None)
        if ctrl_c.pressed or self.interrupted_:
            raise KeyboardInterrupt(f"training was interrupted after {len(self.history)} epochs") from failure
        if failure is not None:
            raise failure

    def get_split_datasets(self, X, y=None, **fit_params):  # noqa: ARG002
        """Hold out what `train` was given."""
        return X, self.held_out_

    def get_iterator(self, dataset, training=False):
        """Load whole batches from a `CrystalDataset`, in a new random order each epoch for training."""
        sampler = SiteBudgetSampler(
            dataset.crystals.primitive_sizes, self.batch_size, self.order_ if training else None
        )
        if training and is_distributed():
            sampler = ShareSampler(sampler)
        own_seed = torch.Generator()  # a loader draws a number: not one of those that dropout is made of
        return DataLoader(dataset, batch_sampler=sampler, collate_fn=lambda batch: batch, generator=own_seed)

    def infer(self, x, **fit_params):
        """Run the network on a `CrystalBatch`, given alone or with weights."""
        x = x[0] if isinstance(x, tuple) else x
        device = torch.device(self.device).type
        with torch.autocast(device, torch.bfloat16, enabled=self.amp):
            return self.module_(x.to(self.device, non_blocking=True), **fit_params).float()

    def train_step(self, batch, **fit_params):
        """Add the gradients of a batch; after `gradient_accumulation` of them take a step of the optimizer."""
        if self.ctrl_c_ is not None and self.ctrl_c_.pressed:  # and somebody caught it
            raise KeyboardInterrupt
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
        with threads_for_tiles():
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

        (X, weight), y = batch
        parts = in_parts(compute, X, y, weight) if len(X) else []
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
        (X, weight), y = batch
        with torch.no_grad():
            parts = in_parts(lambda *part: self._loss(*part, **fit_params), X, y, weight)
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
        """Call the callbacks and remember whether one of them stops training; save what all of them have seen."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt:
            self.stopped_by_callback_ = True
            raise
        if method_name == "on_epoch_end" and self.checkpoint_ is not None:
            self.checkpoint_.save(self)

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train, from the checkpoint if there is one."""
        self.order_ = torch.Generator().manual_seed(torch.initial_seed() if self.seed_ is None else self.seed_)
        self.module_.use_generator(self.generator_)
        if self.checkpoint_ is not None and self.checkpoint_.restore(self):
            self.n_restored_ = len(self.history)
        epochs = (self.max_epochs if epochs is None else epochs) - self.n_restored_
        try:
            return super().fit_loop(X, y, epochs=epochs, **fit_params)
        except KeyboardInterrupt:
            self.interrupted_ = not self.stopped_by_callback_
            raise
        finally:
            self.order_ = None
            self.module_.use_generator(None)


def make_trainer(
    network,
    criterion,
    *,
    device,
    batch_size,
    lr,
    optimizer,
    weight_decay,
    max_epochs=1,
    sizes=None,
    patience=None,
    gradient_accumulation=1,
    amp=False,
    callbacks=(),
    verbose=0,
):
    """Set up the training of a network.

    Parameters
    ----------
    network : SiteNet
        Network to train.
    criterion : Module
        Loss, as in `sitenet_sklearn.training.losses`.
    device : torch.device
        Where to train.
    batch_size : int
        Largest number of primitive sites in a batch.
    lr : float
        Highest learning rate.
    optimizer : str
        A key of `OPTIMIZERS`.
    weight_decay : float
        Weight decay of the optimizer.
    max_epochs : int, default=1
        Passes over the training crystals.
    sizes : ndarray of int, shape (n,), default=None
        Primitive sites of the training crystals, which tell how many steps there will be; None keeps the learning rate
        constant.
    patience : int, default=None
        Epochs without improvement on held-out crystals that end training; None for no early stopping.
    gradient_accumulation : int, default=1
        Number of batches to every step of the optimizer.
    amp : bool, default=False
        Whether to compute in bfloat16 where that is precise enough.
    callbacks : sequence of skorch callbacks, default=()
        Additional ones, each alone or as a pair (name, callback).
    verbose : int, default=0
        Whether to show progress.

    Returns
    -------
    SiteNetTrainer
        Ready to `train` on a `CrystalDataset`.
    """
    kind, settings = OPTIMIZERS[optimizer]
    n_steps = None
    if sizes is not None:
        n_batches = len(list(SiteBudgetSampler(sizes, batch_size)))
        n_steps = math.ceil(n_batches / gradient_accumulation) * max_epochs
    return SiteNetTrainer(
        network,
        criterion=criterion,
        optimizer=kind,
        lr=lr,
        max_epochs=max_epochs,
        batch_size=batch_size,
        train_split=None,
        callbacks=make_callbacks(n_steps=n_steps, patience=patience, callbacks=callbacks, verbose=verbose),
        device=str(device),
        amp=amp,
        gradient_accumulation=gradient_accumulation,
        verbose=0,
        callbacks__print_log=None,
        optimizer__weight_decay=weight_decay,
        **{f"optimizer__{name}": value for name, value in settings.items()},
    )
