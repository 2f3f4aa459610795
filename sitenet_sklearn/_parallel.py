"""Results of joblib's processes as they come, on every backend but that of forked ones."""

import os
import time
from functools import cache
from multiprocessing import current_process
from threading import Thread

from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import MultiprocessingBackend, get_active_backend

BREATH = 2.0
"""Seconds after which a process notices that the one that made it is gone."""


def results_of(calls, *, n_jobs=None, ordered=True):
    """Run delayed calls in parallel.

    Parameters
    ----------
    calls : iterable
        Made with `joblib.delayed`; taken from the iterable when a process is free. Processes of this machine end soon
        after this one, even if it is killed; joblib's own would stay for minutes.
    n_jobs : int, default=None
        Number of processes; None takes what `joblib.parallel_config` says.
    ordered : bool, default=True
        Whether results come in the order of the calls.

    Returns
    -------
    iterable
        The results, each as soon as it is there. Backends of joblib that cannot do that, such as Ray's, give all of
        them at the end.

    Raises
    ------
    ValueError
        For joblib's backend "multiprocessing" with several processes, in which PyTorch would hang.
    """
    try:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator" if ordered else "generator_unordered")
    except ValueError as error:  # whatever the backend is, it cannot
        if type(get_active_backend()[0]) is MultiprocessingBackend and effective_n_jobs(n_jobs) > 1:
            told = "joblib's backend 'multiprocessing' copies processes, which PyTorch does not survive: take 'loky'"
            raise ValueError(told) from error
        parallel = Parallel(n_jobs=n_jobs)
    parent = os.getpid()
    return parallel(delayed(_call)(parent, *call) for call in calls)


def _call(parent, function, arguments, options):
    _end_with(parent)
    return function(*arguments, **options)


@cache
def _end_with(parent):
    """Let a process that joblib has made for another one end with it."""
    if parent != os.getpid() and type(current_process()).__name__ == "LokyProcess":
        Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent):
    while os.getppid() == parent:
        time.sleep(BREATH)
    os._exit(1)
