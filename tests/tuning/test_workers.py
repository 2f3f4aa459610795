import os
import signal
import subprocess
import sys
import time

import pytest

from sitenet_sklearn.tuning.workers import launch_workers

NOTE = """
import os, pathlib, sys
name = os.environ["CUDA_VISIBLE_DEVICES"]
pathlib.Path(sys.argv[1], f"{name}-{os.getpid()}").touch()
sys.exit(name == "1")
"""


@pytest.mark.parametrize(
    ("gpus", "per_gpu", "expected", "codes"),
    [
        (1, 1, ["0"], [0]),
        (3, 1, ["0", "1", "2"], [0, 1, 0]),
        (2, 2, ["0", "0", "1", "1"], [0, 0, 1, 1]),
        (["GPU-8932f937", 5], 1, ["5", "GPU-8932f937"], [0, 0]),
    ],
)
def test_every_gpu_gets_its_processes(tmp_path, gpus, per_gpu, expected, codes):
    assert launch_workers([sys.executable, "-c", NOTE, str(tmp_path)], gpus, per_gpu=per_gpu) == codes
    assert sorted(path.name.rpartition("-")[0] for path in tmp_path.iterdir()) == expected


@pytest.mark.parametrize(("gpus", "per_gpu"), [(0, 1), ([], 1), (2, 0)])
def test_no_process_is_refused(gpus, per_gpu):
    with pytest.raises(ValueError, match="expected at least one GPU and one process on each"):
        launch_workers(["true"], gpus, per_gpu=per_gpu)


SLEEP = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1], str(os.getpid())).touch(); time.sleep(600)"
LAUNCH = """
import signal, sys
from sitenet_sklearn.tuning.workers import launch_workers
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs of a shell in the background ignore it
launch_workers(sys.argv[1:], 2)
"""


def test_an_interruption_stops_all(tmp_path):
    command = [sys.executable, "-c", LAUNCH, sys.executable, "-c", SLEEP, str(tmp_path)]
    launcher = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while len(list(tmp_path.iterdir())) < 2:
        time.sleep(0.1)
        assert launcher.poll() is None
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(timeout=60) != 0
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name), 0)
