import numpy as np
import pytest
import torch

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.network.batch import collate
from sitenet_sklearn.network.sitenet import SiteNet
from sitenet_sklearn.training.memory import in_parts, is_out_of_memory


def exhausted():
    return RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: 10 bytes")


@pytest.fixture
def little_memory(monkeypatch):
    """A network that has memory for 9 crystals in one batch."""
    whole = SiteNet.global_vector

    def global_vector(self, batch):
        if len(batch) > 9:
            raise exhausted()
        return whole(self, batch)

    monkeypatch.setattr(SiteNet, "global_vector", global_vector)


def test_batches_too_large_are_halved_until_they_fit(featurized):
    def function(batch, y):
        if len(batch) > 7:
            raise exhausted()
        assert len(batch) == len(y)
        assert batch.pair_neighbor.max() < len(batch.atomic_numbers) == len(batch.row_sizes)
        return y

    with pytest.warns(UserWarning, match="does not fit into memory and is cut in half") as warned:
        parts = in_parts(function, collate(featurized), list(range(40)))
    assert str(warned[0].message).startswith("a batch of 40 crystals with 4119 pairs")
    assert [len(part) for part in parts] == [5] * 8
    assert [k for part in parts for k in part] == list(range(40))


def test_one_crystal_that_does_not_fit_and_other_errors_are_raised(featurized):
    def function(_):
        raise exhausted()

    with pytest.raises(RuntimeError, match="can't allocate memory"):
        in_parts(function, collate(featurized[:1]))

    def other(_):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        in_parts(other, collate(featurized))


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), exhausted()])
def test_exhausted_memory_is_recognised(error):
    assert is_out_of_memory(error)


@pytest.mark.filterwarnings("ignore:a batch of")
def test_prediction_and_training_in_parts_are_those_in_one_piece(featurized, band_gaps, request):
    results = []
    for limited in (False, True):
        if limited:
            request.getfixturevalue("little_memory")
        model = SiteNetRegressor(max_epochs=2, batch_size=100, dropout=0.0, random_state=0).fit(featurized, band_gaps)
        results.append(np.append(model.predict(featurized), model.history_[:, "train_loss"]))
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-4)
