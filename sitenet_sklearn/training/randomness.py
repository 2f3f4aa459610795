"""Random numbers of one training: from a seed, and independent of what other threads draw."""

import contextlib
import threading

import torch

_SEEDING = threading.RLock()


@contextlib.contextmanager
def seeded(seed, device):
    """Seed torch inside a with block, for one thread at a time, and leave its random state as found."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with _SEEDING, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def own_generator(device):
    """Make a generator that goes on where the one of torch is, and that no other thread uses."""
    generator = torch.Generator(device)
    if device.type == "cpu":
        return generator.set_state(torch.get_rng_state())
    return generator.manual_seed(int(torch.randint(2**31 - 1, ())))
