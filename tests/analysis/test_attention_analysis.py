import tracemalloc

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.analysis.attention import (
    attention_by_elements,
    attention_histogram,
    attention_range,
    long_range_coefficients,
    neighbor_table,
)


@pytest.fixture(scope="module")
def model(featurized, band_gaps):
    return SiteNetRegressor(max_epochs=3, random_state=0).fit(featurized, band_gaps)


@pytest.fixture(scope="module")
def uncompressed(structures):
    return SupercellFeaturizer.from_preset("paper", max_atoms=50, compress=False).transform(structures)


@pytest.fixture(scope="module")
def expanded(model, uncompressed):
    """Distances and weights of every single pair."""
    records = model.attention(uncompressed)
    assert all((record.count == 1).all() and (record.multiplicity == 1).all() for record in records)
    return np.concatenate([r.distance for r in records]), np.concatenate([r.weights for r in records])


def test_the_histogram_counts_every_single_pair(model, featurized, uncompressed, expanded):
    distance, weights = expanded
    found = attention_histogram(model, featurized, bins=(20, 10))
    assert (found.counts.sum(axis=(2, 3)) == len(distance)).all()
    for block, head in np.ndindex(2, 3):
        edges = (found.distance_edges, found.weight_edges)
        expected, *_ = np.histogram2d(distance, weights[:, block, head].astype(float).clip(1e-6, 1), edges)
        np.testing.assert_array_equal(found.counts[block, head], expected)
    whole = attention_histogram(model, uncompressed, bins=(20, 10))
    np.testing.assert_array_equal(found.counts, whole.counts)
    sums = found.normalized.sum(axis=3)
    np.testing.assert_allclose(sums[found.counts.sum(axis=3) > 0], 1)
    assert (sums[found.counts.sum(axis=3) == 0] == 0).all()


def test_the_histogram_in_pieces_is_that_of_the_whole(model, featurized):
    parts = [attention_histogram(model, featurized[k : k + 8], max_distance=9.0).counts for k in range(0, 40, 8)]
    np.testing.assert_allclose(sum(parts), attention_histogram(model, featurized, max_distance=9.0).counts)


def test_long_range_coefficients_are_the_largest_products(model, featurized, uncompressed):
    expected = [
        (record.distance[:, None, None] * record.weights).max(axis=0) for record in model.attention(uncompressed)
    ]
    np.testing.assert_allclose(long_range_coefficients(model, featurized), expected, rtol=1e-5, atol=1e-6)


def test_ranges_are_weighted_quantiles(model, featurized, expanded):
    distance, weights = expanded
    found = attention_range(model, featurized, quantiles=(0.25, 0.9)).set_index(["block", "head"])
    order = np.argsort(distance)
    for block, head in np.ndindex(2, 3):
        weight = weights[:, block, head].astype(float)
        row = found.loc[block + 1, head + 1]
        assert row["mean"] == pytest.approx(np.average(distance, weights=weight), rel=1e-5)
        share = weight[order].cumsum() / weight.sum()
        for q in (0.25, 0.9):
            assert abs(row[f"q{q}"] - distance[order][np.searchsorted(share, q)]) < 0.03


def test_attention_is_shared_among_elements(model, featurized):
    table = attention_by_elements(model, featurized[7:8])
    np.testing.assert_allclose(table.groupby(["block", "head", "element_i"])["attention"].sum(), 1, rtol=1e-5)
    record, crystal = model.attention(featurized[7:8])[0], featurized[7]
    neighbors = neighbor_table(record, crystal)
    assert len(neighbors) == 6 * len(record.distance)
    np.testing.assert_allclose(neighbors.groupby(["site", "block", "head"])["attention"].sum(), 1, rtol=1e-5)
    several = attention_by_elements(model, featurized)
    row = several.iloc[0]
    mean = 0
    for k in range(40):
        part = neighbor_table(model.attention(featurized[k : k + 1])[0], featurized[k])
        chosen = part[(part.block == 1) & (part["head"] == 1) & (part.element_i == row.element_i)]
        chosen = chosen[chosen.element_j == row.element_j]
        mean += (chosen.attention * chosen.multiplicity).sum()
    assert row.attention * row.sites == pytest.approx(mean, rel=1e-5)


def test_masked_crystals_count_nothing(model, structures):
    with pytest.warns(UserWarning, match="masked"):
        X = SupercellFeaturizer.from_preset("paper", max_atoms=50, on_error="mask").transform(
            [*structures[:3], "none.cif"]
        )
    assert np.isnan(long_range_coefficients(model, X)[3]).all()
    whole, part = (attention_histogram(model, crystals, max_distance=8.0) for crystals in (X, X[:3]))
    np.testing.assert_array_equal(whole.counts, part.counts)
    assert len(attention_by_elements(model, X))
    assert np.isfinite(attention_range(model, X)["mean"]).all()


@pytest.mark.parametrize(
    "function", [attention_histogram, long_range_coefficients, attention_range, attention_by_elements]
)
def test_errors(function, featurized):
    with pytest.raises(NotFittedError):
        function(SiteNetRegressor(), featurized)
    with pytest.raises(TypeError, match="RaggedCrystals"):
        function(SiteNetRegressor(), [1, 2])


@pytest.mark.slow
def test_ten_million_pairs_take_the_memory_of_a_few_crystals(model, structures):
    X = SupercellFeaturizer.from_preset("paper", max_atoms=100).transform(structures)
    many = X[np.resize(np.arange(len(X)), 16000)]
    tracemalloc.start()
    few = attention_histogram(model, X)
    first_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    all_of_them = attention_histogram(model, many)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert all_of_them.counts[0, 0].sum() > 1e7
    assert all_of_them.counts[0, 0].sum() == few.counts[0, 0].sum() * 16000 / 40
    assert peak < 3 * first_peak
