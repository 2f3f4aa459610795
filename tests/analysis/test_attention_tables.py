import numpy as np
import pandas as pd
import pytest

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.analysis.attention import (
    attention_by_elements,
    attention_range,
    long_range_coefficients,
    strongest_neighbors,
    summarize_attention,
)


@pytest.fixture(scope="module")
def model(featurized, band_gaps):
    return SiteNetRegressor(max_epochs=1, site_dim=4, random_state=0).fit(featurized, band_gaps)


def test_neighbors_are_the_strongest_of_every_site(model, featurized):
    ids, formulas = ["a", "b"], ["A", "B"]
    tables = list(strongest_neighbors(model, featurized[:2], ids, formulas, top=2))
    whole = next(strongest_neighbors(model, featurized[:1], ids, formulas, top=10**6))
    keys = ["block", "head", "site"]
    np.testing.assert_allclose(whole.groupby(keys)["attention"].sum(), 1, rtol=1e-5)
    assert [set(table["id"]) for table in tables] == [{"a"}, {"b"}]
    assert tables[0].groupby(keys).size().max() == 2
    strongest = whole.groupby(keys)["attention"].max()
    pd.testing.assert_series_equal(tables[0].groupby(keys)["attention"].first(), strongest)


def test_summaries_are_those_of_the_analysis(model, featurized):
    X, ids = featurized[:4], list("abcd")
    pd.testing.assert_frame_equal(summarize_attention(model, X, ids, ids, "ranges"), attention_range(model, X))
    pd.testing.assert_frame_equal(summarize_attention(model, X, ids, ids, "elements"), attention_by_elements(model, X))
    table = summarize_attention(model, X, ids, ids, "long-range").set_index(["id", "block", "head"])
    assert table.loc[("c", 2, 3), "coefficient"] == long_range_coefficients(model, X)[2, 1, 2]
    with pytest.raises(ValueError, match="summary must be one of ranges, elements, long-range, got 'all'"):
        summarize_attention(model, X, ids, ids, "all")
