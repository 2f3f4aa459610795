from pymatgen.core import Lattice, Structure

from sitenet_sklearn.oxidation import given_oxidation_states, guess_oxidation_states


def test_given_states_are_zero_where_there_are_none(crystals):
    assert given_oxidation_states(crystals["CsCl"]) == [0.0, 0.0]


def test_guess_is_the_chemists(crystals):
    assert guess_oxidation_states(crystals["CsCl"]) == [1.0, -1.0]
    assert guess_oxidation_states(crystals["graphite"]) == [0.0] * 4


def test_guess_keeps_what_is_given(crystals):
    charged = crystals["CsCl"].copy()
    charged.add_oxidation_state_by_element({"Cs": 3, "Cl": -3})
    assert guess_oxidation_states(charged) == [3.0, -3.0]


def test_no_guess_is_zero():
    alloy = Structure(Lattice.cubic(3.0), ["Na", "K"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert guess_oxidation_states(alloy) == [0.0, 0.0]
