"""A model in the layout of the published checkpoints, and what it computes: the oracle of their import."""

from itertools import pairwise

import torch
from torch import nn

PROPERTIES = [
    "Number",
    "AtomicWeight",
    "Row",
    "Column",
    "FirstIonizationEnergy",
    "Electronegativity",
    "AtomicRadius",
    "Density",
]
CONFIG = {
    "Interaction_Features": [
        {"name": "distance_matrix", "kwargs": {"polynomial_degree": 1}},
        {"name": "non_sine_coulomb_matrix", "kwargs": {"polynomial_degree": 1, "log": True, "max_clip": 10}},
    ],
    "Site_Features": [{"name": "SiteElementalProperty", "Featurizer_KArgs": {"properties": PROPERTIES}}],
    "Optimizer": {"Name": "AdamW", "Kwargs": {"weight_decay": 0.01}},
    "Learning_Rate": 0.002,
    "dynamic_batch": True,
    "Batch_Size": 600,
    "embedding_size": 7,
    "site_dim_per_head": 4,
    "attention_dim_interaction": 3,
    "attention_heads": 2,
    "attention_blocks": 3,
    "attention_hidden_layers": [9, 6],
    "pre_pool_layers": [8, 5],
    "post_pool_layers": [10],
    "activation_function": "relu",
    "set_norm": "layer",
    "lin_norm": "layer",
    "sym_func": "max",
    "distance_cutoff": 4.5,
    "k_softmax": -1,
    "last_af_func": "identity",
}


def random_checkpoint(**changes):
    """Checkpoint with random weights of the shapes that its hyper-parameters imply."""
    config = CONFIG | changes
    heads, blocks = config["attention_heads"], config["attention_blocks"]
    sites, interactions = heads * config["site_dim_per_head"], heads * config["attention_dim_interaction"]
    bond, state = 2 * sites + interactions, {}

    def add(name, n_in, n_out, norm=None):
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.randn(n_out, n_in), torch.randn(n_out)
        if norm and config["set_norm"] == "layer":
            state[f"{norm}.weight"], state[f"{norm}.bias"] = 1 + 0.3 * torch.randn(n_out), 0.3 * torch.randn(n_out)

    def chain(name, widths, norm):
        for k, (a, b) in enumerate(pairwise(widths)):
            add(f"{name}.{k}", a, b, norm.format(k))

    state["Elemental_Embeddings.weight"] = torch.randn(200, config["embedding_size"])
    for kind, n_in, n_out in (
        ("site", config["embedding_size"] + len(PROPERTIES) + 1, sites),
        ("interaction", 2, interactions),
    ):
        add(f"encoder.{kind}_featurization", n_in, n_out, f"encoder.{kind}_featurization_norm.Norm")
    for k in range(blocks):
        for part, widths in (
            ("ije_to_multihead", [bond, *config["attention_hidden_layers"]]),
            ("ije_to_Interaction_Features", [bond, interactions]),
            ("ije_to_attention_features", [bond, config["site_dim_per_head"]]),
            ("global_linear", [sites, sites]),
        ):
            prefix = f"encoder.Attention_Blocks.{k}.{part}"
            chain(f"{prefix}.linear_layers", widths, f"{prefix}.norm_layers.{{}}.Norm")
        add(f"encoder.Attention_Blocks.{k}.pre_softmax_linear", config["attention_hidden_layers"][-1], heads)
    pre, post = [blocks * sites, *config["pre_pool_layers"]], config["post_pool_layers"]
    chain("encoder.pre_pool_layers", pre, "encoder.pre_pool_layers_norm.{}.Norm")
    chain("encoder.post_pool_layers", [pre[-1], *post], "encoder.post_pool_layers_norm.{}")
    add("decoder", post[-1], 1)
    return {"state_dict": state, "hyper_parameters": config}


def predict(checkpoint, atomic_numbers, site_features, interactions):
    """Output for one crystal of n sites: site features (n, 9), interaction features (n, n * m, 2)."""
    state = {name: tensor.double() for name, tensor in checkpoint["state_dict"].items()}
    config = checkpoint["hyper_parameters"]

    def layer(x, name, norm):
        x = nn.functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])
        x = {"relu": nn.functional.relu, "mish": nn.functional.mish}[config["activation_function"]](x)
        if config["set_norm"] == "none":
            return x
        return nn.functional.layer_norm(x, x.shape[-1:], state[f"{norm}.weight"], state[f"{norm}.bias"])

    def chain(x, n_layers, name, norm):
        for k in range(n_layers):
            x = layer(x, f"{name}.{k}", norm.format(k))
        return x

    embedding = state["Elemental_Embeddings.weight"][atomic_numbers]
    embedding = embedding / embedding.norm(dim=1, keepdim=True).clamp(min=1)
    featurization = "encoder.{}_featurization"
    sites, bonds = torch.cat([embedding, site_features], 1), interactions
    sites = layer(sites, featurization.format("site"), "encoder.site_featurization_norm.Norm")
    bonds = layer(bonds, featurization.format("interaction"), "encoder.interaction_featurization_norm.Norm")
    excluded, summary = interactions[..., 0] > config["distance_cutoff"], []
    n, columns = excluded.shape
    for k in range(config["attention_blocks"]):
        prefix = f"encoder.Attention_Blocks.{k}."

        def part(x, name, n_layers=1, prefix=prefix):
            return chain(x, n_layers, f"{prefix}{name}.linear_layers", f"{prefix}{name}.norm_layers.{{}}.Norm")

        s_i, s_j = sites[:, None].expand(n, columns, -1), sites.repeat_interleave(columns // n, 0).expand(n, -1, -1)
        b = torch.cat([s_i, s_j, bonds], 2)
        logit = f"{prefix}pre_softmax_linear"
        hidden = part(b, "ije_to_multihead", len(config["attention_hidden_layers"]))
        logits = nn.functional.linear(hidden, state[f"{logit}.weight"], state[f"{logit}.bias"])
        if config["distance_cutoff"] >= 0:
            logits = logits.masked_fill(excluded[..., None], -torch.inf)
        features, bonds = part(b, "ije_to_attention_features"), part(b, "ije_to_Interaction_Features")
        sites = part(torch.einsum("ijh,ije->ieh", logits.softmax(1), features).flatten(1), "global_linear")
        summary.append(sites)
    x = torch.cat(summary, 1)
    x = chain(x, len(config["pre_pool_layers"]), "encoder.pre_pool_layers", "encoder.pre_pool_layers_norm.{}.Norm")
    x = x.mean(0) if config["sym_func"] == "mean" else x.max(0).values
    x = chain(x, len(config["post_pool_layers"]), "encoder.post_pool_layers", "encoder.post_pool_layers_norm.{}")
    return (nn.functional.linear(x, state["decoder.weight"], state["decoder.bias"]))[0]
