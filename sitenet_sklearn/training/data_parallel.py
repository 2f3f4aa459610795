"""Training by several processes that share every batch, for a program started with torchrun.

Each process sees the same batches in the same order, computes the gradients of its own crystals of a batch, and all
add them up. Results are those of one process, whatever the number of processes, up to rounding.
"""

import numpy as np
import torch
from torch import distributed
from torch.utils.data import Sampler


def is_distributed():
    """Whether torch.distributed was initialised in this process."""
    return distributed.is_available() and distributed.is_initialized()


def is_first_process():
    """Whether this process is the only one, or the one that writes files."""
    return not is_distributed() or distributed.get_rank() == 0


def sum_over_processes(tensors):
    """Add up tensors of one dtype and device over all processes, in place."""
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(total.view_as(tensor))


def common_random(random, device):
    """Random state that all processes have in common; in a single process the given one."""
    if not is_distributed():
        return random
    seed = torch.tensor([random.randint(2**31 - 1)], device=device)
    distributed.broadcast(seed, 0)
    return np.random.RandomState(int(seed))


class ShareSampler(Sampler):
    """What this process takes of every batch of another sampler, possibly nothing."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        rank, n_processes = distributed.get_rank(), distributed.get_world_size()
        return (batch[rank::n_processes] for batch in self.batches)
