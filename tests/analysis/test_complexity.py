import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from redescribe import redescribe

from sitenet_sklearn.analysis.complexity import complexity
from sitenet_sklearn.exceptions import CrystalError


def test_the_values_of_the_program_that_the_paper_used(parity, dielectric):
    structures = dict(zip(dielectric.ids, dielectric.data, strict=True))
    with (parity / "complexity.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    for row in rows:
        found = complexity(structures[row["id"]])
        assert found.n_positions == int(row["positions_per_primitive_cell"])
        assert found.n_coordinates == int(row["arity_sum"])
        expected = [float(row[name]) for name in ("I_comb", "I_coor", "I_conf", "I_conf_total")]
        np.testing.assert_allclose([*found[:3], found.total], expected, atol=1e-6)


def test_known_crystals(crystals):
    salt = complexity(crystals["NaCl"])
    assert salt == (1.0, 0.0, 1.0, 2, 0)
    assert salt.total == 2
    assert complexity(crystals["Po"]) == (0.0, 0.0, 0.0, 1, 0)
    general = complexity(crystals["triclinic"])  # four orbits of a site with three coordinates each, but for the origin
    assert general.n_positions == 4
    assert general.combinatorial == pytest.approx(2)
    assert general.n_coordinates == 12


@given(seed=st.integers(0, 2**31 - 1), name=st.sampled_from(["NaCl", "graphite", "HfH3", "triclinic"]))
def test_other_descriptions_have_the_same_complexity(crystals, seed, name):
    changed = redescribe(crystals[name], np.random.default_rng(seed))
    np.testing.assert_allclose(complexity(changed), complexity(crystals[name]), atol=1e-9)


def test_disordered_crystals_are_refused():
    with pytest.raises(CrystalError, match="disordered"):
        complexity(Structure(Lattice.cubic(3), [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]]))


def test_a_cell_without_symmetry_is_refused():
    overlapping = Structure(Lattice.cubic(3), ["Fe", "Fe"], [[0, 0, 0], [0, 0, 1e-5]])
    with pytest.raises(ValueError, match=r"no symmetry of Fe is found with symprec=0\.005: try another tolerance"):
        complexity(overlapping)
