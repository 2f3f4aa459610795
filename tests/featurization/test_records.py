import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.exceptions import CrystalError
from sitenet_sklearn.featurization.records import choose_supercell, featurize, featurize_chunk, find_geometry

PARAMETERS = SupercellFeaturizer(max_atoms=30).record_parameters()
OVERLAP = Structure(Lattice.cubic(4.0), ["Fe", "Co"], [[0, 0, 0], [0.01, 0, 0]])


def test_record_has_the_elements_of_the_primitive_cell(crystals):
    for structure in crystals.values():
        record = featurize(structure, PARAMETERS)
        counts = dict.fromkeys(record.atomic_numbers.tolist(), 0)
        for z, multiplicity in zip(record.atomic_numbers.tolist(), record.multiplicity, strict=True):
            counts[z] += multiplicity
        composition = structure.composition.element_composition
        shares = {element.Z: amount / composition.num_atoms for element, amount in composition.items()}
        assert {z: n / record.multiplicity.sum() for z, n in counts.items()} == pytest.approx(shares)


def test_a_chunk_says_why_a_crystal_fails_and_goes_on(crystals):
    first, why, last = featurize_chunk([crystals["NaCl"], OVERLAP, crystals["CsCl"]], PARAMETERS, None)
    assert "0.04 angstrom apart" in why
    assert set(first.atomic_numbers) == {11, 17}
    assert set(last.atomic_numbers) == {17, 55}


def test_overlap_is_refused():
    with pytest.raises(CrystalError, match=r"two sites are 0\.04 angstrom apart, at least 0\.1 is expected"):
        featurize(OVERLAP, PARAMETERS)


def test_chosen_supercell_belongs_to_the_geometry(crystals):
    _, cell, supercell = find_geometry(crystals["triclinic"], PARAMETERS)
    chosen = choose_supercell(crystals["triclinic"], PARAMETERS)
    assert chosen.images == supercell.images
    volume = chosen.images * np.linalg.det(cell.lattice)
    assert chosen.structure.volume == pytest.approx(volume)
