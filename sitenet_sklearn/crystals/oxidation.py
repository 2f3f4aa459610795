"""Oxidation states of the sites of a crystal, as given or guessed from its composition."""

from collections import Counter
from functools import lru_cache
from math import comb

from pymatgen.core import Composition

MAX_COMBINATIONS = 100_000
"""Formulas with more combinations of oxidation states are not guessed: a limit of about a second for one crystal,
counted in work so that the same crystal gets the same guess on every machine."""


def given_oxidation_states(species):
    """Oxidation states that species carry, 0 where they have none.

    Parameters
    ----------
    species : list of pymatgen Element or Species
        The sites of a crystal.

    Returns
    -------
    list of float
        One for every site.
    """
    return [float(getattr(specie, "oxi_state", 0) or 0) for specie in species]


def guess_oxidation_states(species):
    """Oxidation states as given, or else pymatgen's likeliest charge-neutral guess for the composition.

    Parameters
    ----------
    species : list of pymatgen Element or Species
        The sites of a crystal.

    Returns
    -------
    list of float
        One for every site, equal for the sites of an element; 0 where no neutral guess exists.
    """
    given = given_oxidation_states(species)
    if any(given):
        return given
    guess = _guess(Composition(Counter(specie.symbol for specie in species)).reduced_formula)
    return [guess.get(specie.symbol, 0.0) for specie in species]


@lru_cache(maxsize=100_000)
def _guess(formula):
    composition = Composition(formula)
    states = [element.icsd_oxidation_states or element.oxidation_states for element in composition]
    amounts = [int(amount) for amount in composition.values()]
    if sum(comb(n + len(s) - 1, n) for n, s in zip(amounts, states, strict=True)) > MAX_COMBINATIONS:
        return {}
    guesses = composition.oxi_state_guesses()
    return {symbol: float(state) for symbol, state in guesses[0].items()} if guesses else {}
