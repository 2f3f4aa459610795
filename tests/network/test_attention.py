import pytest
import torch
from dense import attention_block

from sitenet_sklearn import RaggedCrystals
from sitenet_sklearn.network.attention import AttentionBlock
from sitenet_sklearn.network.batch import collate
from sitenet_sklearn.network.tiles import make_tiles

DISTANCES = torch.tensor([[0.0, 2.0, 3.0, 3.0], [3.0, 3.0, 0.0, 2.0]], dtype=torch.float64)


def make_block(**options):
    torch.manual_seed(0)
    settings = {"hidden_layers": (7,), "activation": "mish", "normalization": "layer", "cutoff": None} | options
    return AttentionBlock(4, 3, 2, **settings).double()


def run(block, compress, n_tiles=1):
    torch.manual_seed(1)
    sites = torch.randn(2, 8, dtype=torch.float64)
    by_distance = {d: torch.randn(6, dtype=torch.float64) for d in (0.0, 2.0, 3.0)}
    X = RaggedCrystals.from_distances([[11, 17]], [DISTANCES.numpy()], [2], compress=compress)
    batch = collate(X, torch.float64)
    interactions = torch.stack([by_distance[d] for d in batch.pair_distance.tolist()])
    dense = torch.stack([torch.stack([by_distance[d] for d in row]) for row in DISTANCES.tolist()])
    tiles = make_tiles(batch, size=len(batch.pair_site) // n_tiles)
    excluded = (block.cutoff or torch.inf) < DISTANCES
    expected = attention_block(block, sites, dense, torch.tensor([[0, 0, 1, 1]] * 2), DISTANCES, excluded)
    return block(sites, interactions, tiles, batch), expected, batch


@pytest.mark.parametrize("hidden_layers", [(), (7,), (7, 5), (7, 5, 6)])
@pytest.mark.parametrize("cutoff", [None, 2.5])
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("n_tiles", [1, 2])
@pytest.mark.parametrize("last", [True, False])
def test_block_is_that_of_the_concatenated_bond_tensor(hidden_layers, cutoff, compress, n_tiles, last):
    block = make_block(hidden_layers=hidden_layers, cutoff=cutoff, last=last)
    output, (sites, interactions, weights), batch = run(block, compress, n_tiles)
    torch.testing.assert_close(output.sites, sites)
    assert (output.interactions is None) == last
    if not compress:
        torch.testing.assert_close(output.weights, weights.flatten(0, 1))
        if not last:
            torch.testing.assert_close(output.interactions, interactions.flatten(0, 1))
    beyond = batch.pair_distance > (cutoff or torch.inf)
    assert (output.weights[beyond] == 0).all()


def test_weights_of_a_site_sum_to_one():
    output, _, batch = run(make_block(), compress=True)
    sums = torch.zeros(2, 2, dtype=torch.float64).index_add(0, batch.pair_site, output.weights)
    torch.testing.assert_close(sums, torch.ones_like(sums))
