"""Tiles in parallel: threads of this process, each with a single thread inside torch.

A tile is many short calls of torch. Threads inside such calls wait for each other after every one; threads that take a
tile each do not, and leave the interpreter to others while torch computes. Threads that wait inside torch keep their
cores busy for a while after every call, so that calls between tiles get a single thread too: `threads_for_tiles`.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from queue import SimpleQueue
from threading import Thread

import torch

_FOR_TILES: ContextVar[int | None] = ContextVar("threads_for_tiles", default=None)


@contextmanager
def threads_for_tiles():
    """Give the threads that torch may use to `map_in_threads`, and a single one to all other calls of torch.

    Examples
    --------
    >>> with threads_for_tiles():
    ...     torch.get_num_threads()
    1
    """
    with single_thread() as before:
        token = _FOR_TILES.set(_FOR_TILES.get() or before)
        try:
            yield
        finally:
            _FOR_TILES.reset(token)


def map_in_threads(function, items):
    """Call a function on every item, in as many threads at a time as torch may use (outside `threads_for_tiles`).

    Parameters
    ----------
    function : callable
        Called without recording gradients.
    items : sequence
        Its arguments.

    Returns
    -------
    list
        Results, in the order of the items. No thread is left running; after an exception, threads end with the item
        that they are at.

    Examples
    --------
    >>> map_in_threads(abs, [-2, 3])
    [2, 3]
    """
    n_threads = min(_FOR_TILES.get() or torch.get_num_threads(), len(items))
    if n_threads < 2:
        return list(map(function, items))
    work = _Work(function, items)
    threads = [Thread(target=work.run, daemon=True) for _ in range(n_threads)]
    with single_thread():
        try:
            for thread in threads:
                thread.start()
            return work.wait(n_threads)
        finally:
            work.stopped = True
            for thread in filter(Thread.is_alive, threads):
                thread.join()


class _Work:
    """Items that threads take one after the other. Nothing here holds a lock of Python's when Ctrl-C comes."""

    def __init__(self, function, items):
        self.function, self.items = function, items
        self.inference = torch.is_inference_mode_enabled()
        self.numbers, self.results, self.stopped = count(), [None] * len(items), False
        self.ended = SimpleQueue()

    def run(self):
        """Work until nothing is left, and say so, or what went wrong."""
        torch.set_num_threads(1)
        try:
            with torch.inference_mode(self.inference), torch.no_grad():  # in this order: the first sets both
                while not self.stopped and (number := next(self.numbers)) < len(self.items):
                    self.results[number] = self.function(self.items[number])
        except BaseException as error:  # noqa: BLE001 - raised where the results are awaited
            self.ended.put(error)
        else:
            self.ended.put(None)

    def wait(self, n_threads):
        """Sleep until all threads have ended: whoever wakes up takes the interpreter from those that work."""
        for _ in range(n_threads):
            if (error := self.ended.get()) is not None:
                raise error
        return self.results


@contextmanager
def single_thread():
    """Let torch compute with one thread, and afterwards with as many as before, which are given.

    Examples
    --------
    >>> with single_thread():
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)
