import json
import threading
import warnings

import joblib
import pytest

from sitenet_sklearn.screening.clusters import PATIENCE, check_processes, processes_of


def test_without_a_scheduler_joblib_is_as_it_was():
    with joblib.parallel_config(backend="threading", n_jobs=3), processes_of(None):
        assert joblib.effective_n_jobs(None) == 3


@pytest.mark.filterwarnings("ignore")
def test_a_client_or_an_address_takes_joblib_to_dask():
    distributed = pytest.importorskip("distributed", reason="needs dask and distributed")
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        for scheduler in (client, cluster.scheduler_address):
            with processes_of(scheduler):
                assert joblib.effective_n_jobs(None) == 2
                assert joblib.Parallel()(joblib.delayed(abs)(k) for k in (-1, 2)) == [1, 2]


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_does_not_answer_is_an_error():
    distributed = pytest.importorskip("distributed", reason="needs dask and distributed")
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(OSError, match="Timed out"),
        processes_of("tcp://127.0.0.1:9"),
    ):
        pass
    assert distributed is not None


@pytest.mark.filterwarnings("always")
def test_workers_and_the_file_of_the_scheduler_may_come_late(tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs dask and distributed")
    file = tmp_path / "scheduler.json"
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
        identity = json.dumps({"address": cluster.scheduler_address, "workers": {}})
        threading.Timer(1, file.write_text, [identity]).start()
        threading.Timer(2, cluster.scale, [1]).start()
        with warnings.catch_warnings(record=True) as caught, processes_of(str(file)):
            assert joblib.parallel.get_active_backend()[0].wait_for_workers_timeout == PATIENCE
            assert joblib.Parallel()(joblib.delayed(abs)(k) for k in (-1, 2)) == [1, 2]
    told = "\n".join(str(warning.message) for warning in caught)
    assert "scheduler.json is not there: waiting until a scheduler writes it" in told
    assert "the scheduler has no worker: waiting until one comes" in told


@pytest.mark.filterwarnings("ignore")
def test_processes_that_mean_nothing_are_refused():
    check_processes(None, -1)
    check_processes(None, None)
    for n_jobs in (0, 1.5, True):
        with pytest.raises(ValueError, match=f"n_jobs must be an integer other than 0, .*, got {n_jobs}"):
            check_processes(None, n_jobs)
    pytest.importorskip("distributed", reason="needs dask and distributed")
    check_processes("tcp://127.0.0.1:9", None)
    with pytest.raises(TypeError, match="must be the address of a Dask scheduler, its file or a Client, got 5"):
        check_processes(5, None)
