"""Results as they come, and from backends of joblib that give all of them at the end; no process stays behind."""

import os
import subprocess
import sys
import time

import joblib
import pytest
from joblib import delayed
from joblib._parallel_backends import ThreadingBackend

from sitenet_sklearn._parallel import results_of


class AtTheEnd(ThreadingBackend):
    """As Ray's backend: no generators."""

    supports_return_generator = False


def square(x, seen):
    seen.append(x)
    return x * x


@pytest.mark.parametrize("ordered", [True, False])
def test_every_backend_gives_every_result(ordered):
    joblib.register_parallel_backend("at_the_end", AtTheEnd)
    for backend in ("loky", "threading", "at_the_end"):
        with joblib.parallel_config(backend=backend, n_jobs=2):
            found = results_of((delayed(square)(k, []) for k in range(20)), ordered=ordered)
        assert sorted(found) == [k * k for k in range(20)]


def test_results_come_one_by_one():
    seen = []
    results = results_of((delayed(square)(k, seen) for k in range(5)), n_jobs=1)
    assert next(iter(results)) == 0
    assert seen == [0]


def test_processes_that_would_hang_are_refused():
    calls = [delayed(square)(k, []) for k in range(3)]
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        with pytest.raises(ValueError, match=r"'multiprocessing' copies processes, .*: take 'loky'"):
            results_of(calls)
        assert list(results_of(calls, n_jobs=1)) == [0, 1, 4]


def test_other_errors_stay():
    with pytest.raises(ValueError, match="n_jobs == 0"):
        list(results_of([delayed(square)(1, [])], n_jobs=0))


CALLER = """
import os, time
from joblib import delayed
from sitenet_sklearn._parallel import results_of

def call(k):
    time.sleep(0.3 if k < 2 else 600)
    return os.getpid()

for pid in results_of((delayed(call)(k) for k in range(4)), n_jobs=2):
    print(pid, flush=True)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="looks for processes in /proc")  # noqa: PTH110
def test_processes_end_with_a_caller_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", CALLER], stdout=subprocess.PIPE, text=True) as caller:
        pids = {int(caller.stdout.readline()) for _ in range(2)}
        assert all(os.path.exists(f"/proc/{pid}") for pid in pids)  # noqa: PTH110
        caller.kill()
    end = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):  # noqa: PTH110
        assert time.monotonic() < end
        time.sleep(0.1)
