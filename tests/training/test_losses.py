import pytest
import torch
from torch import nn

from sitenet_sklearn.training.losses import LOSSES, WeightedLoss

TORCH = {"l1": nn.L1Loss(), "mse": nn.MSELoss(), "huber": nn.HuberLoss(delta=0.7)}


@pytest.mark.parametrize("kind", LOSSES)
def test_equal_weights_give_the_means_of_torch(kind):
    torch.manual_seed(0)
    y_pred, y_true = torch.randn(2, 50)
    total, weight = WeightedLoss(kind, torch.tensor([0.7]))(y_pred, y_true, torch.ones(50))
    torch.testing.assert_close(total / weight, TORCH[kind](y_pred, y_true))


@pytest.mark.parametrize("kind", LOSSES)
def test_a_weight_of_two_counts_as_two_crystals(kind):
    loss = WeightedLoss(kind, torch.tensor([0.7]))
    twice = loss(torch.tensor([1.0, 2.0, 2.0]), torch.tensor([0.0, 5.0, 5.0]), torch.ones(3))
    once = loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 5.0]), torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(once, twice)


@pytest.mark.parametrize("kind", LOSSES)
def test_unknown_targets_have_no_loss_and_no_gradient(kind):
    y_pred = torch.ones(2, 2, requires_grad=True)
    y_true = torch.tensor([[0.0, torch.nan], [torch.nan, 3.0]])
    total, weight = WeightedLoss(kind, torch.tensor([1.0, 2.0]))(y_pred, y_true, torch.ones(2))
    total.backward()
    assert weight == 2
    assert torch.isfinite(y_pred.grad).all()
    assert ((y_pred.grad != 0) == ~y_true.isnan()).all()


def test_several_targets_are_measured_in_their_spread():
    y_true = torch.tensor([[0.0, 0.0]])
    for scale in (1.0, 1000.0):
        loss = WeightedLoss("l1", torch.tensor([1.0, scale]))
        assert loss(torch.tensor([[1.0, scale]]), y_true, torch.ones(1))[0] == 2
