"""Tiles in parallel: threads of this process, each with a single thread inside torch.

A tile is many short calls of torch. Threads inside such calls wait for each other after every one; threads that take a
tile each do not, and leave the interpreter to others while torch computes.
"""

from contextlib import contextmanager
from itertools import count
from queue import SimpleQueue
from threading import Thread

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
        Results, in the order of the items. No thread is left running after the last one; after an exception, threads
        end with the item that they are at.

    Examples
    --------
    >>> list(map_in_threads(abs, [-2, 3]))
    [2, 3]
    """
    n_threads = min(torch.get_num_threads(), len(items))
    if n_threads < 2:
        yield from map(function, items)
        return
    work = _Work(function, items)
    threads = [Thread(target=work.run, daemon=True) for _ in range(n_threads)]
    with _single_threads():
        try:
            for thread in threads:
                thread.start()
            yield from work.results()
        finally:
            work.stopped = True
            for thread in filter(Thread.is_alive, threads):
                thread.join()


class _Work:
    """Items that threads take one after the other. Nothing here holds a lock of Python's when Ctrl-C comes."""

    def __init__(self, function, items):
        self.function, self.items = function, items
        self.inference = torch.is_inference_mode_enabled()
        self.numbers, self.done, self.stopped = count(), SimpleQueue(), False

    def run(self):
        """Work until nothing is left."""
        torch.set_num_threads(1)
        while not self.stopped and (number := next(self.numbers)) < len(self.items):
            try:
                with torch.inference_mode(self.inference), torch.no_grad():  # in this order: the first sets both
                    self.done.put((number, self.function(self.items[number]), None))
            except BaseException as error:  # noqa: BLE001 - raised where the results are awaited
                self.done.put((number, None, error))

    def results(self):
        """Yield results in the order of the items, or raise what was raised."""
        waiting = {}
        for number in range(len(self.items)):
            while number not in waiting:
                other, result, error = self.done.get()
                if error is not None:
                    raise error
                waiting[other] = result
            yield waiting.pop(number)


@contextmanager
def _single_threads():
    """Let torch compute with one thread, and afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
