"""Interaction features: what the network is told of a pair of sites, beside the features of the sites themselves.

They follow from the distance and the elements of a pair, so records keep these alone, and the network makes the
features. To add one, write its formula here and name it in `_FORMULAS`.
"""

import math
from functools import partial

import numpy as np

INTERACTION_FEATURES = ("distance", "log_coulomb")
"""Names of the two interaction features of the paper, in order; the default."""

BOHR = 0.529177210903 / 1.00001495
"""Bohr radius in units of 1.00001495 angstrom (the "angstrom star"), as the published models were trained with."""

MAX_LOG_COULOMB = 10.0
"""The logarithm of the Coulomb matrix is clipped to plus and minus this."""

GAUSSIAN_CENTRES = {f"gaussian_{centre}": centre for centre in np.arange(1.5, 7.5, 0.5).tolist()}
"""Names of the Gaussians of the distance, and their centres in angstrom."""

GAUSSIAN_WIDTH = 0.5
"""Width of every Gaussian in angstrom."""


def interaction_feature_names(chosen="all"):
    """Name interaction features.

    Parameters
    ----------
    chosen : {"all", "gaussians"} or sequence of str, default="all"
        Every feature there is; those of the paper and Gaussians of the distance; or names, which are checked.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If a name is unknown, or there is none.

    Examples
    --------
    >>> interaction_feature_names()[:4]
    ('distance', 'log_coulomb', 'inverse_distance', 'inverse_square_distance')
    """
    if isinstance(chosen, str):
        groups = {"all": tuple(_FORMULAS), "gaussians": (*INTERACTION_FEATURES, *GAUSSIAN_CENTRES)}
        return groups[chosen]
    if not chosen or set(chosen) - set(_FORMULAS):
        raise ValueError(f"interaction_features must be some of {tuple(_FORMULAS)}, got {chosen!r}")
    return tuple(chosen)


def interaction_features(distance, z_i, z_j, names=INTERACTION_FEATURES, *, xp=np):
    """Compute the interaction features of pairs of sites i and j.

    "log_coulomb" is ln(Z_i Z_j / d_ij), with the distance in bohr, and ln(0.5 Z_i^2.4) where j is i itself,
    clipped to [-10, 10] (section 2.1 of doi:10.1039/d3dd00005b). The inverse distances are 0 where j is i itself.
    "gaussian_2.0" is exp(-((d_ij - 2 A) / 0.5 A)^2): a basis that tells shells of neighbours apart without learning to,
    as in SchNet (doi:10.1063/1.5019779).

    Parameters
    ----------
    distance : ndarray or Tensor of shape (p,)
        Distances d_ij in angstrom; 0 where j is i itself.
    z_i, z_j : ndarray or Tensor of shape (p,)
        Atomic numbers, as floating-point numbers.
    names : sequence of str, default=INTERACTION_FEATURES
        Names out of `interaction_feature_names`.
    xp : module, default=np
        ``numpy`` for arrays, ``torch`` for tensors.

    Returns
    -------
    ndarray or Tensor of shape (p, len(names))
        Distances in angstrom, logarithms of atomic units.

    Examples
    --------
    >>> import numpy as np
    >>> interaction_features(np.array([0.0, 2.0]), np.array([11.0, 11.0]), np.array([11.0, 17.0])).round(3).tolist()
    [[0.0, 5.062], [2.0, 3.902]]
    """
    return xp.stack([_FORMULAS[name](distance, z_i, z_j, xp) for name in names], 1)


def _distance(distance, z_i, z_j, xp):  # noqa: ARG001
    return distance


def _log_coulomb(distance, z_i, z_j, xp):
    itself = distance == 0
    apart = xp.log(z_i) + xp.log(z_j) - xp.log(xp.where(itself, 1.0, distance) / BOHR)
    log_coulomb = xp.where(itself, 2.4 * xp.log(z_i) + math.log(0.5), apart)
    return xp.clip(log_coulomb, -MAX_LOG_COULOMB, MAX_LOG_COULOMB)


def _inverse_distance(distance, z_i, z_j, xp):  # noqa: ARG001
    return 1 / xp.where(distance == 0, math.inf, distance)


def _inverse_square_distance(distance, z_i, z_j, xp):
    return _inverse_distance(distance, z_i, z_j, xp) ** 2


def _gaussian(distance, z_i, z_j, xp, *, centre):  # noqa: ARG001
    return xp.exp(-(((distance - centre) / GAUSSIAN_WIDTH) ** 2))


_FORMULAS = {
    "distance": _distance,
    "log_coulomb": _log_coulomb,
    "inverse_distance": _inverse_distance,
    "inverse_square_distance": _inverse_square_distance,
    **{name: partial(_gaussian, centre=centre) for name, centre in GAUSSIAN_CENTRES.items()},
}
