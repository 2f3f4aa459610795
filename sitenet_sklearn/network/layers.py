"""Building blocks: activations, normalisation with weights, perceptrons, the straight-through clamp."""

from itertools import pairwise

import torch
from torch import nn

from .kernels import Mish

ACTIVATIONS = {
    "mish": Mish,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
}


class WeightedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation whose statistics count every row as often as the rows it stands for."""

    def forward(self, x, weight):
        """Normalise.

        Parameters
        ----------
        x : Tensor of shape (p, c)
            Rows.
        weight : Tensor of shape (p,)
            How many uncompressed rows each row stands for.

        Returns
        -------
        Tensor of shape (p, c)
        """
        if self.training and self.weight.requires_grad:  # frozen layers keep their statistics
            share = weight[:, None] / weight.sum()
            mean = (share * x).sum(0)
            variance = (share * (x - mean) ** 2).sum(0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance, self.momentum)
        else:
            mean, variance = self.running_mean, self.running_var
        return (x - mean) * torch.rsqrt(variance + self.eps) * self.weight + self.bias


class WeightedLayerNorm(nn.LayerNorm):
    """Layer normalisation; weights are accepted and have no influence."""

    def forward(self, x, weight):  # noqa: ARG002
        """Normalise rows x of shape (p, c)."""
        return super().forward(x)


class NoNorm(nn.Module):
    """No normalisation."""

    def __init__(self, width):  # noqa: ARG002
        super().__init__()

    def forward(self, x, weight):  # noqa: ARG002
        """Return x."""
        return x


NORMALIZATIONS = {"layer": WeightedLayerNorm, "batch": WeightedBatchNorm, "none": NoNorm}


class ActNorm(nn.Module):
    """Activation followed by normalisation, what comes after every Linear of a Site-Net.

    Parameters
    ----------
    width : int
        Number of columns.
    activation : str
        A key of `ACTIVATIONS`.
    normalization : {"layer", "batch", "none"}
        A key of `NORMALIZATIONS`.
    """

    def __init__(self, width, activation, normalization):
        super().__init__()
        self.activation = ACTIVATIONS[activation]()
        self.norm = NORMALIZATIONS[normalization](width)

    def forward(self, x, weight):
        """Transform rows x of shape (p, c) that stand for `weight` (p,) rows each."""
        return self.norm(self.activation(x), weight)


class Perceptron(nn.Module):
    """Layers Linear -> activation -> normalisation.

    Parameters
    ----------
    widths : sequence of int
        Number of inputs, then the width of every layer; a single number makes no layer.
    activation, normalization : str
        As in `ActNorm`.
    dropout : float, default=0.0
        Share of the outputs of every layer that training sets to 0. Equal sites that share a row share their zeros.
    """

    def __init__(self, widths, activation, normalization, dropout=0.0):
        super().__init__()
        self.dropout, self.generator = dropout, None
        self.linear = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.act_norm = nn.ModuleList(ActNorm(width, activation, normalization) for width in widths[1:])

    def forward(self, x, weight):
        """Transform rows x of shape (p, a) that stand for `weight` (p,) rows each."""
        for linear, act_norm in zip(self.linear, self.act_norm, strict=True):
            x = act_norm(linear(x), weight)
            if self.training and self.dropout:
                x = drop_out(x, self.dropout, self.generator)
        return x


def drop_out(x, share, generator=None):
    """Set a random share of the entries of x to 0, and scale the others up.

    torch's own dropout draws from a generator that all threads share, so what it draws depends on what they do.

    Parameters
    ----------
    x : Tensor
        Any shape.
    share : float
        Probability of 0.
    generator : torch.Generator, default=None
        Source of randomness; None for the one that all share.

    Returns
    -------
    Tensor of the same shape

    Examples
    --------
    >>> import torch
    >>> drop_out(torch.ones(5), 0.5, torch.Generator().manual_seed(0)).tolist()
    [0.0, 0.0, 2.0, 0.0, 0.0]
    """
    noise = torch.empty_like(x).bernoulli_(1 - share, generator=generator)
    return x * noise.div_(1 - share)


def straight_through_clamp(x, which=True):
    """Replace negative values by zero and pass the gradient unchanged.

    A plain clamp has no gradient below zero, so a band gap once predicted negative could never recover.

    Parameters
    ----------
    x : Tensor of shape (b,) or (b, k)
        Predictions.
    which : bool or sequence of bool, length k, default=True
        Whether to do so, for all columns or for each.

    Returns
    -------
    Tensor of the same shape

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
    >>> straight_through_clamp(x).sum().backward()
    >>> straight_through_clamp(x).tolist(), x.grad.tolist()
    ([0.0, 2.0], [1.0, 1.0])
    """
    negative = (x < 0) & torch.as_tensor(which, device=x.device)
    return x - torch.where(negative, x, 0.0).detach()
