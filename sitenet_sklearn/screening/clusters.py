"""Where the processes of a screening are: on this machine, or on a Dask cluster."""

import warnings
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path

import joblib

PATIENCE = 10**7
"""Seconds that a screening waits for a worker: on a cluster, jobs may be in a queue for days."""


@contextmanager
def processes_of(scheduler):
    """Let joblib work on a Dask cluster.

    Parameters
    ----------
    scheduler : str, distributed.Client or None
        Address of a scheduler, such as "tcp://host:8786", its file (.json), which ``dask scheduler`` writes, or a
        client. None leaves joblib as it is: with the processes of this machine, or where `joblib.parallel_config` says.

    Warns
    -----
    UserWarning
        If the file or a worker is still missing; then work begins when it comes.

    Raises
    ------
    OSError
        If no scheduler answers.
    """
    if scheduler is None:
        yield
        return
    from distributed import Client

    if not isinstance(scheduler, str):
        with _on_dask(scheduler):
            yield
        return
    where = {"scheduler_file": scheduler} if scheduler.endswith(".json") else {"address": scheduler}
    if scheduler.endswith(".json") and not Path(scheduler).exists():
        warnings.warn(f"{scheduler} is not there: waiting until a scheduler writes it", stacklevel=3)
    with Client(**where) as client, _on_dask(client):
        yield


def _on_dask(client):
    """Let joblib work with a client, however late its workers come."""
    if not client.ncores():
        warnings.warn("the scheduler has no worker: waiting until one comes", stacklevel=4)
    return joblib.parallel_config(backend="dask", client=client, wait_for_workers_timeout=PATIENCE)


def check_processes(scheduler, n_jobs):
    """Raise an error, before any work, for a scheduler or a number of processes that means nothing.

    Parameters
    ----------
    scheduler : str, distributed.Client or None
        As for `processes_of`.
    n_jobs : int or None
        Number of processes, negative ones counted from that of the cores.

    Raises
    ------
    ModuleNotFoundError
        If Dask is needed and not installed.
    TypeError
        If the scheduler is something else.
    ValueError
        If the number of processes is 0 or no integer.
    """
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool) or n_jobs == 0):
        raise ValueError(f"n_jobs must be an integer other than 0, -1 for all cores, or None, got {n_jobs!r}")
    if scheduler is None:
        return
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        if error.name not in {"dask", "distributed"}:
            raise
        told = "a scheduler takes Dask: pip install dask distributed"
        raise ModuleNotFoundError(told, name=error.name) from error
    if not isinstance(scheduler, str | Client):
        raise TypeError(f"scheduler must be the address of a Dask scheduler, its file or a Client, got {scheduler!r}")
