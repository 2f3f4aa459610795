import time

import numpy as np
from pymatgen.core import Lattice, Structure

from sitenet_sklearn.crystals.oxidation import _guess, given_oxidation_states, guess_oxidation_states


def test_given_states_are_zero_where_there_are_none(crystals):
    assert given_oxidation_states(crystals["CsCl"].species) == [0.0, 0.0]


def test_guess_is_the_chemists(crystals):
    assert guess_oxidation_states(crystals["CsCl"].species) == [1.0, -1.0]
    assert guess_oxidation_states(crystals["graphite"].species) == [0.0] * 4


def test_guess_keeps_what_is_given(crystals):
    charged = crystals["CsCl"].copy()
    charged.add_oxidation_state_by_element({"Cs": 3, "Cl": -3})
    assert guess_oxidation_states(charged.species) == [3.0, -3.0]


def test_too_many_combinations_are_not_tried():
    positions = np.random.default_rng(0).random((58, 3))
    species = ["Ru"] * 13 + ["Os"] * 12 + ["Ir"] * 11 + ["S"] * 22
    start = time.monotonic()
    assert set(guess_oxidation_states(Structure(Lattice.cubic(20.0), species, positions).species)) == {0.0}
    assert time.monotonic() - start < 1


def test_guesses_are_remembered_by_composition(crystals):
    _guess.cache_clear()
    guess_oxidation_states(crystals["NaCl"].species)
    guess_oxidation_states((crystals["NaCl"] * [1, 1, 2]).species)
    assert _guess.cache_info().misses == 1


def test_no_guess_is_zero():
    alloy = Structure(Lattice.cubic(3.0), ["Na", "K"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert guess_oxidation_states(alloy.species) == [0.0, 0.0]
