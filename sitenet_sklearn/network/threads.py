"""Tiles in parallel: threads of this process, each with a single thread inside torch.

A tile is many short calls of torch. Threads inside such calls wait for each other after every one; threads that take a
tile each do not, and leave the interpreter to others while torch computes.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


def map_in_threads(function, items):
    """Call a function on every item, in as many threads at a time as torch may use.

    Parameters
    ----------
    function : callable
        Called without recording gradients.
    items : sequence
        Its arguments.

    Yields
    ------
    object
        Results, in the order of the items. No thread is left running after the last one.

    Examples
    --------
    >>> list(map_in_threads(abs, [-2, 3]))
    [2, 3]
    """
    n_threads = min(torch.get_num_threads(), len(items))
    if n_threads < 2:
        yield from map(function, items)
        return
    inference = torch.is_inference_mode_enabled()

    def call(item):
        with torch.inference_mode(inference), torch.no_grad():  # in this order: the first sets both
            return function(item)

    with _single_threads(), ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(call, items)


@contextmanager
def _single_threads():
    """Let torch compute with one thread, and afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
