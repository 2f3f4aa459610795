import threading

import pytest
import torch

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.network.batch import collate
from sitenet_sklearn.network.sitenet import SiteNet
from sitenet_sklearn.network.threads import map_in_threads, threads_for_tiles


@pytest.fixture
def torch_threads():
    """Set the number of threads, for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_results_come_in_order_and_no_thread_stays(torch_threads, n_threads):
    torch_threads(n_threads)
    barrier = threading.Barrier(n_threads)  # is only passed by as many threads at a time

    def work(item):
        barrier.wait(60)
        return item, torch.get_num_threads()

    before = threading.active_count()
    assert map_in_threads(work, range(6)) == [(k, 1) for k in range(6)]
    assert threading.active_count() == before
    assert torch.get_num_threads() == n_threads


def test_tiles_get_all_threads_and_other_calls_one(torch_threads):
    torch_threads(3)
    barrier = threading.Barrier(3)
    with threads_for_tiles(), threads_for_tiles():
        assert torch.get_num_threads() == 1
        map_in_threads(lambda _: barrier.wait(60), range(3))
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("n_threads", [2, 3])
def test_training_is_the_same_with_any_number_of_threads(featurized, torch_threads, n_threads, monkeypatch):
    monkeypatch.setattr("sitenet_sklearn.network.tiles.CPU_TILE", 50)
    X, y, predictions = featurized[:20], list(range(20)), []
    for number in (1, n_threads):
        torch_threads(number)
        predictions.append(SiteNetRegressor(max_epochs=2, random_state=0).fit(X, y).predict(X))
    assert predictions[0].tolist() == predictions[1].tolist()


def test_what_fails_in_a_thread_fails_here(torch_threads):
    torch_threads(2)
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda item: 1 / item, [1, 0, 2])
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("options", [{}, {"activation": "silu"}, {"coordination_radius": 4.0, "residual": True}])
def test_threads_change_outputs_and_gradients_by_rounding_alone(featurized, torch_threads, options, monkeypatch):
    monkeypatch.setattr("sitenet_sklearn.network.tiles.CPU_TILE", 50)
    torch.manual_seed(0)
    network, results = SiteNet(**options), []
    for n_threads in (1, 2, 5):
        torch_threads(n_threads)
        sites = network.site_representation(collate(featurized[:12]))
        torch_threads(1)  # what is computed of sites may depend on it
        results.append([sites, *torch.autograd.grad(sites.sum(), network.blocks[1].bond.weight)])
    for other in results[1:]:
        torch.testing.assert_close(results[0], other, rtol=1e-6, atol=1e-6)
