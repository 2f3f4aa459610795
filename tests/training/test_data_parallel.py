import multiprocessing

import numpy as np
import pytest
import torch

from sitenet_sklearn import SiteNetRegressor


def train(rank, n_processes, rendezvous, crystals, band_gaps, results):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=n_processes)
    model = SiteNetRegressor(
        max_epochs=3, batch_size=30, dropout=0.0, early_stopping=True, random_state=None if rank else 0
    )
    model.fit(crystals, band_gaps)
    results.put((rank, model.history_[:, ("train_loss", "valid_loss")], model.predict(crystals)))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("n_processes", [2])
def test_processes_that_share_batches_train_as_one_does(featurized, band_gaps, tmp_path, n_processes):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    curves, predictions = {}, {}
    for n in (1, n_processes):
        arguments = (n, f"file://{tmp_path}/{n}", featurized, band_gaps, results)
        processes = [context.Process(target=train, args=(rank, *arguments)) for rank in range(n)]
        for process in processes:
            process.start()
        for _ in processes:
            rank, curves[n, rank], predictions[n, rank] = results.get(timeout=300)
        for process in processes:
            process.join(60)
            assert process.exitcode == 0
    for rank in range(n_processes):
        np.testing.assert_allclose(curves[n_processes, rank], curves[1, 0], rtol=1e-4)
        np.testing.assert_allclose(predictions[n_processes, rank], predictions[1, 0], atol=1e-3)
