"""Whether arrays that were read from a folder are crystals: anybody may have written them."""

import numpy as np

from sitenet_sklearn.exceptions import StoreError

from .crystal import SITE_FIELDS, Crystal
from .elements import MAX_ATOMIC_NUMBER
from .interaction_features import interaction_feature_names

_SIZES = ("site_sizes", "pair_sizes")
_REAL = ("site_features", "pair_distance")
_TYPES = {True: ("f4", "f8"), False: ("i1", "i2", "i4", "i8", "u1", "u2", "u4")}
"""Types of numbers that are real, and of those that are not: what the network computes with as they are meant."""

_LARGEST_REAL, _LARGEST_COUNT = np.finfo(np.float32).max, np.iinfo(np.int32).max
_NAMES = ("site_feature_names", "interaction_feature_names")
_BLOCK = 2**20


def check_layout(path, arrays, metadata):
    """Raise a StoreError unless arrays and metadata fit together as those of crystals do.

    Parameters
    ----------
    path : path-like
        Folder, for messages.
    arrays : dict of str to ndarray
        As `read_store` gives them.
    metadata : dict
        The same.
    """
    fields = {*Crystal._fields, *_SIZES}
    if set(arrays) != fields:
        raise StoreError(f"{path} does not hold the fields of crystals, got {sorted(arrays)}")
    for name, array in arrays.items():
        if not _has_layout(name, array):
            raise StoreError(f"{path}: {name} has shape {array.shape} and type {array.dtype}, which crystals have not")
        if not array.dtype.isnative:
            raise StoreError(f"{path} was written on a machine with another order of bytes: featurize again")
    sizes = {name: arrays[name] for name in _SIZES}
    if len({len(array) for array in sizes.values()}) > 1 or any((array < 0).any() for array in sizes.values()):
        raise StoreError(f"{path}: the sizes of crystals contradict each other")
    for name in fields - set(_SIZES):
        expected = sum(sizes[_SIZES[name not in SITE_FIELDS]].tolist())
        if len(arrays[name]) != expected:
            raise StoreError(f"{path}: {name} has {len(arrays[name])} entries, its crystals have {expected}")
    _check_metadata(path, metadata, arrays["site_features"].shape[1])


def _has_layout(name, array):
    return array.ndim == 1 + (name == "site_features") and array.dtype.str[1:] in _TYPES[name in _REAL]


def _check_metadata(path, metadata, width):
    for name in _NAMES:
        found = metadata.get(name)
        if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
            raise StoreError(f"{path}: {name} names no features")
    if not set(metadata[_NAMES[1]]) <= set(interaction_feature_names()):
        raise StoreError(f"{path}: {_NAMES[1]} names no known features")
    if len(metadata[_NAMES[0]]) != width or not metadata[_NAMES[1]]:
        raise StoreError(f"{path}: there are not as many features as names")
    if set(metadata) != {*_NAMES, "max_atoms"}:
        raise StoreError(f"{path}: the metadata is not that of crystals")
    max_atoms = metadata["max_atoms"]
    if max_atoms is not None and not (type(max_atoms) is int and max_atoms >= 1):
        raise StoreError(f"{path}: max_atoms is {max_atoms!r:.40}, a positive integer or null is expected")


def check_values(path, arrays):
    """Raise a StoreError unless numbers are finite, counts positive, and pairs lead to sites of their own crystal.

    Parameters
    ----------
    path : path-like
        Folder, for messages.
    arrays : dict of str to ndarray
        With a layout that is as it should be.
    """
    site_ends, pair_ends = (np.cumsum(arrays[name], dtype=np.int64) for name in _SIZES)
    start = sites = pairs = 0
    while start < len(pair_ends):
        stop = max(start + 1, int(np.searchsorted(pair_ends, pairs + _BLOCK, side="right")))
        site_part, pair_part = slice(sites, int(site_ends[stop - 1])), slice(pairs, int(pair_ends[stop - 1]))
        part = {
            name: np.asarray(arrays[name][site_part if name in SITE_FIELDS else pair_part]) for name in Crystal._fields
        }
        if not is_sound(Crystal(**part), *(arrays[name][start:stop] for name in _SIZES)):
            raise StoreError(f"{path} holds numbers that no crystal has, among crystals {start} to {stop - 1}")
        start, sites, pairs = stop, site_part.stop, pair_part.stop


def is_record(crystal, n_site_features):
    """Whether arrays, whoever wrote them, are the record of one crystal with so many site features."""
    arrays = crystal._asdict()
    if not all(_has_layout(name, array) and array.dtype.isnative for name, array in arrays.items()):
        return False
    n_sites, n_pairs = len(crystal.multiplicity), len(crystal.pair_count)
    if n_sites == 0 or any(
        len(array) != (n_sites if name in SITE_FIELDS else n_pairs) for name, array in arrays.items()
    ):
        return False
    return crystal.site_features.shape[1] == n_site_features and is_sound(crystal, [n_sites], [n_pairs])


def is_sound(crystal, site_sizes, pair_sizes):
    """Whether some crystals one after the other, of so many sites and pairs each, can be used."""
    site_sizes, pair_sizes = np.asarray(site_sizes), np.asarray(pair_sizes)
    if not np.array_equal(site_sizes > 0, pair_sizes > 0):
        return False
    sizes = np.repeat(site_sizes, pair_sizes)
    first = np.append(True, np.diff(np.repeat(np.arange(len(pair_sizes)), pair_sizes)) > 0)[: len(sizes)]
    last = np.append(first[1:], True)[: len(sizes)]
    steps = np.diff(crystal.pair_site, prepend=0)
    return bool(
        ((crystal.atomic_numbers >= 1) & (crystal.atomic_numbers <= MAX_ATOMIC_NUMBER)).all()
        and (np.abs(crystal.site_features) <= _LARGEST_REAL).all()
        and ((crystal.multiplicity >= 1) & (crystal.multiplicity <= _LARGEST_COUNT)).all()
        and ((crystal.pair_count >= 1) & (crystal.pair_count <= _LARGEST_COUNT)).all()
        and ((crystal.pair_distance >= 0) & (crystal.pair_distance <= _LARGEST_REAL)).all()
        and ((crystal.pair_neighbor >= 0) & (crystal.pair_neighbor < sizes)).all()
        and (crystal.pair_site[first] == 0).all()
        and (crystal.pair_site[last] == sizes[last] - 1).all()
        and np.isin(steps[~first], (0, 1)).all()
    )
