import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sitenet_sklearn.network.batch import CrystalBatch, CrystalDataset, SiteBudgetSampler, collate


def test_collation_shifts_local_indices_into_the_batch(featurized):
    batch = collate(featurized[3:6])
    assert len(batch) == batch.n_crystals == 3
    first_site = first_pair = 0
    for k, crystal in enumerate(featurized[3:6]):
        sites = slice(first_site, first_site + len(crystal.multiplicity))
        pairs = slice(first_pair, first_pair + len(crystal.pair_count))
        assert (batch.site_crystal[sites] == k).all()
        np.testing.assert_array_equal(batch.atomic_numbers[sites], crystal.atomic_numbers)
        np.testing.assert_array_equal(batch.site_features[sites], crystal.site_features)
        np.testing.assert_array_equal(batch.pair_site[pairs], crystal.pair_site + first_site)
        np.testing.assert_array_equal(batch.pair_neighbor[pairs], crystal.pair_neighbor + first_site)
        np.testing.assert_array_equal(batch.pair_distance[pairs], crystal.pair_distance)
        first_site, first_pair = sites.stop, pairs.stop
    assert first_site == len(batch.multiplicity)
    assert first_pair == len(batch.pair_count)


def test_moving_a_batch_converts_floating_tensors_only(featurized):
    batch = collate(featurized[:2]).to(torch.float64)
    assert batch.site_features.dtype == batch.pair_count.dtype == torch.float64
    assert batch.pair_site.dtype == batch.atomic_numbers.dtype == torch.int64
    on_meta = batch.to("meta")
    assert isinstance(on_meta, CrystalBatch)
    assert {t.device.type for t in (on_meta.pair_site, on_meta.pair_distance)} == {"meta"}


def test_within_a_cutoff_the_near_pairs_remain(featurized):
    batch = collate(featurized[:5])
    near = batch.within(4.0)
    kept = [k for k, distance in enumerate(batch.pair_distance.tolist()) if distance <= 4.0]
    assert 0 < len(kept) < len(batch.pair_distance)
    for name in ("pair_site", "pair_neighbor", "pair_distance", "pair_count"):
        assert getattr(near, name).tolist() == getattr(batch, name)[kept].tolist()
    assert near.row_sizes.tolist() == [near.pair_site.tolist().count(k) for k in range(len(batch.multiplicity))]


def test_read_only_memory_makes_no_warning(featurized):
    view = featurized[:3].compact()
    for array in view._fields.values():
        array.setflags(write=False)
    assert len(collate(view)) == 3


def test_dataset_fetches_whole_batches(featurized):
    (batch, _), y = CrystalDataset(featurized, np.arange(40))[7]
    assert len(batch) == 1
    assert y.tolist() == [7.0]
    (batch, weight), y = CrystalDataset(featurized, np.arange(40), np.arange(40) / 2).__getitems__([3, 1])
    assert weight.tolist() == [1.5, 0.5]
    assert len(batch) == 2
    assert y.tolist() == [3.0, 1.0]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 80), st.booleans())
def test_batches_hold_every_crystal_once_within_the_budget(sizes, budget, shuffled):
    generator = torch.Generator().manual_seed(0) if shuffled else None
    batches = list(SiteBudgetSampler(sizes, budget, generator))
    order = [index for batch in batches for index in batch]
    assert sorted(order) == list(range(len(sizes)))
    assert shuffled or order == sorted(order)
    for batch in batches:
        assert batch
        assert len(batch) == 1 or sum(sizes[k] for k in batch) <= budget


def test_every_epoch_has_another_order():
    sampler = SiteBudgetSampler([1] * 50, 10, torch.Generator().manual_seed(0))
    assert list(sampler) != list(sampler)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_batches_can_be_pinned(featurized):
    assert collate(featurized[:2]).pin_memory().pair_distance.is_pinned()
