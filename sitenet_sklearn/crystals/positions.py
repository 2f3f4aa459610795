"""What an index into a container of crystals means, in row numbers."""

import numpy as np


def only_key(key):
    """Return the only index of a tuple, as in ``X[rows, ...]``; what is no tuple is returned as it is.

    Parameters
    ----------
    key : object
        What stands in the brackets.

    Raises
    ------
    IndexError
        If the tuple has another number of indices than one.
    """
    if not isinstance(key, tuple):
        return key
    keys = [k for k in key if k is not Ellipsis]
    if len(keys) != 1:
        raise IndexError(f"RaggedCrystals has one dimension, got the index {key!r}")
    return keys[0]


def positions(key, n):
    """Find the rows that an index means.

    Parameters
    ----------
    key : slice or array-like of int or bool
        Rows, those from the end negative, or a mask.
    n : int
        Number of crystals.

    Returns
    -------
    ndarray of int
        Row numbers from 0 to n - 1. The cost does not depend on n, but for slices and masks.

    Raises
    ------
    IndexError
        If the index is something else, or leads beyond the end.

    Examples
    --------
    >>> positions([-1, 0], 5).tolist()
    [4, 0]
    """
    if isinstance(key, slice):
        return np.arange(*key.indices(n))
    key = np.asarray(key)
    if key.ndim != 1 or not (key.dtype == bool or np.issubdtype(key.dtype, np.integer) or key.size == 0):
        raise IndexError(f"RaggedCrystals takes an integer, slice, index array or mask, got {key!r:.80}")
    if key.dtype == bool and key.size:
        if len(key) != n:
            raise IndexError(f"a mask over {n} crystals must have {n} entries, got {len(key)}")
        return np.flatnonzero(key)
    key = key.astype(np.intp)
    outside = (key < -n) | (key >= n)
    if outside.any():
        raise IndexError(f"row {key[outside][0]} does not exist: there are {n} crystals")
    return np.where(key < 0, key + n, key)
