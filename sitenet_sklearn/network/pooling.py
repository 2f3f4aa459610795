"""Pooling: how the sites of a crystal become one vector.

To add a pooling, write its function here and name it in `POOLINGS`.
"""

from .segments import segment_max, segment_softmax, segment_sum


def mean_pool(sites, batch, logits):  # noqa: ARG001
    """Average the sites (s, c) of every crystal, each as often as the primitive sites that it stands for: (b, c)."""
    return attention_pool(sites, batch, sites.new_zeros(len(sites), 1))


def max_pool(sites, batch, logits):  # noqa: ARG001
    """Take the largest entry of every column over the sites (s, c) of a crystal: (b, c)."""
    return segment_max(sites, batch.site_crystal, batch.n_crystals)


def attention_pool(sites, batch, logits):
    """Average the sites (s, c) of every crystal by a softmax over their logits (s, 1): (b, c)."""
    share = segment_softmax(logits, batch.multiplicity, batch.site_crystal, batch.n_crystals)
    return segment_sum(share * sites, batch.site_crystal, batch.n_crystals)


POOLINGS = {"mean": mean_pool, "max": max_pool, "attention": attention_pool}
"""Poolings by name; all are called with sites, batch, and the logits of a Linear, which only "attention" has."""
