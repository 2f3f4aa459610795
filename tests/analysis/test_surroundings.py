import numpy as np
import pytest

from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.analysis.attention import neighbor_table
from sitenet_sklearn.analysis.surroundings import surroundings_of

TINY = {"site_dim": 6, "max_epochs": 1}


@pytest.fixture(scope="module")
def featurizer():
    return SupercellFeaturizer(max_atoms=30)


@pytest.fixture(scope="module")
def network(featurizer, structures, band_gaps):
    X = featurizer.transform(structures)
    return SiteNetRegressor(**TINY, random_state=0).fit(X, band_gaps)


@pytest.mark.parametrize("name", ["NaCl", "CsCl", "Po", "graphite", "HfH3", "triclinic", "layer in vacuum"])
def test_attention_is_that_of_the_compressed_crystal(name, crystals, featurizer, network):
    found = surroundings_of(crystals[name], featurizer, [network])
    np.testing.assert_allclose(found.attention.sum(axis=1), 1, rtol=1e-5)
    X = featurizer.transform([crystals[name]])
    table = neighbor_table(network.attention(X)[0], X[0])
    n, blocks_and_heads = len(found.atomic_numbers), table.groupby(["block", "head"]).ngroups
    paid = (table["attention"] * table["multiplicity"]).groupby(table["element_j"]).sum() / blocks_and_heads
    for symbol, number in {(site.specie.symbol, site.specie.Z) for site in crystals[name]}:
        assert found.received[found.atomic_numbers == number].sum() == pytest.approx(paid[symbol], rel=1e-4)
    assert found.received.sum() == pytest.approx(n, rel=1e-5)


@pytest.mark.parametrize("name", ["NaCl", "graphite", "triclinic", "layer in vacuum"])
def test_positions_are_where_the_distances_say(name, crystals, featurizer, network):
    found = surroundings_of(crystals[name], featurizer, [network])
    whole = SupercellFeaturizer(max_atoms=30, compress=False).transform([crystals[name]])[0]
    for site in range(len(found.atomic_numbers)):
        sites, positions, shares = found.neighbors(site)
        own = whole.pair_site == site
        expected = whole.pair_distance[own & (whole.pair_distance > 0)]
        differences = np.abs(np.linalg.norm(positions, axis=1)[:, None] - expected)
        assert differences.min(axis=0).max() < 2e-3
        assert differences.min(axis=1).max() < 2e-3
        assert shares.sum() + found.attention[site, whole.pair_distance[own] == 0].sum() == pytest.approx(1, rel=1e-5)
        assert set(found.atomic_numbers[sites]) <= set(whole.atomic_numbers)


def test_a_symmetric_crystal_has_a_symmetric_picture(crystals, network):
    """The surroundings of Na in rock salt are the same from all sides."""
    found = surroundings_of(crystals["NaCl"], SupercellFeaturizer(max_atoms=54), [network])
    _, positions, shares = found.neighbors(0)
    np.testing.assert_allclose(shares @ positions, 0, atol=1e-4)
    nearest = positions[np.linalg.norm(positions, axis=1) < 3]
    assert len(nearest) == 6
    np.testing.assert_allclose(np.abs(nearest).max(axis=1), 5.69 / 2, atol=1e-3)


def test_several_networks_are_averaged(crystals, featurizer, structures, band_gaps):
    X = featurizer.transform(structures)
    members = SiteNetEnsemble(SiteNetRegressor(**TINY), n_members=2, random_state=1).fit(X, band_gaps).estimators_
    one, other, both = (
        surroundings_of(crystals["triclinic"], featurizer, some) for some in (members[:1], members[1:], members)
    )
    np.testing.assert_allclose(both.attention, (one.attention + other.attention) / 2, rtol=1e-5)
    assert not np.allclose(one.attention, other.attention)
