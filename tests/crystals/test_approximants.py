import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sitenet_sklearn.crystals.approximants import ordered_approximants

ALLOY = Structure(Lattice.cubic(3.6), [{"Cu": 0.75, "Au": 0.25}], [[0, 0, 0]])
SALT = Structure(Lattice.cubic(5.9), [{"Na+": 0.5, "K+": 0.5}, {"Cl-": 0.5, "Br-": 0.5}], [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_few_arrangements_are_all_listed_and_keep_the_composition():
    found = ordered_approximants(ALLOY)
    assert len(found) == 4
    assert {approximant.composition.formula for approximant in found} == {"Cu3 Au1"}
    gold = {tuple(a.frac_coords[[s.symbol for s in a.species].index("Au")].round(3)) for a in found}
    assert len(gold) == 4


@pytest.mark.parametrize("share", [0.5, 0.3, 0.11])
def test_many_arrangements_are_drawn_at_random(share):
    alloy = Structure(Lattice.cubic(3.6), [{"Cu": 1 - share, "Au": share}], [[0, 0, 0]])
    found = ordered_approximants(alloy, 7, max_sites=40, random_state=0)
    again = ordered_approximants(alloy, 7, max_sites=40, random_state=0)
    assert found == again
    assert all(approximant.is_ordered for approximant in found)
    assert len(found) <= 7
    for approximant in found:
        assert approximant.composition.fractional_composition["Au"] == pytest.approx(share, abs=0.02)
        assert len(approximant) <= 40


def test_vacancies_are_left_out_and_whole_sites_stay():
    structure = Structure(Lattice.cubic(4.0), [{"Fe": 0.5}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    for approximant in ordered_approximants(structure):
        assert approximant.composition.reduced_formula == "FeO2"


def test_oxidation_states_choose_arrangements_of_low_electrostatic_energy():
    from pymatgen.analysis.ewald import EwaldSummation

    mixed = Structure(Lattice.cubic(4.2), [{"Li+": 0.5, "Al3+": 0.5}, "O2-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    mixed = mixed * (2, 2, 2)
    ranked = ordered_approximants(mixed, 5, random_state=0)
    bare = mixed.copy()
    bare.remove_oxidation_states()
    drawn = ordered_approximants(bare, 5, random_state=0)
    for structure in drawn:
        structure.add_oxidation_state_by_element({"Li": 1, "Al": 3, "O": -2})
    energies = [[EwaldSummation(structure).total_energy for structure in part] for part in (ranked, drawn)]
    assert np.mean(energies[0]) < np.mean(energies[1])
    assert energies[0] == sorted(energies[0])


def test_an_ordered_structure_is_its_own_approximant(crystals):
    assert ordered_approximants(crystals["NaCl"]) == [crystals["NaCl"]]
