"""One process for every GPU: the same command several times, each on a device of its own."""

import os
import subprocess


def launch_workers(command, gpus, *, per_gpu=1):
    """Run a command once for every GPU and wait for all.

    Each process sees one GPU only, through CUDA_VISIBLE_DEVICES, and finds it as "cuda". What the processes share, such
    as a study in a journal or database, is up to the command. A process that fails does not stop the others; Ctrl-C
    stops all.

    Parameters
    ----------
    command : list of str
        Program and arguments, for example ``[sys.executable, "tune.py"]``.
    gpus : int or list of str
        Number of GPUs, or their names as CUDA takes them ("0", "3", "GPU-8932f937", "MIG-...").
    per_gpu : int, default=1
        Processes on every GPU.

    Returns
    -------
    list of int
        Exit codes, GPU by GPU; 0 is success.

    Raises
    ------
    ValueError
        If there is no GPU or no process to run.

    Examples
    --------
    >>> import sys
    >>> launch_workers([sys.executable, "-c", "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"], gpus=2)
    [0, 0]
    """
    names = [str(k) for k in range(gpus)] if isinstance(gpus, int) else [str(gpu) for gpu in gpus]
    if not names or per_gpu < 1:
        raise ValueError(f"expected at least one GPU and one process on each, got gpus={gpus!r} and per_gpu={per_gpu}")
    processes = []
    try:
        for name in names * per_gpu:
            environment = os.environ | {"CUDA_VISIBLE_DEVICES": name}
            processes.append((name, subprocess.Popen(command, env=environment)))  # noqa: S603 - the user's own command
        codes = [(names.index(name), process.wait()) for name, process in processes]
    except BaseException:
        for _, process in processes:
            process.terminate()
        for _, process in processes:
            process.wait()
        raise
    return [code for _, code in sorted(codes, key=lambda pair: pair[0])]
