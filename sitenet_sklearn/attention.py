"""One attention block of a Site-Net, without ever building the bond tensor.

The paper's bond vector is B_ij = S_i || S_j || I_ij. A Linear over a concatenation is a sum of Linears,
W B_ij = W_i S_i + W_j S_j + W_I I_ij, so the first two products are paid per site and only the third per pair.
g^W, g^F and g^I share their input; their first layers are one Linear here.
"""

from typing import NamedTuple

import torch
from torch import nn

from .layers import ActNorm, Perceptron, segment_softmax, segment_sum


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
    softmax c times. The heads share g^F; the aggregate is flattened as feature * h + head.

    Parameters
    ----------
    site_dim, interaction_dim, n_heads : int
        Widths per head; sites have h * site_dim features, interactions h * interaction_dim.
    hidden_layers : sequence of int
        Widths of the hidden layers of g^W, possibly none.
    activation, normalization : str
        As in `sitenet_sklearn.layers.ActNorm`.
    cutoff : float or None
        Pairs further apart than this, in angstrom, get no weight.
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
        last=False,
    ):
        super().__init__()
        sites, interactions = n_heads * site_dim, n_heads * interaction_dim
        self.input_widths = [sites, sites, interactions]
        self.output_widths = [[*hidden_layers, n_heads][0], site_dim, 0 if last else interactions]
        self.bond = nn.Linear(2 * sites + interactions, sum(self.output_widths))
        style = (activation, normalization)
        if hidden_layers:
            self.logit_act_norm = ActNorm(hidden_layers[0], *style)
            self.logit_hidden = Perceptron(hidden_layers, *style)
        self.logit = nn.Linear(hidden_layers[-1], n_heads) if hidden_layers else None
        self.feature_act_norm = ActNorm(site_dim, *style)
        self.interaction_act_norm = None if last else ActNorm(interactions, *style)
        self.site_layer = Perceptron([sites, sites], *style)
        self.cutoff = cutoff

    def forward(self, sites, interactions, batch):
        """Update sites and interactions.

        Parameters
        ----------
        sites : Tensor of shape (s, h * site_dim)
            Site representations S.
        interactions : Tensor of shape (p, h * interaction_dim)
            Interaction representations I.
        batch : CrystalBatch
            Which sites the pairs join, and how many each stands for.

        Returns
        -------
        BlockOutput
        """
        rows = batch.multiplicity[batch.pair_site] * batch.pair_count
        to_logits, to_features, to_interactions = self._bond(sites, interactions, batch).split(self.output_widths, 1)
        features = self.feature_act_norm(to_features, rows)
        weights = self._weights(to_logits, rows, batch)
        aggregate = segment_sum(features[:, :, None] * weights[:, None, :], batch.pair_site, len(sites))
        new_sites = self.site_layer(aggregate.flatten(1), batch.multiplicity)
        new_interactions = self.interaction_act_norm and self.interaction_act_norm(to_interactions, rows)
        return BlockOutput(new_sites, new_interactions, weights)

    def _bond(self, sites, interactions, batch):
        from_i, from_j, from_pair = self.bond.weight.split(self.input_widths, dim=1)
        of_i = nn.functional.linear(sites, from_i, self.bond.bias)
        of_j = nn.functional.linear(sites, from_j)
        return nn.functional.linear(interactions, from_pair) + of_i[batch.pair_site] + of_j[batch.pair_neighbor]

    def _weights(self, to_logits, rows, batch):
        if self.logit is not None:
            to_logits = self.logit(self.logit_hidden(self.logit_act_norm(to_logits, rows), rows))
        if self.cutoff is not None:
            to_logits = to_logits.masked_fill(batch.pair_distance[:, None] > self.cutoff, -torch.inf)
        return segment_softmax(to_logits, batch.pair_count, batch.pair_site, len(batch.multiplicity))
