import torch
from torch import nn

from sitenet_sklearn.network.kernels import Mish


def test_mish_is_that_of_torch_with_its_derivative():
    x = torch.linspace(-60, 60, 2001, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(Mish()(x), nn.functional.mish(x), rtol=1e-12, atol=1e-13)
    slopes = [torch.autograd.grad(function(x).sum(), x)[0] for function in (Mish(), nn.Mish())]
    torch.testing.assert_close(*slopes, rtol=1e-8, atol=1e-8)  # torch takes x for softplus above 20


def test_mish_stays_finite_in_single_precision():
    x = torch.tensor([-1e6, -100.0, 100.0, 1e6], requires_grad=True)
    torch.testing.assert_close(Mish()(x), torch.tensor([0.0, 0.0, 100.0, 1e6]))
    assert torch.autograd.grad(Mish()(x).sum(), x)[0].tolist() == [0, 0, 1, 1]
