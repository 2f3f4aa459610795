import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from redescribe import redescribe
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from sitenet_sklearn import RaggedCrystals, SupercellFeaturizer
from sitenet_sklearn._validation import FeaturizationError
from sitenet_sklearn.crystal import SITE_FEATURES


def identical(a, b):
    return all(np.array_equal(a.field(name), b.field(name)) for name in a[0]._fields)


def test_every_crystal_has_a_record_in_order(structures, featurized):
    assert isinstance(featurized, RaggedCrystals)
    assert len(featurized) == len(structures)
    for crystal, structure in zip(featurized, structures, strict=True):
        assert set(crystal.atomic_numbers) == set(structure.atomic_numbers)


@pytest.mark.parametrize("max_atoms", [10, 50])
def test_supercells_have_at_most_max_atoms(structures, max_atoms):
    X = SupercellFeaturizer(max_atoms=max_atoms).transform(structures)
    for crystal, structure in zip(X, structures, strict=True):
        sites = np.bincount(crystal.pair_site, crystal.pair_count)
        assert sites.max() <= max(max_atoms, len(structure))
        assert (sites == sites[0]).all()


def test_input_is_never_changed(structures):
    before = [structure.as_dict() for structure in structures[:5]]
    SupercellFeaturizer(max_atoms=30).fit_transform(structures[:5])
    assert [structure.as_dict() for structure in structures[:5]] == before


def test_it_is_stateless(structures, featurized):
    featurizer = SupercellFeaturizer(max_atoms=50)
    alone = featurizer.transform(structures[7:8])
    assert identical(alone, featurized[7:8])
    assert vars(featurizer) == vars(clone(featurizer))


@pytest.mark.parametrize("make", [tuple, pd.Series, iter])
def test_other_sequences_give_the_same(structures, featurized, make):
    assert identical(SupercellFeaturizer(max_atoms=50).transform(make(structures)), featurized)


def test_several_jobs_give_the_same(structures, featurized):
    assert identical(SupercellFeaturizer(max_atoms=50, n_jobs=2).transform(structures), featurized)


@pytest.mark.parametrize("name", ["NaCl", "graphite", "HfH3", "triclinic", "layer in vacuum"])
@pytest.mark.parametrize("shape", ["cubic", "compact"])
def test_redescribed_crystals_give_the_same_record(crystals, rng, name, shape):
    featurizer = SupercellFeaturizer(max_atoms=60, shape=shape)
    expected = featurizer.transform([crystals[name]])[0]
    for supercell in (None, [1, 2, 1], [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]):
        found = featurizer.transform([redescribe(crystals[name], rng, supercell)])[0]
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_oxidation_states_are_taken_as_given(crystals):
    charged = crystals["NaCl"].copy()
    charged.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    sites = SupercellFeaturizer(max_atoms=20).transform([charged])[0].site_features
    np.testing.assert_array_equal(sites[:, SITE_FEATURES.index("OxidationState")], [1, -1])


def test_deuterium_is_hydrogen():
    deuteride = Structure(Lattice.cubic(4.0), ["Li", "D"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert set(SupercellFeaturizer(max_atoms=20).transform([deuteride])[0].atomic_numbers) == {1, 3}


def test_left_handed_lattice_works(crystals):
    mirrored = Structure(
        -crystals["triclinic"].lattice.matrix,
        *zip(*[(s.specie, s.frac_coords) for s in crystals["triclinic"]], strict=True),
    )
    a, b = SupercellFeaturizer(max_atoms=40).transform([mirrored, crystals["triclinic"]])
    np.testing.assert_allclose(a.pair_distance, b.pair_distance, atol=1e-5)


def test_overlapping_sites_are_refused_with_all_the_others(crystals):
    close = Structure(Lattice.cubic(4.0), ["Fe", "Co"], [[0, 0, 0], [0.01, 0, 0]])
    with pytest.raises(FeaturizationError, match="2 of the crystals") as caught:
        SupercellFeaturizer(max_atoms=30).transform([close, crystals["NaCl"], close])
    assert caught.value.failures[0] == (0, "Fe1Co1", "two sites are 0.04 angstrom apart, at least 0.1 is expected")
    assert caught.value.failures[1][0] == 2


def test_wrong_target_is_refused_before_featurization(crystals, monkeypatch):
    monkeypatch.setattr(SupercellFeaturizer, "transform", lambda *_: pytest.fail("featurized first"))
    featurizer = SupercellFeaturizer()
    with pytest.raises(ValueError, match=r"y is NaN at index 1 \(Na4Cl4\)"):
        featurizer.fit_transform([crystals["CsCl"], crystals["NaCl"]], [1.0, np.nan])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        featurizer.fit_transform([crystals["CsCl"], crystals["NaCl"]], [1.0])


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_atoms": 0},
        {"max_atoms": 50.5},
        {"shape": "round"},
        {"compress": "yes"},
        {"symprec": 0},
        {"tol": -1},
        {"n_jobs": "all"},
    ],
)
def test_wrong_parameters_are_named(crystals, parameters):
    with pytest.raises(InvalidParameterError, match=f"'{next(iter(parameters))}' parameter"):
        SupercellFeaturizer(**parameters).fit_transform([crystals["NaCl"]])


def test_progress_is_shown_only_when_asked(structures, capsys):
    SupercellFeaturizer(max_atoms=10).transform(structures[:3])
    assert capsys.readouterr() == ("", "")
    SupercellFeaturizer(max_atoms=10, verbose=1).transform(structures[:3])
    assert "featurize" in capsys.readouterr().err


def test_pipelines_that_ask_for_data_frames_still_work(structures):
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=10)).set_output(transform="pandas")
    assert isinstance(pipeline.fit_transform(structures[:2]), RaggedCrystals)
