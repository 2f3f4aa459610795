"""Site features: what the network is told of a site, beside the vector that it learns for its element.

To add a property of elements, nothing is to be done if matminer has it. To add another feature, give it a name in
`site_feature_names` and its column in `site_feature_columns`.
"""

import numpy as np

from .elements import PAPER_PROPERTIES, elemental_property_names, elemental_table

OXIDATION_STATE = "OxidationState"

SITE_FEATURES = (*PAPER_PROPERTIES, OXIDATION_STATE)
"""Names of the nine site features of the paper, in order; the default."""


def site_feature_names(chosen="all"):
    """Name site features.

    Parameters
    ----------
    chosen : "all" or sequence of str, default="all"
        Every feature there is, or names, which are checked.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If a name is unknown, similar ones are suggested; or if there is none.

    Examples
    --------
    >>> site_feature_names(["Electronegativity", "OxidationState"])
    ('Electronegativity', 'OxidationState')
    """
    if isinstance(chosen, str):
        return (*elemental_property_names(), OXIDATION_STATE)
    if not chosen:
        raise ValueError("site_features must name at least one feature, got none")
    elemental_table(_elemental(chosen))
    return tuple(chosen)


def site_feature_columns(names, atomic_numbers, oxidation_states):
    """Compute the features of sites.

    Parameters
    ----------
    names : tuple of str
        Names out of `site_feature_names`.
    atomic_numbers : ndarray of int, shape (n,)
        Elements.
    oxidation_states : ndarray of shape (n,)
        Oxidation states, 0 where none is known.

    Returns
    -------
    ndarray of shape (n, len(names))
    """
    elemental = _elemental(names)
    columns = dict(zip(elemental, elemental_table(elemental)[atomic_numbers].T, strict=True))
    columns[OXIDATION_STATE] = oxidation_states
    return np.column_stack([columns[name] for name in names])


def _elemental(names):
    return tuple(name for name in names if name != OXIDATION_STATE)
