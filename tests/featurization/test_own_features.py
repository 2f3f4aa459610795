import numpy as np
import pytest
from matminer.featurizers.site import GaussianSymmFunc
from matminer.featurizers.structure import DensityFeatures
from redescribe import redescribe
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import (
    RaggedCrystals,
    SiteNetRegressor,
    SupercellFeaturizer,
    featurize_to_store,
    load_model,
    save_model,
)
from sitenet_sklearn.exceptions import FeaturizationError
from sitenet_sklearn.featurization.own_features import split_features


def neighbors(structure):
    """Number of neighbours within 3 angstrom, and distance to the nearest."""
    near = structure.get_all_neighbors(3.0)
    return [[len(others), min((n.nn_distance for n in others), default=3.0)] for others in near]


def density(structure):
    return [structure.density]


def temperature(structure):
    return [structure.properties["temperature"]]


OWN = (neighbors, ("n_neighbors", "shortest"))


def test_functions_see_the_properties_of_the_whole_crystal(crystals):
    featurizer = SupercellFeaturizer(30, site_features=["AtomicWeight", (temperature, ["temperature"])])
    warm = crystals["NaCl"] * (1, 1, 2)
    warm.properties["temperature"] = 300
    X = featurizer.transform([warm, warm.as_dict()])
    assert [crystal.site_features[:, 1].tolist() for crystal in X] == [[300, 300]] * 2
    with pytest.raises(FeaturizationError, match="the site features temperature fail: KeyError"):
        featurizer.transform([crystals["NaCl"]])


def test_functions_and_matminer_stand_beside_groups(crystals):
    featurizer = SupercellFeaturizer(
        30, site_features=["paper", OWN, DensityFeatures(["vpa"]), GaussianSymmFunc([0.05], [1.0], [1.0], [1.0])]
    )
    X = featurizer.fit_transform([crystals["NaCl"], crystals["graphite"]])
    assert X.site_feature_names[8:12] == ("OxidationState", "n_neighbors", "shortest", "vpa")
    assert X.site_feature_names[12:] == ("G2_0.05", "G4_1.0_1.0_1.0")
    assert X[0].site_features.shape == (2, 14)
    np.testing.assert_allclose(X[0].site_features[:, 9:12], [[6, 2.845, 5.69**3 / 8]] * 2, rtol=1e-6)
    others = SupercellFeaturizer.from_preset("paper", max_atoms=30).transform([crystals["NaCl"]])
    np.testing.assert_array_equal(X[0].site_features[:, :9], others[0].site_features)


def test_features_alone_and_of_the_whole_crystal(crystals):
    X = SupercellFeaturizer(30, site_features=[(density, "density")]).transform([crystals["CsCl"]])
    assert X.site_feature_names == ("density",)
    np.testing.assert_allclose(X[0].site_features[:, 0], crystals["CsCl"].density, rtol=1e-6)


@pytest.mark.parametrize("name", ["NaCl", "graphite", "triclinic"])
def test_they_do_not_depend_on_the_description(crystals, rng, name):
    featurizer = SupercellFeaturizer(30, site_features=["Number", OWN])
    expected = np.sort(featurizer.transform([crystals[name]])[0].site_features, axis=0)
    found = featurizer.transform([redescribe(crystals[name], rng, [1, 2, 1])])[0].site_features
    np.testing.assert_allclose(np.sort(found, axis=0), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "function",
    [lambda s: s.frac_coords[:, :1], lambda s: s.cart_coords[:, :1], lambda s: np.arange(len(s))[:, None]],
)
def test_features_of_a_description_are_refused(crystals, function):
    featurizer = SupercellFeaturizer(30, site_features=["paper", (function, ["where"])])
    with pytest.raises(
        ValueError, match=r"the site feature 'where' changes when V1 Cu1 O2 is described by another cell"
    ):
        featurizer.fit_transform([crystals["triclinic"]])


def test_sites_with_other_features_stay_apart(crystals):
    def odd(structure):
        return [[float(k == 0)] for k in np.argsort(structure.distance_matrix.sum(axis=1))]

    plain, finer = (
        SupercellFeaturizer(16, site_features="paper"),
        SupercellFeaturizer(16, site_features=["paper", (odd, ["odd"])]),
    )
    graphite = crystals["graphite"]
    assert len(plain.transform([graphite])[0].multiplicity) == 2
    with pytest.raises(ValueError, match="'odd' changes"):
        finer.transform([graphite])


def fail(structure):
    raise RuntimeError(f"no table for {structure.formula}")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (fail, "the site features a, b fail: RuntimeError: no table for Na1 Cl1"),
        (lambda s: np.zeros((len(s), 3)), r"the site features a, b have shape \(2, 3\), expected \(2, 2\)"),
        (lambda s: np.full((len(s), 2), np.nan), "the site features a, b hold NaN or infinity"),
    ],
)
def test_functions_that_fail_say_so_for_their_crystal(crystals, function, reason):
    featurizer = SupercellFeaturizer(20, site_features=[(function, ["a", "b"])])
    with pytest.raises(FeaturizationError, match=reason):
        featurizer.transform([crystals["NaCl"]])


@pytest.mark.parametrize("wrong", [7, density, (density, 3), (density, ()), ("density", ["a"])])
def test_what_is_neither_name_nor_features_is_refused(wrong):
    with pytest.raises(TypeError, match=r"site_features takes names, featurizers of matminer, and pairs"):
        split_features(["paper", wrong])


def test_names_must_differ():
    for twice in ([(density, "Number")], [(density, "a"), (density, "a")]):
        with pytest.raises(ValueError, match=r"two site features are named '(Number|a)': choose other names"):
            split_features(["paper", *twice])


def test_a_cache_does_not_keep_them(crystals, tmp_path):
    featurizer = SupercellFeaturizer(20, site_features=["paper", OWN], cache=tmp_path / "cache")
    with pytest.raises(ValueError, match=r"a cache keeps no site features of your own, .* set cache=None"):
        featurizer.fit([crystals["NaCl"]])


def test_networks_of_them_are_trained_saved_and_stored(structures, band_gaps, tmp_path):
    featurizer = SupercellFeaturizer(20, site_features=["paper", OWN])
    X = featurize_to_store(featurizer, structures[:12], tmp_path / "store")
    assert RaggedCrystals.open(tmp_path / "store").site_feature_names[-2:] == OWN[1]
    model = SiteNetRegressor(max_epochs=1, random_state=0).fit(X, band_gaps[:12])
    save_model(model, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(load_model(tmp_path / "model.safetensors").predict(X), model.predict(X))
    with pytest.raises(TypeError, match=r"site_features=.* cannot be saved"):
        save_model(make_pipeline(featurizer, model), tmp_path / "pipeline.safetensors")
