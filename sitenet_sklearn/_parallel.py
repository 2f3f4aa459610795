"""Results of joblib's processes as they come, on every backend."""

from joblib import Parallel


def results_of(calls, *, n_jobs=None, ordered=True):
    """Run delayed calls in parallel.

    Parameters
    ----------
    calls : iterable
        Made with `joblib.delayed`; taken from the iterable when a process is free.
    n_jobs : int, default=None
        Number of processes; None takes what `joblib.parallel_config` says.
    ordered : bool, default=True
        Whether results come in the order of the calls.

    Returns
    -------
    iterable
        The results, each as soon as it is there. Backends of joblib that cannot do that, such as Ray's, give all of
        them at the end.
    """
    try:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator" if ordered else "generator_unordered")
    except ValueError:  # whatever the backend is, it cannot
        parallel = Parallel(n_jobs=n_jobs)
    return parallel(calls)
