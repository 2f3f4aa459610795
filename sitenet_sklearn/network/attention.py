"""One attention block of a Site-Net, without ever building the bond tensor.

The paper's bond vector is B_ij = S_i || S_j || I_ij. A Linear over a concatenation is a sum of Linears,
W B_ij = W_i S_i + W_j S_j + W_I I_ij, so the first two products are paid per site and only the third per pair.
g^W, g^F and g^I share their input; their first layers are one Linear here. Pairs are worked on tile by tile.
"""

from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from .kernels import PairKernel, PairWeights
from .layers import ACTIVATIONS, NORMALIZATIONS, Perceptron
from .segments import segment_softmax
from .tiles import RecordedKernel, gather_bond, map_tiles, whole_tile


class BlockOutput(NamedTuple):
    """What a block returns: new sites (s, h * d), new interactions (p, e) or None, attention weights (p, h)."""

    sites: torch.Tensor
    interactions: torch.Tensor | None
    weights: torch.Tensor


class AttentionBlock(nn.Module):
    r"""Attention of every site i over all sites j of its supercell, with h heads.

    .. math::

        a_{ijh} = \mathrm{softmax}_j\, g^W(B_{ij})_h,\quad
        S'_i = g^S\Big(\sum_j a_{ijh}\, g^F(B_{ij})\Big),\quad I'_{ij} = g^I(B_{ij})

    (section 2.2 of the paper, doi:10.1039/d3dd00005b). An entry that stands for c equal neighbours enters the
    softmax c times. The heads share g^F; the aggregate is flattened as feature * h + head. With a `reach` one more
    "head" sums g^F over near neighbours, see `Tile.nearness`, since a softmax cannot count.

    Parameters
    ----------
    site_dim, interaction_dim, n_heads : int
        Widths per head; sites have h * site_dim features, interactions h * interaction_dim.
    hidden_layers : sequence of int
        Widths of the hidden layers of g^W, possibly none.
    activation, normalization : str
        As in `sitenet_sklearn.network.layers.ActNorm`.
    cutoff : float or None
        Pairs further apart than this, in angstrom, get no weight.
    n_interaction_features : int, default=None
        Number of interaction features f of the first block, which makes interactions of them; None in the others.
    dropout : float, default=0.0
        Share of the new site representations that training sets to 0.
    reach : float or None, default=None
        Radius in angstrom of the sum over near neighbours that goes beside the heads; None for no such sum.
    residual : bool, default=False
        Whether new sites are added to those given.
    last : bool, default=False
        Whether no block follows, so that new interactions are not needed.
    """

    def __init__(
        self,
        site_dim,
        interaction_dim,
        n_heads,
        *,
        hidden_layers,
        activation,
        normalization,
        cutoff,
        n_interaction_features=None,
        dropout=0.0,
        reach=None,
        residual=False,
        last=False,
    ):
        super().__init__()
        sites, interactions = n_heads * site_dim, n_heads * interaction_dim
        style, norm = (activation, normalization), NORMALIZATIONS[normalization]
        inputs = [n_interaction_features or interactions, interactions]
        self.interaction_input = Perceptron(inputs, *style) if n_interaction_features else None
        self.input_widths = [sites, sites, interactions]
        self.output_widths = [[*hidden_layers, n_heads][0], site_dim, 0 if last else interactions]
        self.bond = nn.Linear(2 * sites + interactions, sum(self.output_widths))
        self.activation = ACTIVATIONS[activation]()
        self.logit_norm = norm(hidden_layers[0]) if hidden_layers else None
        self.logit_hidden = Perceptron(hidden_layers, *style) if hidden_layers else None
        self.logit = nn.Linear(hidden_layers[-1], n_heads) if hidden_layers else None
        self.feature_norm = norm(site_dim)
        self.interaction_norm = None if last else norm(interactions)
        self.reach, self.residual = reach, residual
        self.site_layer = Perceptron([sites if reach is None else sites + site_dim, sites], *style, dropout)
        self.cutoff = None if cutoff is None else float(cutoff)
        self.normalization = normalization
        self.is_paper_style = style == ("mish", "layer") and len(hidden_layers) == 1

    def forward(self, sites, interactions, tiles, batch):
        """Update sites and interactions.

        Parameters
        ----------
        sites : Tensor of shape (s, h * site_dim)
            Site representations S.
        interactions : Tensor of shape (p, h * interaction_dim) or (p, f)
            Interaction representations I, or interaction features in the first block.
        tiles : list of Tile
            The pairs of the batch.
        batch : CrystalBatch
            The crystals.

        Returns
        -------
        BlockOutput
        """
        from_i, from_j, from_pair = self.bond.weight.split(self.input_widths, dim=1)
        of_i = nn.functional.linear(sites, from_i, self.bond.bias)
        of_j = nn.functional.linear(sites, from_j)
        device = interactions.device.type
        is_mixed = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        if self.training and self.normalization == "batch":  # its statistics need all pairs at once
            tile = whole_tile(batch)
            sums, updated, weights = self.attend(tile, gather_bond(of_i, of_j, tile), interactions, [from_pair])
        elif self.is_paper_style and not is_mixed:
            kernel = PairKernel(self.cutoff, self.reach, self.feature_norm.eps)
            sums, updated, weights = map_tiles(
                kernel, tiles, of_i, of_j, interactions, weights=self._pair_weights(from_pair)
            )
        else:
            parameters = [from_pair, *self._pair_parameters()]
            precision = partial(torch.autocast, device, torch.get_autocast_dtype(device)) if is_mixed else nullcontext
            kernel = RecordedKernel(self.attend, precision)
            sums, updated, weights = map_tiles(kernel, tiles, of_i, of_j, interactions, weights=parameters)
        aggregate = sums.unflatten(1, (-1, self.output_widths[1])).transpose(1, 2).flatten(1)
        new = self.site_layer(aggregate, batch.multiplicity)
        return BlockOutput(sites + new if self.residual else new, updated, weights)

    def attend(self, tile, bond, inputs, weights):
        """Compute a tile in any style.

        Parameters
        ----------
        tile : Tile
            t pairs of r sites.
        bond : Tensor of shape (t, c)
            What sites contribute to bonds.
        inputs : Tensor of shape (t, h * interaction_dim) or (t, f)
            Interactions or their features.
        weights : sequence of Tensor
            First what interactions contribute to bonds, (c, h * interaction_dim).

        Returns
        -------
        sums : Tensor of shape (r, h * site_dim)
            Features weighted by attention, feature within head.
        updated : Tensor of shape (t, h * interaction_dim) or None
            New interactions.
        attention : Tensor of shape (t, h)
            Attention weights.
        """
        interactions = self.interaction_input(inputs, tile.weight) if self.interaction_input else inputs
        bond = bond + nn.functional.linear(interactions, weights[0])
        logits, features, updated = bond.split(self.output_widths, 1)
        if self.logit is not None:
            hidden = self.logit_norm(self.activation(logits), tile.weight)
            logits = self.logit(self.logit_hidden(hidden, tile.weight))
        if self.cutoff is not None:
            logits = logits.masked_fill(tile.distance[:, None] > self.cutoff, -torch.inf)
        attention = segment_softmax(logits, tile.count, tile.row, tile.n_rows)
        features = self.feature_norm(self.activation(features), tile.weight)
        shares = tile.shares(attention, self.reach)
        sums = tile.sum_rows((shares[:, :, None] * features[:, None]).flatten(1))
        if self.interaction_norm is None:
            return sums, None, attention
        return sums, self.interaction_norm(self.activation(updated), tile.weight), attention

    def __setstate__(self, state):
        super().__setstate__({"reach": None, "residual": False} | state)  # pickles of 0.1.0 have neither

    def _pair_weights(self, from_pair):
        norms = [self.feature_norm] if self.interaction_norm is None else [self.feature_norm, self.interaction_norm]
        values = [tensor for norm in norms for tensor in (norm.weight, norm.bias)]
        offset = nn.functional.linear(self.logit_norm.bias, self.logit.weight, self.logit.bias)
        weights = PairWeights(from_pair, self.logit.weight * self.logit_norm.weight, offset, *values)
        if self.interaction_input is None:
            return weights
        linear, norm = self.interaction_input.linear[0], self.interaction_input.act_norm[0].norm
        return weights._replace(
            input_weight=linear.weight, input_bias=linear.bias, input_scale=norm.weight, input_shift=norm.bias
        )

    def _pair_parameters(self):
        names = ("interaction_input", "logit_norm", "logit_hidden", "logit", "feature_norm", "interaction_norm")
        modules = [getattr(self, name) for name in names]
        return [parameter for module in modules if module is not None for parameter in module.parameters()]
