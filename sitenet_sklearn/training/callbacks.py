"""What happens beside the steps of training: gradients clipped, the learning rate scheduled, progress shown."""

import math
from functools import partial

from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from torch.optim.lr_scheduler import LambdaLR
from tqdm.auto import tqdm

MAX_GRADIENT_NORM = 1.0
WARM_UP = 0.1
"""Share of the steps over which the learning rate rises."""


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
        if self.bar_.n < net.n_restored_:
            self.bar_.n = self.bar_.initial = net.n_restored_

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


def make_callbacks(*, n_steps=None, patience=None, callbacks=(), verbose=0):
    """List the callbacks of a training, in the order in which they are called.

    Parameters
    ----------
    n_steps : int, default=None
        Steps of the optimizer over which the learning rate rises and falls; None leaves it constant, and so do
        callbacks that schedule it themselves.
    patience : int, default=None
        Epochs without improvement on held-out crystals that end training, and the best epoch's weights come back; None
        for neither.
    callbacks : sequence of skorch callbacks, default=()
        The user's, each alone or as a pair (name, callback).
    verbose : int, default=0
        Whether to show progress.

    Returns
    -------
    list of pairs (str, skorch.callbacks.Callback)
    """
    found = [("grad_clip", GradientNormClipping(MAX_GRADIENT_NORM))]
    if n_steps is not None and not any(map(is_schedule, callbacks)):
        share = partial(learning_rate_share, n_steps=n_steps)
        found.append(("lr_scheduler", StepScheduler(LambdaLR, step_every="batch", lr_lambda=share)))
    if verbose:
        found.append(("progress", EpochProgress()))
    found += [c if isinstance(c, tuple) else (type(c).__name__, c) for c in callbacks]
    if patience is not None:
        found.append(("early_stopping", EarlyStopping(patience=patience, load_best=True, sink=_silent)))
    return found


def is_schedule(given):
    """Whether a callback, or a pair (name, callback), is a learning rate schedule of skorch."""
    callback = given[1] if isinstance(given, tuple) else given
    return issubclass(callback if isinstance(callback, type) else type(callback), LRScheduler)


def check_callbacks(callbacks):
    """Raise a TypeError unless a user's callbacks are of skorch, each alone or as a pair (name, callback)."""
    for index, given in enumerate(callbacks or ()):
        is_pair = isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str)
        callback = given[1] if is_pair else given
        if not (isinstance(callback, Callback) or (isinstance(callback, type) and issubclass(callback, Callback))):
            raise TypeError(
                f"callbacks must hold callbacks of skorch, or pairs (name, callback), got {given!r:.80} at index "
                f"{index}"
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


def _silent(*args, **kwargs):
    pass
