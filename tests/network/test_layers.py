import pytest
import torch
from torch import nn

from sitenet_sklearn.network.layers import (
    ACTIVATIONS,
    NORMALIZATIONS,
    Perceptron,
    WeightedBatchNorm,
    straight_through_clamp,
)


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
    rows = torch.randn(5, 4)
    assert Perceptron([4], activation, normalization)(rows, torch.ones(5)) is rows


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


def test_dropout_zeroes_its_share_in_training_alone():
    torch.manual_seed(0)
    layers, x, weight = Perceptron([4, 5000], "mish", "layer", 0.3), torch.randn(3, 4), torch.ones(3)
    expected = Perceptron([4, 5000], "mish", "layer")
    expected.load_state_dict(layers.state_dict())
    dropped = layers(x, weight)
    assert abs((dropped == 0).float().mean() - 0.3) < 0.02
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], expected(x, weight)[kept] / 0.7)
    torch.testing.assert_close(layers.eval()(x, weight), expected(x, weight))
