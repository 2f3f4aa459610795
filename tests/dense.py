"""The paper's network written as its equations, one crystal at a time: the oracle of the factorised one."""

import math

import torch

from sitenet_sklearn.network import BOHR


def layer(linear, act_norm, x):
    """Linear -> activation -> normalisation over the last axis."""
    x = act_norm.activation(linear(x))
    return act_norm.norm(x.flatten(0, -2), None).unflatten(0, x.shape[:-1])


def perceptron(stack, x):
    for linear, act_norm in zip(stack.linear, stack.act_norm, strict=True):
        x = layer(linear, act_norm, x)
    return x


def bond_layer(block, part, act_norm, bonds):
    """One of the three layers that share the Linear of a block, applied to concatenated bonds."""
    weight = block.bond.weight.split(block.output_widths)[part]
    bias = block.bond.bias.split(block.output_widths)[part]
    x = torch.nn.functional.linear(bonds, weight, bias)
    if act_norm is None:
        return x
    x = act_norm.activation(x)
    return act_norm.norm(x.flatten(0, -2), None).unflatten(0, x.shape[:-1])


def attention_block(block, sites, interactions, distances):
    """Equations of section 2.2: bond vectors S_i || S_j || I_ij for every pair of (n, n * m)."""
    n, columns = distances.shape
    s_i = sites[:, None].expand(n, columns, -1)
    s_j = sites.repeat_interleave(columns // n, 0)[None].expand(n, columns, -1)
    bonds = torch.cat([s_i, s_j, interactions], dim=-1)
    if block.logit is None:
        logits = bond_layer(block, 0, None, bonds)
    else:
        hidden = bond_layer(block, 0, block.logit_act_norm, bonds)
        logits = block.logit(perceptron(block.logit_hidden, hidden))
    if block.cutoff is not None:
        logits = logits.masked_fill(distances[..., None] > block.cutoff, -math.inf)
    weights = logits.softmax(dim=1)
    features = bond_layer(block, 1, block.feature_act_norm, bonds)
    heads = [(weights[..., h, None] * features).sum(1) for h in range(weights.shape[-1])]
    aggregate = torch.stack(heads, dim=-1).flatten(1)
    last = block.interaction_act_norm is None
    new_interactions = None if last else bond_layer(block, 2, block.interaction_act_norm, bonds)
    return perceptron(block.site_layer, aggregate), new_interactions, weights


def interactions_of(atomic_numbers, distances):
    z = atomic_numbers.to(distances.dtype)
    z_j = z.repeat_interleave(distances.shape[1] // len(z))
    coulomb = z[:, None] * z_j / (distances / BOHR)
    own = torch.arange(len(z))
    coulomb[own, own * (distances.shape[1] // len(z))] = 0.5 * z**2.4
    return torch.stack([distances, torch.log(coulomb).clamp(-10, 10)], dim=-1)


def dense_site_net(network, atomic_numbers, site_features, distances):
    """Output before the clamp, global vector and attention weights of one crystal."""
    embedding = torch.nn.functional.embedding(atomic_numbers, network.embedding.weight)
    embedding = torch.stack([row / max(1.0, row.norm()) for row in embedding])
    site_features = (site_features - network.site_shift) / network.site_scale
    sites = perceptron(network.site_input, torch.cat([embedding, site_features], dim=1))
    interactions = interactions_of(atomic_numbers, distances)
    interactions = perceptron(
        network.interaction_input, (interactions - network.interaction_shift) / network.interaction_scale
    )
    outputs, attention = [], []
    for block in network.blocks:
        sites, interactions, weights = attention_block(block, sites, interactions, distances)
        outputs.append(sites)
        attention.append(weights)
    sites = perceptron(network.pre_pool, torch.cat(outputs, dim=1))
    if network.pooling == "max":
        pooled = sites.max(dim=0).values
    elif network.pooling == "mean":
        pooled = sites.mean(dim=0)
    else:
        pooled = (network.pool_logit(sites).softmax(dim=0) * sites).sum(dim=0)
    vector = perceptron(network.post_pool, pooled[None])[0]
    return (network.output(vector) * network.target_scale + network.target_shift)[0], vector, attention
