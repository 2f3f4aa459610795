import pytest
import torch
from torch import nn

from sitenet_sklearn.layers import (
    ACTIVATIONS,
    NORMALIZATIONS,
    Perceptron,
    WeightedBatchNorm,
    segment_max,
    segment_softmax,
    segment_sum,
    straight_through_clamp,
)

SEGMENT = torch.tensor([0, 0, 2, 2, 2])
VALUES = torch.tensor([[1.0, -1.0], [2.0, 5.0], [3.0, 0.0], [-4.0, 1.0], [5.0, 1.0]])


def test_segment_sum_and_max():
    assert segment_sum(VALUES, SEGMENT, 3).tolist() == [[3, 4], [0, 0], [4, 2]]
    assert segment_max(VALUES, SEGMENT, 3)[[0, 2]].tolist() == [[2, 5], [5, 1]]


def test_softmax_with_counts_is_the_softmax_of_repeated_entries():
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    count = torch.tensor([3, 1, 2, 5])
    segment = torch.tensor([0, 0, 1, 1])
    weights = segment_softmax(logits, count.double(), segment, 2)
    for k in range(2):
        rows = segment == k
        repeated = logits[rows].repeat_interleave(count[rows], 0).softmax(0)
        merged = torch.stack([part.sum(0) for part in repeated.split(count[rows].tolist())])
        torch.testing.assert_close(weights[rows], merged)


def test_softmax_survives_large_and_excluded_logits():
    logits = torch.tensor([[1e4], [-torch.inf], [1e4]])
    weights = segment_softmax(logits, torch.ones(3), torch.tensor([0, 0, 0]), 1)
    assert weights.flatten().tolist() == [0.5, 0.0, 0.5]


def test_weighted_batch_norm_is_batch_norm_of_repeated_rows():
    torch.manual_seed(0)
    weight = torch.tensor([1, 4, 2])
    x = torch.randn(3, 5)
    ours, plain = WeightedBatchNorm(5), nn.BatchNorm1d(5)
    repeated = plain(x.repeat_interleave(weight, 0))
    torch.testing.assert_close(ours(x, weight.float()).repeat_interleave(weight, 0), repeated)
    torch.testing.assert_close(ours.running_mean, plain.running_mean)
    ours.eval()
    plain.running_var.copy_(ours.running_var)
    plain.eval()
    torch.testing.assert_close(ours(x, weight.float()), plain(x))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_perceptron_has_the_shape_of_its_last_layer(activation, normalization):
    stack = Perceptron([4, 6, 3], activation, normalization)
    assert stack(torch.randn(7, 4), torch.ones(7)).shape == (7, 3)
    assert Perceptron([4], activation, normalization)(VALUES, torch.ones(5)) is VALUES


def test_clamped_network_recovers_from_negative_outputs_and_a_plain_clamp_does_not():
    losses = []
    for clamp in (straight_through_clamp, torch.relu):
        bias = torch.tensor(-1.0, requires_grad=True)
        optimizer = torch.optim.SGD([bias], lr=0.1)
        for _ in range(50):
            optimizer.zero_grad()
            loss = (clamp(bias) - 1.0).abs()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] < 0.1
    assert losses[1] == 1.0
