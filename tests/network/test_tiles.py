import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.network.batch import collate
from sitenet_sklearn.network.sitenet import SiteNet
from sitenet_sklearn.network.tiles import Workspace, make_tiles, whole_tile


@given(st.integers(1, 300))
def test_tiles_hold_every_pair_once_and_whole_sites(featurized, size):
    batch = collate(featurized[:8])
    tiles = make_tiles(batch, size)
    assert [tile.pairs.start for tile in tiles[1:]] == [tile.pairs.stop for tile in tiles[:-1]]
    assert (tiles[0].pairs.start, tiles[-1].pairs.stop) == (0, len(batch.pair_site))
    for tile in tiles:
        assert len(tile.row) <= size or tile.n_rows == 1
        torch.testing.assert_close(tile.row + tile.sites.start, batch.pair_site[tile.pairs])
        assert set((tile.row + tile.sites.start).tolist()) == set(range(tile.sites.start, tile.sites.stop))


def test_weights_of_pairs_count_the_uncompressed_ones(dielectric):
    merged, full = (
        collate(
            SupercellFeaturizer.from_preset("paper", max_atoms=30, compress=compress).transform(dielectric.data[:20])
        )
        for compress in (True, False)
    )
    assert len(full.pair_site) > len(merged.pair_site)
    assert whole_tile(merged).weight.sum() == len(full.pair_site)


@pytest.mark.parametrize("options", [{}, {"activation": "silu"}, {"normalization": "none"}])
def test_cutting_into_tiles_changes_neither_outputs_nor_gradients(featurized, options, monkeypatch):
    torch.manual_seed(0)
    network = SiteNet(**options).double()
    results = []
    for size in (10**6, 50):
        monkeypatch.setattr("sitenet_sklearn.network.tiles.CPU_TILE", size)
        output = network.raw(collate(featurized, torch.float64))
        results.append([output, *torch.autograd.grad(output.sum(), network.parameters())])
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-9)


def test_memory_of_a_workspace_is_used_again():
    space, example = Workspace(), torch.zeros(1, 3)
    first = space.take("a", example, 5)
    assert space.take("a", example, 4).data_ptr() == first.data_ptr()
    assert space.take("b", example, 4).data_ptr() != first.data_ptr()
    assert space.take("a", example, 6).shape == (6, 3)
