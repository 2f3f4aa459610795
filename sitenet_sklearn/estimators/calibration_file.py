"""A calibration as numbers and words of a model file."""

from math import isfinite

import numpy as np
import torch

from .calibrated import Calibration
from .conformal import ConformalScale
from .novelty import TrainingCrystals

_ARRAYS = {"scores": 1, "distances": 1, "origin": 1, "axes": 2, "vectors": 2, "values": 1}
"""Tensors of a calibration and their dimensions."""


def pack(calibration):
    """Turn a calibration into what JSON can hold, and tensors.

    Parameters
    ----------
    calibration : Calibration
        Of a fitted `CalibratedRegressor`.

    Returns
    -------
    node : dict
        Weights of the scale and counts of elements.
    tensors : dict of str to Tensor
        Everything that is long.
    """
    scale, known = calibration.scale, calibration.known
    node = {
        "weights": [float(weight) for weight in scale.weights],
        "smallest": float(scale.smallest),
        "chance": None if calibration.chance is None else list(calibration.chance),
        "counts": known.counts,
    }
    parts = scale._asdict() | calibration._asdict() | known._asdict()
    tensors = {name: torch.from_numpy(np.ascontiguousarray(_short(parts[name]))) for name in _ARRAYS}
    for name in ("labels", "formulas"):
        text = "\n".join(" ".join(word.split()) for word in getattr(known, name))
        tensors[name] = torch.from_numpy(np.frombuffer(text.encode(), dtype=np.uint8).copy())
    return node, tensors


def unpack(node, tensors):
    """Make a calibration of what `pack` made.

    Parameters
    ----------
    node : dict
        From a file that may come from anybody.
    tensors : dict of str to Tensor
        The same.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If they are no calibration.
    """
    arrays = {name: tensors[name].numpy() for name in _ARRAYS}
    words = {name: bytes(tensors[name].numpy()).decode().split("\n") for name in ("labels", "formulas")}
    weights = np.array(node["weights"], dtype=float)
    n, k = arrays["vectors"].shape
    sizes = {len(values) for values in (*words.values(), arrays["values"])}
    right = sizes == {n} and arrays["axes"].shape == (k, len(arrays["origin"])) and len(weights) in {2, 3}
    right &= all(arrays[name].ndim == ndim and arrays[name].size for name, ndim in _ARRAYS.items())
    right &= all(np.isfinite(values).all() for values in (*arrays.values(), weights))
    numbers = [node["smallest"], *(node["chance"] or (0.0, 0.0)), *node["counts"].values()]
    if not right or not all(isfinite(number) for number in numbers) or min(*weights, node["smallest"]) < 0:
        raise ValueError("the calibration is damaged")
    scale = ConformalScale(weights, float(node["smallest"]), np.sort(arrays["scores"]))
    known = TrainingCrystals(
        **{name: arrays[name] for name in ("origin", "axes", "vectors", "values")}, **words, counts=dict(node["counts"])
    )
    chance = None if node["chance"] is None else (float(node["chance"][0]), float(node["chance"][1]))
    return Calibration(scale, np.sort(arrays["distances"]), known, chance)


def _short(values):
    return values.astype(np.float32) if values.dtype == np.float64 else values
