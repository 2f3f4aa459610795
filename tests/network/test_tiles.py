import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.network.batch import collate
from sitenet_sklearn.network.kernels import PairKernel
from sitenet_sklearn.network.sitenet import SiteNet
from sitenet_sklearn.network.tiles import Workspace, make_tiles, whole_tile


@given(st.integers(1, 300))
def test_tiles_hold_every_pair_once_and_whole_sites(featurized, size):
    batch = collate(featurized[:8])
    tiles = make_tiles(batch, size)
    assert [tile.pairs.start for tile in tiles[1:]] == [tile.pairs.stop for tile in tiles[:-1]]
    assert (tiles[0].pairs.start, tiles[-1].pairs.stop) == (0, len(batch.pair_site))
    for tile in tiles:
        assert len(tile.row) < size + int((tile.row == tile.n_rows - 1).sum()) or tile.n_rows == 1
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


@pytest.mark.parametrize("options", [{}, {"coordination_radius": 4.0, "residual": True}, {"activation": "silu"}])
@pytest.mark.parametrize("budget", [0, 300_000])
def test_what_is_kept_changes_no_bit(featurized, options, budget, monkeypatch):
    monkeypatch.setattr("sitenet_sklearn.network.tiles.CPU_TILE", 50)
    torch.manual_seed(0)
    network, results = SiteNet(**options), []
    for size in (2**27, budget):
        monkeypatch.setattr("sitenet_sklearn.network.tiles.KEPT_BYTES", size)
        output = network.raw(collate(featurized[:12]))
        results.append([output, *torch.autograd.grad(output.sum(), network.parameters(), retain_graph=True)])
        results.append([output, *torch.autograd.grad(output.sum(), network.parameters())])  # kept passes are used once
    for other in results[1:]:
        torch.testing.assert_close(results[0], other, rtol=0, atol=0)


def test_kept_passes_take_what_the_budget_counts(featurized):
    batch, (n, d, e) = collate(featurized[:12]), (64, 30, 48)
    tile, c = whole_tile(batch), n + d + e
    kernel, space = PairKernel(None, 5.0, 1e-5), Workspace()
    weights = [torch.rand(shape) for shape in ((c, e), (3, n), 3, d, d, e, e, (e, 14), e, e, e)]
    bond = space.gather_bond(torch.rand(len(batch.row_sizes), c), torch.rand(len(batch.row_sizes), c), tile)
    done = kernel.run(tile, bond, torch.rand(len(tile.row), 14), weights, space)
    tensors = [*_tensors_of(vars(done)), *_tensors_of(vars(done.features)), *_tensors_of(vars(done.embedded))]
    memory = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    assert 0.5 < sum(memory.values()) / (kernel.kept_columns * bond.nbytes) <= 1


def _tensors_of(values):
    return [value for value in values.values() if torch.is_tensor(value)]


def test_two_cores_have_the_same_to_do(featurized):
    batch = collate(featurized)
    tiles = make_tiles(batch, 400)
    sizes = [len(tile.row) for tile in tiles]
    assert len(tiles) == 2 * -(-len(batch.pair_site) // 800)
    assert max(sizes) - min(sizes) < 2 * max(batch.row_sizes)
    assert len(make_tiles(batch, len(batch.pair_site))) == 1


def test_memory_of_a_workspace_is_used_again():
    space, example = Workspace(), torch.zeros(1, 3)
    first = space.take("a", example, 5)
    assert space.take("a", example, 4).data_ptr() == first.data_ptr()
    assert space.take("b", example, 4).data_ptr() != first.data_ptr()
    assert space.take("a", example, 6).shape == (6, 3)
