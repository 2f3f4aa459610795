"""Where the processes of a screening are: on this machine, or on a Dask cluster."""

from contextlib import contextmanager

import joblib


@contextmanager
def processes_of(scheduler):
    """Let joblib work on a Dask cluster.

    Parameters
    ----------
    scheduler : str, distributed.Client or None
        Address of a scheduler, such as "tcp://host:8786", its file (.json), which ``dask scheduler`` writes, or a
        client. None leaves joblib as it is: with the processes of this machine, or where `joblib.parallel_config` says.

    Raises
    ------
    ImportError
        If Dask is needed and not installed.
    OSError
        If no scheduler answers.
    """
    if scheduler is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("a scheduler takes Dask: pip install dask distributed") from error
    if not isinstance(scheduler, str):
        with joblib.parallel_config(backend="dask", client=scheduler):
            yield
        return
    where = {"scheduler_file": scheduler} if scheduler.endswith(".json") else {"address": scheduler}
    with Client(**where) as client, joblib.parallel_config(backend="dask", client=client):
        yield
