"""Ordered approximants of disordered crystals: whole atoms in place of partial occupancies."""

import math
from itertools import product

import numpy as np
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Structure
from sklearn.utils import check_random_state

CANDIDATES = 4
"""Arrangements drawn for every one that is kept, where oxidation states rank them."""


def ordered_approximants(structure, n=16, *, max_sites=60, random_state=None) -> list[Structure]:
    """Replace partial occupancies by whole atoms in a supercell.

    The supercell is the smallest of at most `max_sites` sites in which all occupancies come out as whole numbers of
    atoms, or else the one in which they come out best. Where there are at most n arrangements all are listed, equal
    ones as often as they occur; otherwise n are drawn at random. Where every species has an oxidation state, four times
    as many are drawn and those of lowest electrostatic energy (Ewald) are kept.

    Parameters
    ----------
    structure : pymatgen Structure
        Ordered or disordered; an occupancy below 1 in total leaves vacancies.
    n : int, default=16
        Largest number of approximants.
    max_sites : int, default=60
        Largest number of sites of a supercell; the given cell is always allowed.
    random_state : int, RandomState instance or None, default=None
        Source of the arrangements.

    Returns
    -------
    list of pymatgen Structure
        Ordered; an ordered structure is its only approximant.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> alloy = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    >>> [approximant.formula for approximant in ordered_approximants(alloy)]
    ['Cu1 Au1', 'Cu1 Au1']
    """
    if structure.is_ordered:
        return [structure]
    supercell = structure * _scaling(structure, max_sites)
    groups = _groups(supercell)
    n_arrangements = math.prod(_multinomial(counts) for _, _, counts in groups)
    if n_arrangements <= n:
        from sympy.utilities.iterables import multiset_permutations

        choices = [multiset_permutations(_filling(kinds, counts)) for _, kinds, counts in groups]
        return [_filled(supercell, groups, arrangement) for arrangement in product(*map(list, choices))]
    random = check_random_state(random_state)
    charged = all(getattr(species, "oxi_state", None) is not None for species in supercell.composition)
    drawn = []
    for _ in range(n * CANDIDATES if charged else n):
        arrangement = [random.permutation(np.array(_filling(kinds, counts), object)) for _, kinds, counts in groups]
        drawn.append(_filled(supercell, groups, arrangement))
    return sorted(drawn, key=lambda s: EwaldSummation(s).total_energy)[:n] if charged else drawn


def _groups(structure):
    """Sites that share their occupancies: (sites, species with None for a vacancy, number of sites of each)."""
    sites = {}
    for k, site in enumerate(structure):
        if not site.is_ordered:
            sites.setdefault(tuple(sorted(site.species.items(), key=str)), []).append(k)
    groups = []
    for occupancies, members in sites.items():
        shares = np.array([share for _, share in occupancies] + [max(0.0, 1 - sum(s for _, s in occupancies))])
        groups.append((members, [species for species, _ in occupancies] + [None], _whole(shares * len(members))))
    return groups


def _whole(amounts):
    """Round amounts to whole numbers of the same sum, by largest remainders."""
    counts = np.floor(amounts + 1e-6).astype(int)
    missing = round(amounts.sum()) - counts.sum()
    counts[np.argsort(counts - amounts, kind="stable")[:missing]] += 1
    return counts


def _scaling(structure, max_sites):
    """Choose the multiples of the cell: occupancies come out best, then fewest sites, then most cubic."""
    largest = max(1, max_sites // len(structure))
    lengths = np.array(structure.lattice.abc)
    shares = [
        (share, sum(other.species == site.species for other in structure))
        for site in structure
        if not site.is_ordered
        for share in site.species.values()
    ]

    def cost(scaling):
        m = math.prod(scaling)
        error = max(abs(share * m * n - round(share * m * n)) / (m * n) for share, n in shares)
        edges = lengths * scaling
        return round(error, 3), m, edges.max() / edges.min()

    sides = range(1, largest + 1)
    return min((s for s in product(sides, repeat=3) if math.prod(s) <= largest), key=cost)


def _multinomial(counts):
    return math.factorial(counts.sum()) // math.prod(math.factorial(int(c)) for c in counts)


def _filling(kinds, counts):
    return [kind for kind, count in zip(range(len(kinds)), counts, strict=True) for _ in range(count)]


def _filled(supercell, groups, arrangement):
    """Put whole atoms on the sites of every group, and leave out vacancies."""
    species = [None if not site.is_ordered else site.specie for site in supercell]
    for (sites, kinds, _), chosen in zip(groups, arrangement, strict=True):
        for site, kind in zip(sites, chosen, strict=True):
            species[site] = kinds[kind]
    kept = [k for k, kind in enumerate(species) if kind is not None]
    return Structure(supercell.lattice, [species[k] for k in kept], supercell.frac_coords[kept])
