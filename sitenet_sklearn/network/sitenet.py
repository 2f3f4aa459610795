"""`SiteNet`: the network of the paper as a torch module, from a batch of crystals to one number each."""

import math

import torch
from torch import nn

from sitenet_sklearn.crystals.elements import MAX_ATOMIC_NUMBER
from sitenet_sklearn.crystals.interaction_features import INTERACTION_FEATURES, interaction_features

from .attention import AttentionBlock
from .layers import Perceptron, straight_through_clamp
from .pooling import POOLINGS
from .tiles import make_tiles


class SiteNet(nn.Module):
    """Site-Net (Moran et al., section 2.2, doi:10.1039/d3dd00005b); defaults are the paper's model.

    Inputs are standardised and the output is scaled inside the module, by the buffers that `standardize_inputs` and
    `standardize_target` set; as built they change nothing.

    Parameters
    ----------
    n_site_features : int, default=9
        Number of site features beside the embedding, f.
    interaction_features : sequence of str, default=INTERACTION_FEATURES
        Names out of `interaction_feature_names`.
    embedding_dim : int, default=92
        Length of the learned vector of every element.
    site_dim : int, default=30
        Width of sites per head.
    interaction_dim : int, default=16
        Width of interactions per head.
    n_heads : int, default=3
        Number of attention heads.
    n_blocks : int, default=2
        Number of attention blocks.
    attention_hidden_layers : sequence of int, default=(225,)
        Widths of the hidden layers of g^W.
    pre_pool_layers : sequence of int, default=(94,)
        Widths of the layers between the blocks and pooling.
    post_pool_layers : sequence of int, default=(200, 200, 200)
        Widths of the layers after pooling; the last one is the global vector.
    activation : str, default="mish"
        A key of `sitenet_sklearn.network.layers.ACTIVATIONS`.
    normalization : {"layer", "batch", "none"}, default="layer"
        What follows every activation.
    pooling : {"mean", "max", "attention"}, default="mean"
        How the sites of a crystal become one vector.
    cutoff : float or None, default=None
        Distance in angstrom beyond which no site is attended to.
    coordination_radius : float or None, default=None
        Radius in angstrom, at most `cutoff`, within which neighbours are also summed up; None for attention alone.
    residual : bool, default=False
        Whether every attention block adds to the sites that it was given.
    n_targets : int or None, default=None
        Number k of outputs of a crystal; None for a single one without a second axis.
    clamp : bool or sequence of bool, length k, default=True
        Whether negative outputs become 0, as the loss sees them; for all targets or for each.
    dropout : float, default=0.0
        Share of the outputs of the layers before and after pooling that training sets to 0; of those of the attention
        blocks it is half as many.
    """

    def __init__(
        self,
        n_site_features=9,
        interaction_features=INTERACTION_FEATURES,
        *,
        embedding_dim=92,
        site_dim=30,
        interaction_dim=16,
        n_heads=3,
        n_blocks=2,
        attention_hidden_layers=(225,),
        pre_pool_layers=(94,),
        post_pool_layers=(200, 200, 200),
        activation="mish",
        normalization="layer",
        pooling="mean",
        cutoff=None,
        coordination_radius=None,
        residual=False,
        n_targets=None,
        clamp=True,
        dropout=0.0,
    ):
        config = {name: value for name, value in locals().items() if name not in {"self", "__class__"}}
        super().__init__()
        self.config = config
        style = (activation, normalization)
        sites = n_heads * site_dim
        reach = None if coordination_radius is None else min(coordination_radius, cutoff or math.inf)
        self.n_heads, self.clamp, self.pooling = n_heads, clamp, pooling
        self.interaction_features = tuple(interaction_features)
        self.embedding = nn.Embedding(MAX_ATOMIC_NUMBER + 1, embedding_dim)
        nn.init.normal_(self.embedding.weight, std=embedding_dim**-0.5)
        self.site_input = Perceptron([embedding_dim + n_site_features, sites], *style)
        self.blocks = nn.ModuleList(
            AttentionBlock(
                site_dim,
                interaction_dim,
                n_heads,
                hidden_layers=attention_hidden_layers,
                activation=activation,
                normalization=normalization,
                cutoff=cutoff,
                n_interaction_features=len(interaction_features) if k == 0 else None,
                dropout=dropout / 2,
                reach=reach,
                residual=residual,
                last=k == n_blocks - 1,
            )
            for k in range(n_blocks)
        )
        pooled = [n_blocks * sites, *pre_pool_layers]
        self.pre_pool = Perceptron(pooled, *style, dropout)
        self.pool_logit = nn.Linear(pooled[-1], 1) if pooling == "attention" else None
        self.post_pool = Perceptron([pooled[-1], *post_pool_layers], *style, dropout)
        self.n_targets = n_targets
        self.output = nn.Linear([pooled[-1], *post_pool_layers][-1], n_targets or 1)
        for name, width in (
            ("site", n_site_features),
            ("interaction", len(interaction_features)),
            ("target", n_targets or 1),
        ):
            self.register_buffer(f"{name}_shift", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))

    def forward(self, batch):
        """Predict one number for every crystal.

        Parameters
        ----------
        batch : CrystalBatch
            b crystals.

        Returns
        -------
        Tensor of shape (b,) or (b, k)
            Predictions in the units of the targets, clamped at 0 where `clamp` says so.
        """
        return straight_through_clamp(self.raw(batch), self.clamp)

    def raw(self, batch):
        """Predictions of shape (b,) or (b, k) before the clamp."""
        return self.raw_of(self.global_vector(batch))

    def raw_of(self, vectors):
        """Predictions of shape (b,) or (b, k) before the clamp, from global vectors (b, g)."""
        predictions = self.output(vectors) * self.target_scale + self.target_shift
        return predictions[:, 0] if self.n_targets is None else predictions

    def global_vector(self, batch):
        """Representation of every crystal, the input of the last Linear: Tensor of shape (b, g)."""
        sites = self.pre_pool(self.site_representation(batch), batch.multiplicity)
        logits = None if self.pool_logit is None else self.pool_logit(sites)
        pooled = POOLINGS[self.pooling](sites, batch, logits)
        return self.post_pool(pooled, batch.multiplicity.new_ones(batch.n_crystals))

    def site_representation(self, batch):
        """Sites after every block, concatenated: Tensor of shape (s, n_blocks * n_heads * site_dim)."""
        return torch.cat([block.sites for block in self.run_blocks(self._attended(batch))], dim=1)

    def attention(self, batch):
        """Attention weights of every block: list of Tensors of shape (p, n_heads)."""
        return [block.weights for block in self.run_blocks(batch)]

    def __setstate__(self, state):
        super().__setstate__(state)
        self.config = {"coordination_radius": None, "residual": False} | self.config  # as in pickles of 0.1.0

    def use_generator(self, generator):
        """Draw what dropout sets to 0 from a `torch.Generator`; None for the one that all threads share."""
        for module in self.modules():
            if isinstance(module, Perceptron):
                module.generator = generator

    def run_blocks(self, batch):
        """Yield the `BlockOutput` of every attention block in turn."""
        sites = self.site_input(self._site_inputs(batch), batch.multiplicity)
        interactions = self._standardized("interaction", batch_features(batch, self.interaction_features))
        tiles = make_tiles(batch)
        for block in self.blocks:
            output = block(sites, interactions, tiles, batch)
            yield output
            sites, interactions = output.sites, output.interactions

    def standardize_inputs(self, batches, weights=None, *, spread=1.0, least=0.0):
        """Fit the shifts and scales of site and interaction features.

        Every site and pair counts as often as the ones it stands for, times the weight of its crystal.

        Parameters
        ----------
        batches : iterable of CrystalBatch
            Training crystals, n in all.
        weights : Tensor of shape (n,), default=None
            Weights of the crystals; None for equal ones.
        spread : float or Tensor of shape (f,), default=1.0
            Standard deviation that site features get.
        least : float or Tensor of shape (f,), default=0.0
            Site features that spread by no more are taken for constant: they are shifted, and scaled by `spread` alone.
        """
        site, interaction, start = _Moments(), _Moments(), 0
        for batch in batches:
            multiplicity = batch.multiplicity
            if weights is not None:
                multiplicity = multiplicity * weights[start : start + len(batch)][batch.site_crystal]
                start += len(batch)
            site.add(batch.site_features, multiplicity)
            rows = multiplicity[batch.pair_site] * batch.pair_count
            interaction.add(batch_features(batch, self.interaction_features), rows)
        shift, scale = site.shift_and_scale()
        self._set_standard("site", shift, torch.where(scale > least, scale, 1.0) / spread)
        shift, scale = interaction.shift_and_scale()
        self._set_standard("interaction", shift, torch.where(scale > _CONSTANT, scale, 1.0))

    def standardize_target(self, y, weights=None):
        """Fit the shifts and scales of the outputs.

        Parameters
        ----------
        y : Tensor of shape (n,) or (n, k)
            Training targets: shifted by the median and scaled by the standard deviation of those that are not NaN.
        weights : Tensor of shape (n,), default=None
            Weights of the crystals: weight 2 is the same crystal twice. None for equal ones.

        Raises
        ------
        ValueError
            If all of one target are NaN.
        """
        found = []
        for k, column in enumerate(y.reshape(len(y), -1).T):
            known = ~column.isnan()
            if not known.any():
                raise ValueError(f"target {k} of y is unknown (NaN) for all crystals to train on: leave it out")
            found.append(_median_and_deviation(column[known], None if weights is None else weights[known]))
        self._set_standard("target", *(torch.stack(values) for values in zip(*found, strict=True)))

    def _set_standard(self, name, shift, scale):
        getattr(self, f"{name}_shift").copy_(shift)
        getattr(self, f"{name}_scale").copy_(torch.where(scale > 0, scale, 1.0))

    def _standardized(self, name, values):
        return (values - getattr(self, f"{name}_shift")) / getattr(self, f"{name}_scale")

    def _attended(self, batch):
        """Leave out the pairs beyond the cut-off, which get no weight, unless statistics of the batch count them."""
        block = self.blocks[0]
        return batch if block.cutoff is None or block.normalization == "batch" else batch.within(block.cutoff)

    def _site_inputs(self, batch):
        weight = self.embedding.weight
        within_unit_ball = weight / torch.linalg.vector_norm(weight, dim=1, keepdim=True).clamp(min=1)
        embedded = nn.functional.embedding(batch.atomic_numbers, within_unit_ball)
        return torch.cat([embedded, self._standardized("site", batch.site_features)], dim=1)


def batch_features(batch, names):
    """Compute the `interaction_features` of all p pairs of a batch: Tensor of shape (p, len(names))."""
    numbers = batch.atomic_numbers.to(batch.pair_distance.dtype)
    elements = numbers[batch.pair_site], numbers[batch.pair_neighbor]
    return interaction_features(batch.pair_distance, *elements, names, xp=torch)


def _median_and_deviation(values, weights):
    """Lower median and standard deviation of values (n,) that count as often as their weights (n,) say."""
    if weights is None:
        return torch.median(values), values.std(correction=0)
    order = torch.argsort(values)
    below = weights[order].double().cumsum(0)
    median = values[order][torch.searchsorted(below, below[-1] / 2)]
    share = weights.double() / below[-1]
    mean = (share * values).sum()
    return median, (share * (values - mean) ** 2).sum().sqrt().to(values.dtype)


_CONSTANT = 1e-6
"""Spread of an interaction feature that is as good as none: divided by it, other values would overflow."""
_ROUNDING = 1e-13
"""Share of its square below which the variance of a column is the rounding of a constant one."""


class _Moments:
    """Weighted mean and standard deviation of columns, gathered batch by batch in double precision."""

    def __init__(self):
        self.total, self.first, self.second = 0.0, 0.0, 0.0

    def add(self, values, weight):
        values, weight = values.double(), weight.double()[:, None]
        self.total = self.total + weight.sum()
        self.first = self.first + (weight * values).sum(0)
        self.second = self.second + (weight * values**2).sum(0)

    def shift_and_scale(self):
        mean, square = self.first / self.total, self.second / self.total
        variance = square - mean**2
        return mean, torch.where(variance > _ROUNDING * square, variance, 0.0).sqrt()
