"""Elemental properties, as tabulated by matminer."""

from difflib import get_close_matches
from functools import lru_cache

import numpy as np

PAPER_PROPERTIES = (
    "Number",
    "AtomicWeight",
    "Row",
    "Column",
    "FirstIonizationEnergy",
    "Electronegativity",
    "AtomicRadius",
    "Density",
)
"""The eight elemental site features of the paper; units: -, u, -, -, eV, Pauling, angstrom, kg/m^3."""

MAX_ATOMIC_NUMBER = 118


@lru_cache
def elemental_table(properties=PAPER_PROPERTIES):
    """Table of elemental properties, one row for every atomic number.

    Values are those of Magpie's data in matminer; a value missing there is the mean over the elements that
    have one, so that no entry is NaN.

    Parameters
    ----------
    properties : tuple of str, default=PAPER_PROPERTIES
        Names out of `elemental_property_names()`.

    Returns
    -------
    ndarray of shape (119, len(properties))
        Read-only; row Z belongs to atomic number Z, row 0 is zero.

    Raises
    ------
    ValueError
        If a name is unknown; similar ones are suggested.

    Examples
    --------
    >>> elemental_table()[11].tolist()
    [11.0, 22.98976928, 3.0, 1.0, 5.13907..., 0.93, 1.8, 968.0]
    """
    from pymatgen.core import Element

    known = elemental_property_names()
    for name in properties:
        if name not in known:
            similar = get_close_matches(name, known, n=3, cutoff=0.4) or known
            raise ValueError(f"unknown elemental property {name!r}; did you mean {' or '.join(similar)}?")
    elements = [Element.from_Z(z) for z in range(1, MAX_ATOMIC_NUMBER + 1)]
    table = np.zeros((MAX_ATOMIC_NUMBER + 1, len(properties)))
    table[1:] = [[_magpie().get_elemental_property(e, name) for name in properties] for e in elements]
    table.setflags(write=False)
    return table


@lru_cache
def elemental_property_names():
    """List the elemental properties of matminer that are one number for every element.

    Returns
    -------
    tuple of str
    """
    values = _magpie().all_elemental_props
    return tuple(sorted(name for name in values if np.ndim(values[name]["Fe"]) == 0))


@lru_cache
def _magpie():
    from matminer.utils.data import MagpieData

    return MagpieData(impute_nan=True)
