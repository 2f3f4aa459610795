import pytest
import torch

from sitenet_sklearn.training.devices import resolve_device


def test_devices():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match=r'device="cuda" cannot be used here \(.*\): use "cpu" or "auto"'):
            resolve_device("cuda")


@pytest.mark.parametrize("device", ["meta", torch.device("meta"), "cuda:99"])
def test_devices_that_are_not_there_are_refused(device):
    with pytest.raises(ValueError, match=f'device="{device}" cannot be used here .*: use "cpu" or "auto"'):
        resolve_device(device)


@pytest.mark.parametrize("device", ["gpu", "cudda", ""])
def test_unknown_devices_are_refused(device):
    with pytest.raises(ValueError, match=f"the device '{device}' is unknown: this computer has auto, cpu"):
        resolve_device(device)
