"""Read the weights of published Site-Net checkpoints into `SiteNet`."""

import torch

from .elements import MAX_ATOMIC_NUMBER
from .network import SiteNet


def load_reference_network(path):
    """Build the network of a checkpoint in the layout of the published models.

    Parameters
    ----------
    path : str or path-like
        File with `state_dict` and `hyper_parameters`; no code from it is executed.

    Returns
    -------
    SiteNet
        In evaluation mode, in float32, unstandardised, with the clamp on.

    Raises
    ------
    ValueError
        If the file is no such checkpoint.
    """
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    if not {"state_dict", "hyper_parameters"} <= set(checkpoint):
        raise ValueError(f"{path} is no Site-Net checkpoint: state_dict and hyper_parameters expected")
    published, config = checkpoint["state_dict"], checkpoint["hyper_parameters"]
    network = SiteNet(
        embedding_dim=config["embedding_size"],
        site_dim=config["site_dim_per_head"],
        interaction_dim=config["attention_dim_interaction"],
        n_heads=config["attention_heads"],
        n_blocks=config["attention_blocks"],
        attention_hidden_layers=config["attention_hidden_layers"],
        pre_pool_layers=config["pre_pool_layers"],
        post_pool_layers=config["post_pool_layers"],
        activation=config["activation_function"],
        normalization=config["set_norm"],
        pooling=config["sym_func"],
        cutoff=config["distance_cutoff"] if config["distance_cutoff"] > 0 else None,
    )
    network.load_state_dict(_translate(published, network), strict=False)
    return network.eval()


def _translate(published, network):
    """Map published parameter names onto ours; the first layers of a block become one Linear."""
    state = {}

    def linear(ours, theirs):
        state[f"{ours}.weight"], state[f"{ours}.bias"] = published[f"{theirs}.weight"], published[f"{theirs}.bias"]

    linear("site_input.linear.0", "encoder.site_featurization")
    linear("site_input.act_norm.0.norm", "encoder.site_featurization_norm.Norm")
    linear("blocks.0.interaction_input.linear.0", "encoder.interaction_featurization")
    linear("blocks.0.interaction_input.act_norm.0.norm", "encoder.interaction_featurization_norm.Norm")
    for k, block in enumerate(network.blocks):
        state |= _translate_block(published, block, f"blocks.{k}", f"encoder.Attention_Blocks.{k}")
    for k in range(len(network.pre_pool.linear)):
        linear(f"pre_pool.linear.{k}", f"encoder.pre_pool_layers.{k}")
        linear(f"pre_pool.act_norm.{k}.norm", f"encoder.pre_pool_layers_norm.{k}.Norm")
    for k in range(len(network.post_pool.linear)):
        linear(f"post_pool.linear.{k}", f"encoder.post_pool_layers.{k}")
        linear(f"post_pool.act_norm.{k}.norm", f"encoder.post_pool_layers_norm.{k}")
    linear("output", "decoder")
    state["embedding.weight"] = published["Elemental_Embeddings.weight"][: MAX_ATOMIC_NUMBER + 1]
    return state


def _translate_block(published, block, ours, theirs):
    state = {}
    parts = ["ije_to_multihead", "ije_to_attention_features", "ije_to_Interaction_Features"]
    norms = ["logit_norm", "feature_norm", "interaction_norm"]
    parts = [part for part, width in zip(parts, block.output_widths, strict=True) if width]
    for kind in ("weight", "bias"):
        first = [published[f"{theirs}.{part}.linear_layers.0.{kind}"] for part in parts]
        state[f"{ours}.bond.{kind}"] = torch.cat(first)
        for part, norm in zip(parts, norms, strict=False):
            state[f"{ours}.{norm}.{kind}"] = published[f"{theirs}.{part}.norm_layers.0.Norm.{kind}"]
        for k in range(len(block.logit_hidden.linear)):
            hidden = f"{theirs}.ije_to_multihead"
            state[f"{ours}.logit_hidden.linear.{k}.{kind}"] = published[f"{hidden}.linear_layers.{k + 1}.{kind}"]
            deeper = published[f"{hidden}.norm_layers.{k + 1}.Norm.{kind}"]
            state[f"{ours}.logit_hidden.act_norm.{k}.norm.{kind}"] = deeper
        state[f"{ours}.logit.{kind}"] = published[f"{theirs}.pre_softmax_linear.{kind}"]
        state[f"{ours}.site_layer.linear.0.{kind}"] = published[f"{theirs}.global_linear.linear_layers.0.{kind}"]
        state[f"{ours}.site_layer.act_norm.0.norm.{kind}"] = published[
            f"{theirs}.global_linear.norm_layers.0.Norm.{kind}"
        ]
    return state
