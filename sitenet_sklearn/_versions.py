"""Versions of this library and of what its results depend on."""

import platform
from importlib.metadata import version

PACKAGES = ("sitenet-sklearn", "torch", "scikit-learn", "skorch", "numpy", "pymatgen", "spglib")


def versions(*packages):
    """Tell versions.

    Parameters
    ----------
    *packages : str
        Names of distributions; without any, those of `PACKAGES`, with Python's before them.

    Returns
    -------
    dict of str to str
    """
    if packages:
        return {name: version(name) for name in packages}
    return {"python": platform.python_version()} | versions(*PACKAGES)
