"""Batches that do not fit into memory are cut in half and tried again."""

import warnings

import torch


def in_parts(function, batch, *others):
    """Call a function on a batch, or on ever smaller parts of it where memory does not suffice.

    Parameters
    ----------
    function : callable
        Called as ``function(batch, *others)``.
    batch : CrystalBatch
        b crystals.
    *others : sequence of length b
        Cut together with the batch.

    Returns
    -------
    list
        What the function returned, once or for every part in order.

    Warns
    -----
    UserWarning
        Where a batch was cut, with the number of its crystals.
    """
    try:
        return [function(batch, *others)]
    except (MemoryError, RuntimeError) as error:
        if len(batch) < 2 or not is_out_of_memory(error):
            raise
    warnings.warn(
        f"a batch of {len(batch)} crystals with {len(batch.pair_site)} pairs does not fit into memory and is cut in "
        "half: a smaller batch_size would save the attempt",
        stacklevel=2,
    )
    half = len(batch) // 2
    return [
        result
        for part in (slice(0, half), slice(half, len(batch)))
        for result in in_parts(function, batch.part(part.start, part.stop), *(other[part] for other in others))
    ]


def is_out_of_memory(error):
    """Whether an error says that memory is exhausted, on the CPU or on a GPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
