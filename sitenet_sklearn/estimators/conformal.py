"""Intervals around predictions that hold as often as they say, from the errors on held-out crystals.

Split conformal prediction with normalised scores (Papadopoulos et al. 2008, doi:10.1109/ICTAI.2008.12; Angelopoulos and
Bates 2023, doi:10.1561/2200000101): errors are divided by how large an error is to be expected, and a quantile of these
scores makes the intervals. Held-out crystals cannot tell how wrong predictions are for an element that no training
crystal has. There, the prediction counts as little as that of any other crystal, and the interval is as wide.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

SMALLEST_SHARE = 0.05
"""Smallest expected error, in units of the mean error: no two equal members make an interval of width 0."""


class ConformalScale(NamedTuple):
    """How large an error to expect, and how errors compare with that.

    Attributes
    ----------
    weights : ndarray of shape (1 + k,)
        Expected error = weights[0] + the other weights times k signs of uncertainty, all of them at least 0.
    smallest : float
        Smallest expected error.
    scores : ndarray of shape (n,)
        Errors of the held-out crystals divided by what was expected, in ascending order.
    exchanged : ndarray of shape (n,)
        Errors of the held-out crystals if each had the prediction of another one, in ascending order.
    """

    weights: np.ndarray
    smallest: float
    scores: np.ndarray
    exchanged: np.ndarray

    def expected_error(self, signs):
        """Tell what errors to expect, (m,), from signs of uncertainty (m, k)."""
        return np.maximum(self.weights[0] + signs @ self.weights[1:], self.smallest)

    def factor(self, level):
        """Factor of the expected error that a share `level` of all errors does not exceed; inf for too few crystals."""
        return _conformal_quantile(self.scores, level)

    def half_width(self, level, signs, unknown):
        """Half the width of intervals that hold a share `level` of all values.

        Parameters
        ----------
        level : float
            Between 0 and 1.
        signs : ndarray of shape (m, k)
            Signs of uncertainty.
        unknown : ndarray of bool, shape (m,)
            Whether a crystal has an element that no training crystal has.

        Returns
        -------
        ndarray of shape (m,)
        """
        width = self.factor(level) * self.expected_error(signs)
        return np.where(unknown, np.maximum(width, _conformal_quantile(self.exchanged, level)), width)


def fit_conformal(predicted, true, signs):
    """Learn from held-out crystals how errors depend on signs of uncertainty.

    Parameters
    ----------
    predicted, true : ndarray of shape (n,)
        Predictions and true values.
    signs : ndarray of shape (n, k)
        Not negative, for example the spread of an ensemble and the distance to the training crystals.

    Returns
    -------
    ConformalScale
        Weights by least squares, none of them negative.

    Examples
    --------
    >>> import numpy as np
    >>> signs = np.linspace(0, 1, 99)[:, None]
    >>> scale = fit_conformal(0.1 + 0.5 * signs[:, 0], np.zeros(99), signs)
    >>> scale.weights.round(3)
    array([0.1, 0.5])
    >>> round(scale.factor(0.9), 3), scale.factor(0.999)
    (1.0, inf)
    """
    errors = np.abs(predicted - true)
    columns = np.column_stack([np.ones(len(errors)), signs])
    size = np.maximum(np.abs(columns).mean(axis=0), 1e-12)
    weights = nnls(columns / size, errors)[0] / size
    others = np.random.RandomState(0).permutation(len(true))
    exchanged = np.sort(np.abs(predicted[others] - true))
    scale = ConformalScale(weights, SMALLEST_SHARE * max(float(errors.mean()), 1e-12), np.zeros(0), exchanged)
    return scale._replace(scores=np.sort(errors / scale.expected_error(signs)))


def _conformal_quantile(ascending, level):
    rank = max(int(np.ceil((len(ascending) + 1) * level - 1e-9)), 1)
    return float(ascending[rank - 1]) if rank <= len(ascending) else np.inf
