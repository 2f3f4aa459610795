"""Where to compute."""

import torch


def resolve_device(device):
    """Turn "auto" into the GPU if CUDA has one and the CPU otherwise; refuse one that is not there."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(device)
    except RuntimeError as error:
        here = ", ".join(["auto", "cpu", *(f"cuda:{k}" for k in range(torch.cuda.device_count()))])
        raise ValueError(f"the device {device!r} is unknown: this computer has {here}") from error
    try:
        torch.ones(1, device=device).item()
    except Exception as error:  # torch raises several
        raise ValueError(f'device="{device}" cannot be used here ({error!s:.100}): use "cpu" or "auto"') from error
    return device
