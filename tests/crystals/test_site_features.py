import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from redescribe import redescribe

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.crystals.elements import elemental_property_names
from sitenet_sklearn.crystals.site_features import (
    ENVIRONMENT,
    SITE_FEATURES,
    SYMMETRY,
    describe_sites,
    site_feature_groups,
    site_feature_names,
)


def of_rock_salt(crystals, names):
    X = SupercellFeaturizer(max_atoms=20, site_features=names).transform([crystals["NaCl"]])
    return dict(zip(X.site_feature_names, X[0].site_features[0], strict=True))


def in_order(crystal):
    return crystal.site_features[np.lexsort(crystal.site_features.round(3).T)]


def test_columns_of_sodium_and_chlorine_by_hand():
    names, numbers, charges = ("Electronegativity", "OxidationState", "Number"), np.array([11, 17]), np.array([1, -1])
    columns, kinds = describe_sites(names, numbers, charges)
    assert columns.tolist() == [[0.93, 1, 11], [3.16, -1, 17]]
    assert kinds.tolist() == [0, 1]


def test_groups_and_names_mix_in_any_order():
    assert len(SITE_FEATURES) == len(set(SITE_FEATURES)) == 9
    assert site_feature_names("elements") == (*elemental_property_names(), "OxidationState")
    assert set(SITE_FEATURES) < set(site_feature_names("elements"))
    assert site_feature_names() == site_feature_names(["elements", "environment", "symmetry"])
    assert site_feature_names(["symmetry", "Row", "paper"]) == (
        *SYMMETRY,
        "Row",
        *(n for n in SITE_FEATURES if n != "Row"),
    )
    everything = site_feature_groups()["all"]
    assert len(set(everything)) == len(everything)


def test_every_column_is_where_its_name_says(crystals):
    everything = of_rock_salt(crystals, "all")
    mixed = ("log_orbit_size", "neighbors_l4_r2.8", "Number", "is_cubic", "radius_l0_r1.6", "OxidationState")
    assert of_rock_salt(crystals, mixed) == {name: everything[name] for name in mixed}


def test_rock_salt_by_hand(crystals):
    found = of_rock_salt(crystals, "all")
    assert [name for name in SYMMETRY[:7] if found[name]] == ["is_cubic"]
    assert found["is_centrosymmetric"] == 1
    orders = [found[f"log_{name}"] for name in ("point_group_order", "site_symmetry_order", "orbit_size")]
    np.testing.assert_allclose(np.exp(orders), [48, 48, 1], rtol=1e-6)
    np.testing.assert_allclose(np.exp(found["log_volume_per_atom"]), 5.69**3 / 8, rtol=1e-6)
    np.testing.assert_allclose(found["packing_fraction"], 4 / 3 * np.pi * (1.8**3 + 1.0**3) / (5.69**3 / 4), rtol=1e-6)
    six = 6 * np.exp(-(((5.69 / 2 - 2.8) / 0.5) ** 2)) * (1 + np.cos(np.pi * 5.69 / 2 / 5.5)) / 2
    assert 0 < found["neighbors_l0_r2.8"] - six < 0.5  # and a little of the 12 next ones
    assert all(abs(found[name]) < 1e-6 for name in ENVIRONMENT if "_l1_" in name or "_l2_" in name or "_l5_" in name)


def test_features_of_environment_and_symmetry_enter_a_network_small(structures, band_gaps):
    X = SupercellFeaturizer(20, site_features="all").transform(structures)
    network = SiteNetRegressor(max_epochs=1, random_state=0).fit(X, band_gaps).net_.module_
    values = (X.field("site_features") - network.site_shift.numpy()) / network.site_scale.numpy()
    weights = X.field("multiplicity")
    spread = np.sqrt(np.average(values**2, axis=0, weights=weights))
    expected = np.where([name in {*ENVIRONMENT, *SYMMETRY} for name in X.site_feature_names], 0.1, 1.0)
    varies = np.ptp(values, axis=0) > 1e-5
    np.testing.assert_allclose(spread[varies], expected[varies], rtol=1e-3)


def test_noise_in_features_that_symmetry_forbids_is_not_scaled_up():
    """Sites of rock salt have no moments of odd degree, those of zincblende do, which must not become huge."""
    pairs = zip((5.6, 4.2, 5.1, 6.2), (["Na", "Cl"], ["Mg", "O"], ["Li", "Cl"], ["K", "Cl"]), strict=True)
    rock_salts = [Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), s, [[0] * 3, [0.5] * 3]) for a, s in pairs]
    blende = Structure.from_spacegroup("F-43m", Lattice.cubic(5.65), ["Ga", "As"], [[0] * 3, [0.25] * 3])
    featurizer = SupercellFeaturizer.from_preset("accurate", max_atoms=20)
    X, other = featurizer.transform(rock_salts), featurizer.transform([blende])
    network = SiteNetRegressor(max_epochs=1, random_state=0).fit(X, np.arange(4.0)).net_.module_
    values = (other[0].site_features - network.site_shift.numpy()) / network.site_scale.numpy()
    odd = [k for k, name in enumerate(X.site_feature_names) if "_l3_" in name]
    assert 0.01 < np.abs(values[:, odd]).max() < 1


def test_names_are_checked():
    assert site_feature_names(["Row"]) == ("Row",)
    for wrong, similar in {"enviroment": "environment", "Electronegativty": "Electronegativity", 7: "paper"}.items():
        with pytest.raises(ValueError, match=f"unknown site feature {wrong!r}; did you mean .*{similar}"):
            site_feature_names([wrong])
    with pytest.raises(ValueError, match="must name at least one feature"):
        site_feature_names(())


@pytest.mark.parametrize("name", ["NaCl", "graphite", "HfH3", "triclinic", "layer in vacuum"])
def test_other_descriptions_give_the_same_features(crystals, rng, name):
    featurizer = SupercellFeaturizer(max_atoms=60, site_features="all")
    expected = in_order(featurizer.transform([crystals[name]])[0])
    for supercell in (None, [1, 2, 1], [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]):
        found = in_order(featurizer.transform([redescribe(crystals[name], rng, supercell)])[0])
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_compression_stays_exact(structures, band_gaps):
    """Predictions of a network that sees environment and symmetry agree with those of the uncompressed path."""
    full, merged = (
        SupercellFeaturizer(30, site_features="all", compress=compress).transform(structures[:20])
        for compress in (False, True)
    )
    assert len(merged.field("pair_count")) < 0.6 * len(full.field("pair_count"))
    model = SiteNetRegressor(max_epochs=2, random_state=0).fit(merged, band_gaps[:20])
    np.testing.assert_allclose(model.predict_raw(merged), model.predict_raw(full), atol=1e-5)


def test_noise_does_not_split_equal_sites(structures):
    plain, finer = (SupercellFeaturizer(30, site_features=names) for names in ("paper", "all"))
    for structure in structures[:20]:
        noisy = structure.copy()
        noisy.perturb(1e-6)
        assert len(finer.transform([noisy])[0].multiplicity) == len(finer.transform([structure])[0].multiplicity)
    merged = plain.transform(structures).site_sizes.sum(), finer.transform(structures).site_sizes.sum()
    assert merged[0] <= merged[1] <= 1.1 * merged[0]


def test_sites_of_other_surroundings_are_kept_apart(crystals):
    """Both oxygens of a chain see the same distances in a supercell of one cell, but not the same surroundings."""
    stretched = crystals["triclinic"]
    plain = SupercellFeaturizer(4, site_features="paper").transform([stretched])[0]
    finer = SupercellFeaturizer(4, site_features="all").transform([stretched])[0]
    assert len(plain.multiplicity) == len(finer.multiplicity) == 4
