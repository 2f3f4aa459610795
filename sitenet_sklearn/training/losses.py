"""What training minimises, with weights of crystals and unknown targets."""

import torch
from torch import nn

LOSSES = {
    "l1": lambda error, unit: error.abs(),  # noqa: ARG005
    "mse": lambda error, unit: error.square(),  # noqa: ARG005
    "huber": lambda error, unit: torch.where(error.abs() < unit, error.square() / 2, unit * (error.abs() - unit / 2)),
}
"""Losses of an error by name; `unit` is the spread of the target, where Huber's loss turns from square to linear."""


class WeightedLoss(nn.Module):
    """Sum of the losses of all known targets, and of their weights.

    Several targets are measured in units of their spread, so that each counts alike; a single one in its own unit.

    Parameters
    ----------
    kind : str
        A key of `LOSSES`.
    scale : Tensor of shape (k,)
        Spread of every target.

    Examples
    --------
    >>> import torch
    >>> loss = WeightedLoss("l1", torch.ones(1))
    >>> total, weight = loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, torch.nan]), torch.ones(2))
    >>> total.item(), weight.item()
    (1.0, 1.0)
    """

    def __init__(self, kind, scale):
        super().__init__()
        self.kind = kind
        self.register_buffer("scale", scale.clone())

    def forward(self, y_pred, y_true, weight):
        """Add up losses.

        Parameters
        ----------
        y_pred, y_true : Tensor of shape (b,) or (b, k)
            Predictions and targets; NaN where a target is unknown.
        weight : Tensor of shape (b,)
            Weight of every crystal.

        Returns
        -------
        total, weight : Tensor of shape ()
        """
        if y_pred.shape != y_true.shape:  # they would broadcast silently
            raise ValueError(f"predictions have shape {tuple(y_pred.shape)}, targets {tuple(y_true.shape)}")
        known = ~y_true.isnan()
        error = torch.where(known, y_pred - y_true.nan_to_num(), 0.0)
        single = y_true.ndim == 1 or y_true.shape[1] == 1
        loss = LOSSES[self.kind](error, self.scale) if single else LOSSES[self.kind](error / self.scale, 1.0)
        weight = known * (weight if y_true.ndim == 1 else weight[:, None])
        return (loss * weight).sum(), weight.sum()


class WeightedCrossEntropy(nn.Module):
    """Sum of the cross entropies of crystals, and of their weights."""

    def forward(self, y_pred, y_true, weight):
        """Add up losses of logits y_pred (b, k), classes y_true (b,) from 0 to k - 1, and weights (b,)."""
        loss = nn.functional.cross_entropy(y_pred, y_true.long(), reduction="none")
        return (loss * weight).sum(), weight.sum()
