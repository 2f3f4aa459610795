"""From one crystal to its record: sites, primitive cell, supercell, distances, compression."""

from typing import NamedTuple

import numpy as np
from pymatgen.core import Structure

from sitenet_sklearn.crystals.cache import CrystalCache
from sitenet_sklearn.crystals.crystal import make_crystal
from sitenet_sklearn.crystals.oxidation import given_oxidation_states, guess_oxidation_states
from sitenet_sklearn.crystals.site_features import describe_sites
from sitenet_sklearn.crystals.structures import as_structure, usable_species
from sitenet_sklearn.exceptions import CrystalError
from sitenet_sklearn.geometry.primitive import find_primitive
from sitenet_sklearn.geometry.supercell import canonical_supercell

from .own_features import own_columns

MIN_DISTANCE = 0.1
"""Sites of one crystal closer than this, in angstrom, are refused as overlapping."""


class ChosenSupercell(NamedTuple):
    """The supercell that stands for a crystal.

    Attributes
    ----------
    structure : pymatgen.core.Structure
        All its sites.
    matrix : ndarray of int, shape (3, 3)
        Its basis vectors in rows of the primitive ones.
    images : int
        Number of primitive cells in it.
    score : float
        What the shape maximises: effective edge or shortest translation, as a share of the ideal edge.
    """

    structure: Structure
    matrix: np.ndarray
    images: int
    score: float


def featurize(item, parameters, own=()):
    """Featurize one crystal: primitive cell, supercell, distances, compression.

    Parameters
    ----------
    item : pymatgen Structure, path, dict or ASE Atoms
        A crystal.
    parameters : dict
        `max_atoms`, `shape`, `compress`, `site_features`, `oxidation_states`, `symprec` and `tol` of the
        `SupercellFeaturizer`.
    own : sequence of OwnFeatures, default=()
        Site features that a user brings.

    Returns
    -------
    Crystal

    Raises
    ------
    CrystalError
        If the crystal cannot be featurized.
    """
    structure = as_structure(item)
    sites, cell, supercell = find_geometry(structure, parameters)
    _refuse_overlap(supercell.distances)
    atomic_numbers, oxidation_states = (values[cell.origin] for values in sites[1:])
    names, symprec = tuple(parameters["site_features"]), parameters["symprec"]
    columns = own_columns(own, _primitive_structure(sites, cell, structure.properties)) if own else None
    features, kinds = describe_sites(names, atomic_numbers, oxidation_states, cell=cell, symprec=symprec, own=columns)
    compression = {"compressed": parameters["compress"], "tol": parameters["tol"]}
    return make_crystal(atomic_numbers, features, kinds, supercell.distances, **compression)


def featurize_chunk(items, parameters, cache, own=()):
    """Featurize some crystals; where one fails, its record is the reason as text.

    Parameters
    ----------
    items : list of crystals
        In any form that `as_structure` takes.
    parameters : dict
        As in `featurize`.
    cache : path-like or None
        File of a `CrystalCache`.
    own : sequence of OwnFeatures, default=()
        Site features that a user brings.

    Returns
    -------
    list of (Crystal or str)
    """
    if cache is None:
        return [_featurize_or_say_why(item, parameters, own) for item in items]
    cache = CrystalCache(cache, parameters)
    records = cache.get(items)
    missing = [k for k, record in enumerate(records) if record is None]
    for k in missing:
        records[k] = _featurize_or_say_why(items[k], parameters, own)
    new = [k for k in missing if not isinstance(records[k], str)]
    cache.put([items[k] for k in new], [records[k] for k in new])
    return records


def _featurize_or_say_why(item, parameters, own):
    try:
        return featurize(item, parameters, own)
    except CrystalError as error:
        return str(error)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # one odd crystal must not lose the others
        return f"unexpected {type(error).__name__}: {error}"


def choose_supercell(item, parameters):
    """Build the supercell of one crystal as a Structure; parameters and errors as in `featurize`."""
    given = as_structure(item)
    sites, cell, supercell = find_geometry(given, parameters)
    structure = _primitive_structure(sites, cell, given.properties)
    structure.make_supercell(supercell.matrix)
    return ChosenSupercell(structure, supercell.matrix, supercell.images, float(supercell.score))


def _primitive_structure(sites, cell, properties):
    species = [sites.species[k] for k in cell.origin]
    return Structure(cell.lattice, species, cell.positions, coords_are_cartesian=True, properties=properties)


class Sites(NamedTuple):
    """Sites of a structure: its k species, their atomic numbers (k,) and oxidation states (k,)."""

    species: list
    atomic_numbers: np.ndarray
    oxidation_states: np.ndarray


def find_geometry(structure, parameters):
    """Find the sites of a structure, its primitive cell and the supercell of that.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        A crystal.
    parameters : dict
        As in `featurize`.

    Returns
    -------
    Sites, PrimitiveCell, Supercell

    Raises
    ------
    CrystalError
        If the structure cannot be featurized.
    """
    species = usable_species(structure)
    guess = parameters["oxidation_states"] == "guess"
    sites = Sites(
        species,
        np.array([specie.Z for specie in species]),
        np.array(guess_oxidation_states(species) if guess else given_oxidation_states(species)),
    )
    kinds = np.unique(np.column_stack(sites[1:]), axis=0, return_inverse=True)[1].ravel()
    cell = find_primitive(structure.lattice.matrix, structure.cart_coords, kinds, parameters["symprec"])
    if (shortest := np.linalg.norm(cell.lattice[0])) < MIN_DISTANCE:
        raise CrystalError(f"a site is {shortest:.3g} angstrom from its own image, {MIN_DISTANCE} are expected")
    weights = (np.cbrt(sites.atomic_numbers) * np.exp(sites.oxidation_states / 10))[cell.origin]
    return sites, cell, canonical_supercell(cell, weights, parameters["max_atoms"], parameters["shape"])


def _refuse_overlap(distances):
    n, columns = distances.shape
    rows = np.arange(n)
    others = distances.copy()
    others[rows, rows * (columns // n)] = np.inf
    if others.min() < MIN_DISTANCE:
        raise CrystalError(f"two sites are {others.min():.3g} angstrom apart, at least {MIN_DISTANCE} is expected")
