"""One crystal has one fingerprint however it is described, and two crystals never share one."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from redescribe import redescribe

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.screening.fingerprint import CELL, TOLERANCE, fingerprint, is_same, project


def same(a, b):
    a, b = fingerprint(a), fingerprint(b)
    return a.key in b.keys and b.key in a.keys and bool(is_same(a.projections, b.projections))


@pytest.fixture(scope="module")
def featurizer():
    return SupercellFeaturizer(20)


def test_other_descriptions_of_a_crystal_have_its_fingerprint(crystals, structures, featurizer, rng):
    given = [*crystals.values(), *structures[:20]]
    for supercell in (None, [[1, 1, 0], [0, 1, 0], [0, 0, 2]]):
        described = featurizer.transform([redescribe(structure, rng, supercell) for structure in given])
        assert all(map(same, featurizer.transform(given), described))


def test_positions_with_eight_digits_do_not_matter(structures, featurizer):
    rounded = [structure.copy() for structure in structures[:20]]
    for structure in rounded:
        for k, site in enumerate(structure):
            structure.replace(k, site.specie, site.frac_coords.round(8))
    assert all(map(same, featurizer.transform(structures[:20]), featurizer.transform(rounded)))


def test_crystals_differ_however_little_they_do(crystals, featurizer):
    given = crystals["triclinic"]
    others = [given.copy().apply_strain(1e-5, inplace=False), given.copy(), given.copy(), given * (1, 1, 1)]
    others[1].translate_sites([1], [2e-5, 0, 0], frac_coords=False)
    others[2].replace(0, "Ag")
    others[3].add_oxidation_state_by_element({"Cu": 1, "O": -2, "V": 3})
    reference, *found = featurizer.transform([given, *others])
    assert not any(same(reference, other) for other in found)


def test_one_atom_of_many_counts(rng):
    places = np.indices((3, 4, 4)).reshape(3, -1).T / (3, 4, 4) + rng.uniform(-0.05, 0.05, (48, 3))
    given = Structure(Lattice.orthorhombic(9, 11, 10), rng.choice(["Na", "Cl", "O", "Ti"], 48), places)
    moved = [given.copy() for _ in range(8)]
    for k, structure in enumerate(moved):
        structure.translate_sites([6 * k], np.roll([1e-5, 0, 0], k), frac_coords=False)
    reference, *found = SupercellFeaturizer(50).transform([given, *moved])
    assert len(reference.pair_distance) == 48**2
    assert not any(same(reference, other) for other in found)


def test_no_two_crystals_share_a_fingerprint(dielectric):
    X = SupercellFeaturizer(20).transform(dielectric.data[::4])
    prints = [fingerprint(crystal) for crystal in X]
    alike = [(a, b) for a in range(len(X)) for b in range(a) if prints[a].key in prints[b].keys]
    for a, b in alike:
        if is_same(prints[a].projections, prints[b].projections):
            np.testing.assert_allclose(X[a].pair_distance, X[b].pair_distance, atol=1e-5)
            np.testing.assert_allclose(X[a].site_features, X[b].site_features, rtol=1e-5)
            assert X[a].atomic_numbers.tolist() == X[b].atomic_numbers.tolist()


def test_a_crystal_near_a_boundary_is_looked_up_on_both_sides(crystals, featurizer, monkeypatch):
    crystal = featurizer.transform([crystals["NaCl"]])[0]
    place = fingerprint(crystal).projections[0]
    for shift in (-0.5, 0.5):
        moved = np.full(8, np.ceil(place / CELL) * CELL + shift * TOLERANCE)
        monkeypatch.setattr("sitenet_sklearn.screening.fingerprint.project", lambda _, moved=moved: moved)
        found = fingerprint(crystal)
        assert len(found.keys) == 2
        assert found.key == found.keys[0 if shift < 0 else 1]


def test_projections_see_every_number(rng):
    values = rng.uniform(1, 5, size=2000)
    reference = project(values)
    for k in range(2000):
        changed = values.copy()
        changed[k] = np.expm1(np.log1p(changed[k]) + 2.1 * TOLERANCE)
        found = np.abs(project(changed) - reference)
        assert (found > TOLERANCE).all()
        assert (found < 3.2 * TOLERANCE).all()
    assert is_same(reference, project(values + 1e-8 * rng.normal(size=2000)))
    assert np.isfinite(project(np.array([1e30, -1e30]))).all()


def test_changes_that_belong_together_do_not_cancel(rng):
    values = np.repeat(rng.uniform(1, 5, size=50), 2)
    for signs in ([1, 1], [1, -1]):
        for k in range(0, 100, 2):
            changed = values.copy()
            changed[k : k + 2] += 2e-5 * np.array(signs)
            assert not is_same(project(values), project(changed))
