"""Site features: what the network is told of a site, beside the vector that it learns for its element.

To add a property of elements, nothing is to be done if matminer has it. To add another feature, give it a name in
`GROUPS` and its column in `describe_sites`.
"""

from difflib import get_close_matches
from functools import lru_cache
from itertools import chain

import numpy as np

from sitenet_sklearn.geometry.compression import merge_alike
from sitenet_sklearn.geometry.environment import MAX_DEGREE, RADII, power_spectrum
from sitenet_sklearn.geometry.site_symmetry import CRYSTAL_SYSTEMS, find_site_symmetry

from .elements import PAPER_PROPERTIES, elemental_property_names, elemental_table

OXIDATION_STATE = "OxidationState"

SITE_FEATURES = (*PAPER_PROPERTIES, OXIDATION_STATE)
"""Names of the nine site features of the paper, in order; the default."""

DENSITIES = ("neighbors", "electronegativity", "radius")
"""What neighbours count in the environment features: 1, their electronegativity - 2, their radius / angstrom - 1.4."""

ENVIRONMENT = tuple(f"{name}_l{k}_r{r}" for name in DENSITIES for r in RADII for k in range(MAX_DEGREE + 1))
"""Names of the environment features: density, degree l and radius r of `power_spectrum`."""

SYMMETRY = (
    *(f"is_{system}" for system in CRYSTAL_SYSTEMS),
    "is_centrosymmetric",
    "log_point_group_order",
    "log_primitive_sites",
    "log_volume_per_atom",
    "packing_fraction",
    "log_site_symmetry_order",
    "log_orbit_size",
)
"""Names of the features of the crystal and of the site in it; logarithms are natural, the volume is in angstrom^3."""

ALIKE = 1e-3
"""Sites whose environments differ by at most this in every feature are alike, and get the mean."""


GROUPS = ("paper", "elements", "environment", "symmetry", "all")
"""Names of the groups of site features."""


@lru_cache
def site_feature_groups():
    """Names of site features by group: "paper", "elements", "environment", "symmetry" and "all" of them."""
    elements = (*elemental_property_names(), OXIDATION_STATE)
    groups = {"paper": SITE_FEATURES, "elements": elements, "environment": ENVIRONMENT, "symmetry": SYMMETRY}
    return groups | {"all": elements + ENVIRONMENT + SYMMETRY}


def site_feature_names(chosen="all"):
    """Name site features.

    Parameters
    ----------
    chosen : str or sequence of str, default="all"
        A group out of `site_feature_groups`, or names of groups and of features.

    Returns
    -------
    tuple of str
        Each once.

    Raises
    ------
    ValueError
        If a name is unknown, similar ones are suggested; or if there is none.

    Examples
    --------
    >>> site_feature_names(["Electronegativity", "OxidationState"])
    ('Electronegativity', 'OxidationState')
    >>> [len(site_feature_names(group)) for group in ("paper", "elements", "environment", "symmetry", "all")]
    [9, 65, 105, 14, 184]
    """
    groups = site_feature_groups()
    names = []
    for name in [chosen] if isinstance(chosen, str) else chosen:
        if name not in groups and name not in groups["all"]:
            similar = get_close_matches(str(name), [*groups, *groups["all"]], n=3, cutoff=0.4) or groups
            raise ValueError(f"unknown site feature {name!r}; did you mean {' or '.join(similar)}?")
        names += groups.get(name, [name])
    if not names:
        raise ValueError("site_features must name at least one feature, got none")
    return tuple(dict.fromkeys(names))


def site_feature_spread(names):
    """Say how much standardised site features spread: 1, but features of environment and symmetry 0.1.

    There are many of these, and they go together: at full size a network learns the training crystals by heart. Many
    are 0 for all crystals of high symmetry, but for noise, which must not be scaled up.

    Parameters
    ----------
    names : sequence of str, length f
        Names of site features.

    Returns
    -------
    spread : ndarray of shape (f,)
        Standard deviations after standardisation.
    least : ndarray of shape (f,)
        Standard deviations before it below which a feature is taken for a constant.
    """
    is_local = np.isin(names, [*ENVIRONMENT, *SYMMETRY])
    return np.where(is_local, 0.1, 1.0), np.where(is_local, ALIKE, 0.0)


def describe_sites(names, atomic_numbers, oxidation_states, *, cell=None, symprec=0.01, own=None):
    """Compute the features of sites, and tell which sites are alike.

    Parameters
    ----------
    names : tuple of str
        Names out of `site_feature_names`.
    atomic_numbers : ndarray of int, shape (n,)
        Elements.
    oxidation_states : ndarray of shape (n,)
        Oxidation states, 0 where none is known.
    cell : PrimitiveCell, default=None
        The primitive cell, for features that depend on positions.
    symprec : float, default=0.01
        Tolerance in angstrom of features of symmetry.
    own : ndarray of shape (n, k), default=None
        Columns that were computed elsewhere, to come after those of the names.

    Returns
    -------
    features : ndarray of shape (n, len(names) + k)
        Of sites that are alike they are equal.
    kinds : ndarray of int, shape (n,)
        Equal for sites that are alike in element, oxidation state and features.

    Raises
    ------
    CrystalError
        If there are too many neighbours, or no symmetry group fits.
    """
    kinds = np.unique(np.column_stack([atomic_numbers, oxidation_states]), axis=0, return_inverse=True)[1].ravel()
    elemental, order = _arrangement(names)
    fixed, local = [elemental_table(elemental)[atomic_numbers], np.asarray(oxidation_states)[:, None]], []
    if not set(names).isdisjoint(ENVIRONMENT):
        local.append(_environment(cell, atomic_numbers))
    if not set(names).isdisjoint(SYMMETRY):
        local.append(_symmetry(cell, kinds, atomic_numbers, symprec))
    if own is not None:
        local.append(own)
    if local:
        kinds, merged = merge_alike(kinds, np.concatenate(local, axis=1), ALIKE)
        local = [merged]
    columns = np.concatenate(fixed + local, axis=1)
    n_own = 0 if own is None else own.shape[1]
    return columns[:, np.append(order, np.arange(columns.shape[1] - n_own, columns.shape[1]))], kinds


@lru_cache
def _arrangement(names):
    """Tell the elemental properties among some names, and where each name is among all columns that are computed."""
    groups = site_feature_groups()
    local = [group for group in (groups["environment"], groups["symmetry"]) if not set(group).isdisjoint(names)]
    elemental = tuple(name for name in names if name in elemental_property_names())
    computed = [*elemental, OXIDATION_STATE, *chain.from_iterable(local)]
    return elemental, np.array([computed.index(name) for name in names], dtype=int)


def _environment(cell, atomic_numbers):
    """Columns of the group "environment"."""
    table = elemental_table(("Electronegativity", "AtomicRadius"))[atomic_numbers]
    weights = np.column_stack([np.ones(len(table)), table[:, 0] - 2, table[:, 1] - 1.4])
    return power_spectrum(cell, weights).reshape(len(weights), -1)


def _symmetry(cell, kinds, atomic_numbers, symprec):
    """Columns of the group "symmetry"."""
    found, n = find_site_symmetry(cell, kinds, symprec), len(kinds)
    volume = abs(np.linalg.det(cell.lattice))
    spheres = 4 / 3 * np.pi * elemental_table(("AtomicRadius",))[atomic_numbers, 0] ** 3
    of_crystal = [
        *(system == found.crystal_system for system in CRYSTAL_SYSTEMS),
        found.centrosymmetric,
        np.log(found.order),
        np.log(n),
        np.log(volume / n),
        spheres.sum() / volume,
    ]
    of_site = np.log([found.site_order, found.orbit_size])
    return np.concatenate([np.broadcast_to(of_crystal, (n, len(of_crystal))), of_site.T], axis=1)
