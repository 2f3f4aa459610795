"""The paper's network written as its equations: no compression, concatenated bonds, rows padded to one length.

It is the oracle of the factorised network and what the benchmarks compare with.
"""

import math

import torch

from sitenet_sklearn.crystals.interaction_features import BOHR


def layer(linear, act_norm, x):
    """Linear -> activation -> normalisation over the last axis."""
    return activated(act_norm.activation, act_norm.norm, linear(x))


def activated(activation, norm, x):
    x = torch.nn.functional.mish(x) if type(activation).__name__ == "Mish" else activation(x)
    return norm(x.flatten(0, -2), None).unflatten(0, x.shape[:-1])


def perceptron(stack, x):
    for linear, act_norm in zip(stack.linear, stack.act_norm, strict=True):
        x = layer(linear, act_norm, x)
    return x


def bond_layer(block, part, norm, bonds):
    """One of the three layers that share the Linear of a block, applied to concatenated bonds."""
    weight = block.bond.weight.split(block.output_widths)[part]
    bias = block.bond.bias.split(block.output_widths)[part]
    x = torch.nn.functional.linear(bonds, weight, bias)
    return x if norm is None else activated(block.activation, norm, x)


def attention_block(block, sites, interactions, neighbors, distances, excluded):
    """Equations of section 2.2: bond vectors S_i || S_j || I_ij for all entries of (s, J)."""
    s_i = sites[:, None].expand(*neighbors.shape, -1)
    bonds = torch.cat([s_i, sites[neighbors], interactions], dim=-1)
    if block.logit is None:
        logits = bond_layer(block, 0, None, bonds)
    else:
        hidden = bond_layer(block, 0, block.logit_norm, bonds)
        logits = block.logit(perceptron(block.logit_hidden, hidden))
    weights = logits.masked_fill(excluded[..., None], -math.inf).softmax(dim=1)
    features = bond_layer(block, 1, block.feature_norm, bonds)
    shares = weights
    if block.reach is not None:
        shares = torch.cat([weights, nearness(distances, block.reach)[..., None]], dim=-1)
    aggregate = torch.einsum("ijh,ijd->idh", shares, features).flatten(1)
    new_sites = perceptron(block.site_layer, aggregate) + (sites if block.residual else 0)
    last = block.interaction_norm is None
    new_interactions = None if last else bond_layer(block, 2, block.interaction_norm, bonds)
    return new_sites, new_interactions, weights


def nearness(distances, reach):
    """An eighth of (1 + cos(pi d / reach)) / 2 for neighbours within reach, 0 for a site itself."""
    weights = (1 + torch.cos(math.pi * distances / reach)) / 16
    return weights.where((distances > 0) & (distances < reach), 0)


def padded(batch):
    """Neighbours (s, J) and distances (s, J) of every site of an uncompressed batch, -1 where there is none."""
    assert (batch.pair_count == 1).all()
    counts = torch.bincount(batch.pair_site)
    column = torch.arange(len(batch.pair_site)) - (counts.cumsum(0) - counts)[batch.pair_site]
    neighbors = batch.pair_neighbor.new_zeros(len(counts), int(counts.max()))
    distances = batch.pair_distance.new_full(neighbors.shape, -1)
    neighbors[batch.pair_site, column] = batch.pair_neighbor
    distances[batch.pair_site, column] = batch.pair_distance
    return neighbors, distances


def interactions_of(atomic_numbers, neighbors, distances):
    z = atomic_numbers.to(distances.dtype)[:, None]
    itself = distances == 0
    apart = distances.where(distances > 0, 1) / BOHR
    coulomb = torch.where(itself, 0.5 * z**2.4, z * z[neighbors][..., 0] / apart)
    return torch.stack([distances, torch.log(coulomb).clamp(-10, 10)], dim=-1)


def dense_site_net(network, batch):
    """Outputs before the clamp (b,), global vectors (b, g) and attention weights (s, J, h) of every block."""
    neighbors, distances = padded(batch)
    embedding = torch.nn.functional.embedding(batch.atomic_numbers, network.embedding.weight)
    embedding = embedding / embedding.norm(dim=1, keepdim=True).clamp(min=1)
    site_features = (batch.site_features - network.site_shift) / network.site_scale
    sites = perceptron(network.site_input, torch.cat([embedding, site_features], dim=1))
    interactions = interactions_of(batch.atomic_numbers, neighbors, distances)
    if len(network.interaction_features) > 2:
        shells = torch.linspace(1.5, 7, 12, dtype=distances.dtype)
        gaussians = torch.exp(-4 * (distances[..., None] - shells) ** 2)
        interactions = torch.cat([interactions, gaussians], dim=-1)
    interactions = (interactions - network.interaction_shift) / network.interaction_scale
    interactions = perceptron(network.blocks[0].interaction_input, interactions)
    outputs, attention = [], []
    for block in network.blocks:
        excluded = (distances < 0) | (distances > (block.cutoff or math.inf))
        sites, interactions, weights = attention_block(block, sites, interactions, neighbors, distances, excluded)
        outputs.append(sites)
        attention.append(weights)
    sites = perceptron(network.pre_pool, torch.cat(outputs, dim=1))
    pooled = torch.stack([pool(network, sites[batch.site_crystal == k]) for k in range(len(batch))])
    vectors = perceptron(network.post_pool, pooled)
    return (network.output(vectors) * network.target_scale + network.target_shift)[:, 0], vectors, attention


def pool(network, sites):
    if network.pooling == "max":
        return sites.max(dim=0).values
    if network.pooling == "mean":
        return sites.mean(dim=0)
    return (network.pool_logit(sites).softmax(dim=0) * sites).sum(dim=0)
