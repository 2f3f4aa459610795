"""The layers of the paper on a tile of pairs, with every derivative written out.

A network of this size spends its time on memory traffic and on calls, not on arithmetic. Written out, a tile needs
fewer of both than automatic differentiation makes: Mish takes a single exponential, the normalised hidden layer of
g^W is never stored, and softmax and weighted sum share their backward pass.
"""

from typing import NamedTuple

import torch

from .segments import segment_softmax

_SATURATED = 20.0


class Mish(torch.nn.Module):
    """Activation x tanh(softplus(x)) = x - 2 x / ((e^x + 1)^2 + 1), from a single exponential.

    Examples
    --------
    >>> import torch
    >>> Mish()(torch.tensor([-30.0, 0.0, 1.0, 30.0]))
    tensor([ 0.0000,  0.0000,  0.8651, 30.0000])
    """

    def forward(self, x):
        """Transform a tensor of any shape."""
        return _Mish.apply(x)


class _Mish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        a = torch.empty_like(x)
        ctx.save_for_backward(x, a)
        return _mish(x, a, torch.empty_like(x))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        x, a = ctx.saved_tensors
        return _mish_backward(gradient, x, a, torch.empty_like(x), torch.empty_like(x))


def _mish(x, a, value):
    """Write e^x + 1 to a and the activation to value, and return the latter."""
    torch.clamp(x, max=_SATURATED, out=a).exp_().add_(1)
    torch.mul(a, a, out=value).add_(1)
    return torch.addcdiv(x, x, value, value=-2, out=value)


def _mish_backward(gradient, x, a, square, slope):
    """Write the gradient of x to slope: gradient (1 + 4 u), u = (x (a^2 - a) / (a^2 + 1) - 1/2) / (a^2 + 1)."""
    torch.mul(a, a, out=square)
    torch.sub(square, a, out=slope)
    square.add_(1)
    slope.mul_(x).div_(square).sub_(0.5).div_(square)
    return torch.addcmul(gradient, gradient, slope, value=4, out=slope)


class PairWeights(NamedTuple):
    """Parameters that act on pairs, for c = n + d + e features of a bond and h heads; None where a layer is absent.

    Attributes
    ----------
    bond : Tensor of shape (c, e)
        What interactions contribute to a bond.
    logit : Tensor of shape (h, n)
        Last Linear of g^W times the scale of the normalisation before it.
    logit_offset : Tensor of shape (h,)
        What both add to all logits of a head alike: a softmax does not see it, its gradient is 0.
    feature_scale, feature_shift : Tensor of shape (d,)
        Normalisation of g^F.
    interaction_scale, interaction_shift : Tensor of shape (e,) or None
        Normalisation of g^I, absent in the last block.
    input_weight, input_bias, input_scale, input_shift : Tensor or None
        Layer that makes interactions of their features, in the first block.
    """

    bond: torch.Tensor
    logit: torch.Tensor
    logit_offset: torch.Tensor
    feature_scale: torch.Tensor
    feature_shift: torch.Tensor
    interaction_scale: torch.Tensor | None = None
    interaction_shift: torch.Tensor | None = None
    input_weight: torch.Tensor | None = None
    input_bias: torch.Tensor | None = None
    input_scale: torch.Tensor | None = None
    input_shift: torch.Tensor | None = None


class PairKernel:
    """A kernel for `map_tiles`: Mish, layer normalisation and one hidden layer in g^W.

    Parameters
    ----------
    cutoff : float or None
        Pairs further apart than this, in angstrom, get no weight.
    reach : float or None
        Radius in angstrom of the sum over near neighbours.
    eps : float
        Constant of the layer normalisations.
    """

    kept_columns = 6

    def __init__(self, cutoff, reach, eps):
        self.cutoff, self.reach, self.eps = cutoff, reach, eps

    def run(self, tile, bond, inputs, weights, space, *, record=False):  # noqa: ARG002
        """Compute sums over neighbours (r, h * d), new interactions (t, e) or None, and attention (t, h) of a tile."""
        return _Pass(self, tile, bond, inputs, PairWeights(*weights), space)


class _Pass:
    """The forward pass of one tile, with all that its backward pass needs."""

    def __init__(self, kernel, tile, bond, inputs, weights, space):  # noqa: PLR0917
        self.tile, self.inputs, self.weights, self.eps = tile, inputs, weights, kernel.eps
        self.interactions = inputs if weights.input_weight is None else self._embed()
        self.bond = bond.addmm_(self.interactions, weights.bond.T)
        self.a, active = space.take("a", bond), space.take("active", bond)
        self.hidden, features, update = self._split(_mish(bond, self.a, active))
        logits = self._logits()
        if kernel.cutoff is not None:
            logits = logits.masked_fill(tile.distance[:, None] > kernel.cutoff, -torch.inf)
        self.attention = segment_softmax(logits, tile.count, tile.row, tile.n_rows)
        self.features = _Norm(features, weights.feature_scale, weights.feature_shift, self.eps)
        self.shares = tile.shares(self.attention, kernel.reach)
        self.sums = tile.sum_rows((self.shares[:, :, None] * self.features.value[:, None]).flatten(1))
        self.updated = None
        if weights.interaction_scale is not None:
            self.update = _Norm(update, weights.interaction_scale, weights.interaction_shift, self.eps)
            self.updated = self.update.value

    def backward(self, d_sums, d_updated, space):
        """Gradients of bond (t, c), inputs and weights."""
        d_active, scratch, slope = (space.take(name, self.bond) for name in ("d_active", "scratch", "slope"))
        d_hidden, d_feature, d_update = self._split(d_active)
        d_features, d_logits = self._attend_backward(d_sums)
        found = {"logit": self._logits_backward(d_logits, d_hidden)}
        found["feature_scale"], found["feature_shift"] = self.features.backward(d_features, d_feature)
        if self.updated is not None:
            found["interaction_scale"], found["interaction_shift"] = self.update.backward(d_updated, d_update)
        d_bond = _mish_backward(d_active, self.bond, self.a, scratch, slope)
        found["bond"] = d_bond.T @ self.interactions
        d_inputs = d_bond @ self.weights.bond
        if self.weights.input_weight is not None:
            d_inputs = self._embed_backward(d_inputs, found)
        return d_bond, d_inputs, PairWeights(**dict.fromkeys(PairWeights._fields) | found)

    def _split(self, bond):
        hidden, features = self.weights.logit.shape[1], len(self.weights.feature_scale)
        return bond.tensor_split((hidden, hidden + features), dim=1)

    def _embed(self):
        weights = self.weights
        self.input = torch.addmm(weights.input_bias, self.inputs, weights.input_weight.T)
        self.input_a, active = torch.empty_like(self.input), torch.empty_like(self.input)
        _mish(self.input, self.input_a, active)
        self.embedded = _Norm(active, weights.input_scale, weights.input_shift, self.eps)
        return self.embedded.value

    def _embed_backward(self, d_interactions, found):
        d_active, scratch, slope = (torch.empty_like(self.input) for _ in range(3))
        found["input_scale"], found["input_shift"] = self.embedded.backward(d_interactions, d_active)
        d_input = _mish_backward(d_active, self.input, self.input_a, scratch, slope)
        found["input_weight"], found["input_bias"] = d_input.T @ self.inputs, d_input.sum(0)
        return d_input @ self.weights.input_weight

    def _logits(self):
        """Multiply the normalised hidden layer z, which is never stored: its means are one more column."""
        weight, n = self.weights.logit, self.hidden.shape[1]
        products = self.hidden @ torch.cat([weight, weight.new_full((1, n), 1 / n)]).T
        self.mean = products[:, -1:]
        squares = torch.linalg.vector_norm(self.hidden, dim=1, keepdim=True).square_().div_(n)
        self.inverse = squares.addcmul_(self.mean, self.mean, value=-1).clamp_(min=0).add_(self.eps).rsqrt_()
        self.logits = (products[:, :-1] - self.mean * weight.sum(1)).mul_(self.inverse)
        return self.logits

    def _logits_backward(self, d_logits, d_hidden):
        """Differentiate layer normalisation and product: what the former subtracts are means of few columns."""
        weight, n = self.weights.logit, self.hidden.shape[1]
        scaled = d_logits * self.inverse
        along = (scaled * self.logits).sum(1, keepdim=True).mul_(self.inverse).div_(-n)
        constant = along * self.mean + scaled @ weight.mean(1, keepdim=True)
        torch.mm(torch.cat([scaled, constant], 1), torch.cat([weight, -torch.ones_like(weight[:1])]), out=d_hidden)
        d_hidden.addcmul_(self.hidden, along)
        return scaled.T @ self.hidden - (scaled * self.mean).sum(0)[:, None]

    def _attend_backward(self, d_sums):
        attention, features = self.attention, self.features.value
        spread = d_sums.index_select(0, self.tile.row).unflatten(1, (self.shares.shape[1], -1))
        slope = (spread[:, : attention.shape[1]] @ features[:, :, None])[:, :, 0].mul_(attention)
        d_logits = slope - attention * self.tile.sum_rows(slope).index_select(0, self.tile.row)
        return (spread * self.shares[:, :, None]).sum(1), d_logits


class _Norm:
    """Layer normalisation of some columns, as torch computes it, without recording it."""

    def __init__(self, x, scale, shift, eps):
        self.x, self.scale, self.shift = x.contiguous(), scale, shift
        self.value, *self.moments = torch.ops.aten.native_layer_norm(self.x, scale.shape, scale, shift, eps)

    def backward(self, gradient, d_x):
        """Write the gradient of x and return those of scale and shift."""
        found = torch.ops.aten.native_layer_norm_backward(
            gradient.contiguous(), self.x, self.scale.shape, *self.moments, self.scale, self.shift, [True] * 3
        )
        d_x.copy_(found[0])
        return found[1:]
