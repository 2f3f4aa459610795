"""Acquisition functions: how much the value of a crystal is worth knowing."""

import numpy as np
from scipy.special import erfcx
from scipy.stats import norm

_FAR = -1e3
"""So many standard deviations away, EI is std phi(z) / z^2 to six digits."""

_CERTAIN = 40.0
"""So many standard deviations away, a normal distribution is 0 or 1 in double precision."""


def expected_improvement(mean, std, best, *, maximize=True) -> np.ndarray:
    """Compute how much better than the best known value a crystal is expected to be.

    With a normal distribution of the true value around the mean,

    EI = (mean - best) Phi(z) + std phi(z),  z = (mean - best) / std

    where Phi and phi are the distribution function and the density of the normal distribution; without spread it is
    max(mean - best, 0).

    Parameters
    ----------
    mean : array-like of shape (n,)
        Predictions.
    std : array-like of shape (n,)
        Their standard deviations, not negative.
    best : float
        The best value known, in the same unit.
    maximize : bool, default=True
        Whether larger values are better; otherwise mean - best is best - mean above.

    Returns
    -------
    ndarray of shape (n,)
        In the unit of the predictions; NaN where a prediction is.

    References
    ----------
    D. R. Jones, M. Schonlau, W. J. Welch, Journal of Global Optimization 13 (1998) 455, equation 15,
    doi:10.1023/A:1008306431147.

    Examples
    --------
    >>> expected_improvement([1.0, 1.0, 3.0], [0.0, 1.0, 0.0], best=2.0).round(3)
    array([0.   , 0.083, 1.   ])
    """
    mean, std = np.asarray(mean, dtype=float), np.asarray(std, dtype=float)
    if (std < 0).any():
        raise ValueError(f"std must not be negative, got {np.nanmin(std)}")
    gain = (mean - best) * (1.0 if maximize else -1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.clip(gain / std, -_CERTAIN, _CERTAIN)
        spread = gain * norm.cdf(z) + std * norm.pdf(z)
    return np.where(std > 0, np.maximum(spread, 0.0), np.where(np.isnan(std), np.nan, np.maximum(gain, 0.0)))


def order_of_improvement(mean, std, best, *, maximize=True):
    """Order crystals by expected improvement, also where all of it is too small for a floating-point number.

    Far below the best known value, log(EI) follows from the scaled complementary error function, and still farther from
    EI ~ std phi(z) / z^2. Crystals without spread, whose improvement is 0, come last, the nearest ones first.

    Parameters
    ----------
    mean, std, best, maximize
        As for `expected_improvement`.

    Returns
    -------
    ndarray of int, shape (n,)
        Rows, the largest improvement first.

    Examples
    --------
    >>> order_of_improvement([0.0, 1.0, 2.0], [0.1, 0.1, 0.1], best=1e6)
    array([2, 1, 0])
    """
    mean, std = np.asarray(mean, dtype=float), np.asarray(std, dtype=float)
    gain = (mean - best) * (1.0 if maximize else -1.0)
    with np.errstate(all="ignore"):
        near = np.log(expected_improvement(mean, std, best, maximize=maximize))
        z = np.minimum(gain / std, -1.0)
        tail = np.where(z > _FAR, np.log1p(z * np.sqrt(np.pi / 2) * erfcx(-z / np.sqrt(2))), -2 * np.log(-z))
        far = np.log(std) - z**2 / 2 - np.log(2 * np.pi) / 2 + tail
        worth = np.where((std > 0) & (gain < -std), far, near)
    return np.lexsort((-gain, -worth))
