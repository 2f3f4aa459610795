"""A calibration as numbers and words of a model file."""

import numpy as np
import torch

from .calibrated import Calibration
from .conformal import ConformalScale
from .novelty import TrainingCrystals

_ARRAYS = {"scores": 1, "exchanged": 1, "distances": 1, "origin": 1, "axes": 2, "vectors": 2, "values": 1}
"""Tensors of a calibration and their dimensions."""
_MAY_LACK = "exchanged"
"""Not in the first files of format 5: with unknown elements, intervals are infinite then."""
_WORDS = ("labels", "formulas")
_FLOATS = [np.dtype(name) for name in ("float16", "float32", "float64")]
_NOT_NEGATIVE = ("scores", "exchanged", "distances")
_LARGEST = 1e12
"""Numbers of a real calibration are smaller: beyond, sums and squares would overflow."""


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
        "chance": None if calibration.chance is None else calibration.chance.tolist(),
        "counts": known.counts,
    }
    parts = scale._asdict() | calibration._asdict() | known._asdict()
    tensors = {name: torch.from_numpy(np.require(parts[name], requirements="CW")) for name in _ARRAYS}
    for name in _WORDS:
        text = "\n".join(getattr(known, name)).encode()
        tensors[name] = torch.from_numpy(np.frombuffer(text, dtype=np.uint8).copy())
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
    right = set(tensors) | {_MAY_LACK} == {*_ARRAYS, *_WORDS} and _right_numbers(node)
    right = right and all(tensors[name].dtype == torch.uint8 and tensors[name].ndim == 1 for name in _WORDS)
    arrays = {name: tensors[name].numpy() for name in _ARRAYS if name in tensors} if right else {}
    if not right or not all(_right_array(name, values) for name, values in arrays.items()):
        raise ValueError("the calibration is damaged")
    words = {name: bytes(tensors[name].numpy()).decode().split("\n") for name in _WORDS}
    n, k = arrays["vectors"].shape
    sizes = {len(values) for values in (*words.values(), arrays["values"])}
    if sizes != {n} or arrays["axes"].shape != (k, len(arrays["origin"])):
        raise ValueError("the calibration is damaged")
    if not all(word.isprintable() for some in words.values() for word in some):
        raise ValueError("the calibration names crystals with characters that cannot be printed")
    errors = (np.sort(arrays.get(name, np.zeros(0))) for name in ("scores", "exchanged"))
    scale = ConformalScale(np.array(node["weights"], float), float(node["smallest"]), *errors)
    known = TrainingCrystals(
        **{name: arrays[name] for name in ("origin", "axes", "vectors", "values")}, **words, counts=dict(node["counts"])
    )
    chance = None if node["chance"] is None else np.array(node["chance"])
    return Calibration(scale, np.sort(arrays["distances"]), known, chance)


def _right_array(name, values):
    known = values.ndim == _ARRAYS[name] and values.size and values.dtype in _FLOATS
    usual = known and np.isfinite(values).all() and float(np.abs(values).max()) < _LARGEST
    return usual and (name not in _NOT_NEGATIVE or values.min() >= 0)


def _right_numbers(node):
    weights, counts, (raw, shares) = node["weights"], node["counts"], node["chance"] or ([0.0], [0.0])
    numbers = [*weights, *raw, *shares, node["smallest"]]
    right = len(weights) in {2, 3} and len(raw) == len(shares) > 0 and all(type(number) is float for number in numbers)
    right = right and all(abs(number) < _LARGEST for number in numbers) and min(weights) >= 0 and node["smallest"] > 0
    right = right and raw == sorted(raw) and 0 <= min(shares) <= max(shares) <= 1
    return right and all(type(count) is int and count > 0 for count in counts.values())
