import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from redescribe import redescribe
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from sitenet_sklearn import RaggedCrystals, SupercellFeaturizer
from sitenet_sklearn.crystals.elements import elemental_property_names
from sitenet_sklearn.crystals.interaction_features import GAUSSIAN_CENTRES, INTERACTION_FEATURES
from sitenet_sklearn.crystals.site_features import SITE_FEATURES
from sitenet_sklearn.exceptions import CrystalError, Failure, FeaturizationError


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
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=50)
    alone = featurizer.transform(structures[7:8])
    assert identical(alone, featurized[7:8])
    assert vars(featurizer) == vars(clone(featurizer))


@pytest.mark.parametrize("make", [tuple, pd.Series, iter])
def test_other_sequences_give_the_same(structures, featurized, make):
    assert identical(SupercellFeaturizer.from_preset("paper", max_atoms=50).transform(make(structures)), featurized)


def test_several_jobs_give_the_same(structures, featurized):
    assert identical(SupercellFeaturizer.from_preset("paper", max_atoms=50, n_jobs=2).transform(structures), featurized)


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
    sites = SupercellFeaturizer.from_preset("paper", max_atoms=20).transform([charged])[0].site_features
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
    reason = "two sites are 0.04 angstrom apart, at least 0.1 is expected"
    assert caught.value.failures[0] == Failure(0, "", "FeCo", reason)
    assert [failure.index for failure in caught.value.failures] == [0, 2]


def test_wrong_target_is_refused_before_featurization(crystals, monkeypatch):
    monkeypatch.setattr(SupercellFeaturizer, "transform", lambda *_: pytest.fail("featurized first"))
    featurizer = SupercellFeaturizer()
    with pytest.raises(ValueError, match="y is NaN at index 1: drop that crystal or find its target"):
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
        {"on_error": "ignore"},
        {"cache": 7},
        {"oxidation_states": "maybe"},
        {"site_features": "Number"},
        {"interaction_features": "distance"},
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


OVERLAP = Structure(Lattice.cubic(4.0), ["Fe", "Co"], [[0, 0, 0], [0.01, 0, 0]])
DISORDERED = Structure(Lattice.cubic(4.0), [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]])


def test_no_crystals_are_refused_by_fit(crystals):
    with pytest.raises(ValueError, match="SupercellFeaturizer expects at least one crystal, got an empty list"):
        SupercellFeaturizer().fit([])
    with pytest.raises(TypeError, match=r"SupercellFeaturizer expects pymatgen Structures, .* got int at index 1: 7"):
        SupercellFeaturizer().fit([crystals["NaCl"], 7])
    generator = (crystal for crystal in [crystals["NaCl"], crystals["CsCl"]])
    assert len(SupercellFeaturizer(max_atoms=10).fit_transform(generator, [1.0, 2.0])) == 2


def test_all_that_is_wrong_is_listed_before_the_long_work(crystals, monkeypatch, tmp_path):
    calls = []
    run = SupercellFeaturizer._run
    monkeypatch.setattr(SupercellFeaturizer, "_run", lambda self, i, p: calls.append(p["max_atoms"]) or run(self, i, p))
    X = [OVERLAP, crystals["NaCl"], DISORDERED, tmp_path / "no.cif"]
    with pytest.raises(FeaturizationError) as caught:
        SupercellFeaturizer(max_atoms=500).transform(X)
    assert calls == [1]
    assert [failure.index for failure in caught.value.failures] == [0, 2, 3]
    assert "no.cif" in str(caught.value)


def test_masked_crystals_keep_an_empty_row(crystals):
    featurizer = SupercellFeaturizer(max_atoms=20, on_error="mask")
    with pytest.warns(
        UserWarning, match=r"masked: 2 of the crystals cannot be featurized:(.|\n)*index 3 \(Fe0.5Co0.5\)"
    ):
        X = featurizer.transform([OVERLAP, crystals["NaCl"], crystals["CsCl"], DISORDERED])
    np.testing.assert_array_equal(X.valid, [False, True, True, False])
    assert len(X[0].multiplicity) == len(X[0].pair_count) == 0
    assert identical(X[1:3], SupercellFeaturizer(max_atoms=20).transform([crystals["NaCl"], crystals["CsCl"]]))


def test_oversized_primitive_cells_are_kept_as_they_are(crystals):
    X = SupercellFeaturizer(max_atoms=3, compress=False).transform([crystals["triclinic"], crystals["CsCl"]])
    np.testing.assert_array_equal(X.oversized, [True, False])
    expected = crystals["triclinic"].distance_matrix
    np.testing.assert_allclose(np.sort(X[0].pair_distance), np.sort(expected, axis=None), atol=1e-5)


@pytest.mark.parametrize("name", ["NaCl", "graphite", "triclinic", "layer in vacuum"])
def test_supercell_is_the_one_that_is_featurized(crystals, name, tmp_path):
    featurizer = SupercellFeaturizer(max_atoms=40, compress=False)
    chosen = featurizer.supercell(crystals[name])
    record = featurizer.transform([crystals[name]])[0]
    assert len(chosen.structure) == np.bincount(record.pair_site)[0] <= 40
    assert chosen.images == round(np.linalg.det(chosen.matrix))
    per_site = chosen.structure.distance_matrix[:: chosen.images]
    np.testing.assert_allclose(np.sort(per_site, axis=None), np.sort(record.pair_distance), atol=1e-4)
    chosen.structure.to(filename=str(tmp_path / "supercell.cif"))


def test_single_site_alone_is_a_crystal(crystals):
    X = SupercellFeaturizer(max_atoms=1).transform([crystals["Po"]])
    np.testing.assert_array_equal(X[0].pair_distance, [0])


def test_supercell_refuses_what_cannot_be_featurized():
    with pytest.raises(CrystalError, match="disordered"):
        SupercellFeaturizer().supercell(DISORDERED)


def test_site_features_by_choice(crystals):
    names = ("MendeleevNumber", "OxidationState", "NValence")
    X = SupercellFeaturizer(max_atoms=20, site_features=names, oxidation_states="guess").transform([crystals["NaCl"]])
    assert X.site_feature_names == names
    np.testing.assert_allclose(X[0].site_features, [[2, 1, 1], [94, -1, 7]])


def test_groups_of_features_have_names_of_their_own(crystals, tmp_path):
    short = SupercellFeaturizer(
        20, site_features="elements", interaction_features="gaussians", cache=tmp_path / "cache"
    )
    names = (*elemental_property_names(), "OxidationState"), (*INTERACTION_FEATURES, *GAUSSIAN_CENTRES)
    X = short.transform([crystals["NaCl"]])
    assert (X.site_feature_names, X.interaction_feature_names) == names
    long = SupercellFeaturizer(20, site_features=names[0], interaction_features=names[1])
    np.testing.assert_array_equal(X[0].site_features, long.transform([crystals["NaCl"]])[0].site_features)
    assert short.record_parameters() == long.record_parameters()  # they share records of a cache


def test_unknown_features_are_named(crystals):
    with pytest.raises(ValueError, match=r"unknown site feature 'Mendeleev'; did you mean MendeleevNumber"):
        SupercellFeaturizer(site_features=["Mendeleev"]).fit([crystals["NaCl"]])
    with pytest.raises(ValueError, match=r"interaction_features must be some of .*, got .'angle'"):
        SupercellFeaturizer(interaction_features=["angle"]).fit([crystals["NaCl"]])


@pytest.mark.parametrize("max_atoms", [10_001, np.int64(10**7), 10**30])
def test_supercells_of_millions_are_refused(crystals, max_atoms):
    message = "The 'max_atoms' parameter of SupercellFeaturizer must be an int in the range"
    with pytest.raises(ValueError, match=message):
        SupercellFeaturizer(max_atoms).fit_transform([crystals["Po"]])
