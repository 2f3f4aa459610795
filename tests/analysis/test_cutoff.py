import numpy as np
import pytest
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.analysis.cutoff import compare_cutoff

TINY = {"max_epochs": 1, "site_dim": 4, "attention_hidden_layers": (5,), "random_state": 0}


def test_both_columns_are_cross_validation_on_the_same_folds(featurized, band_gaps):
    shuffled = KFold(3, shuffle=True, random_state=np.random.RandomState(0))
    found = compare_cutoff(SiteNetRegressor(**TINY), featurized, band_gaps, cutoff=2.5, cv=shuffled)
    folds = KFold(3, shuffle=True, random_state=0)
    for column, cutoff in (("none", None), ("cutoff", 2.5)):
        model = SiteNetRegressor(**TINY, cutoff=cutoff)
        expected = cross_val_score(model, featurized, band_gaps, cv=folds, scoring="neg_mean_absolute_error")
        np.testing.assert_allclose(found[column], expected, rtol=1e-5)
    assert (found["none"] != found["cutoff"]).all()


@pytest.mark.parametrize("normalization", ["layer", "batch"])
def test_pairs_beyond_the_cutoff_are_computed_for_statistics_alone(featurized, band_gaps, normalization):
    model = SiteNetRegressor(**TINY, cutoff=4.0, normalization=normalization).fit(featurized, band_gaps)
    n_pairs = []
    model.net_.module_.blocks[0].register_forward_hook(lambda _, inputs, __: n_pairs.append(len(inputs[1])))
    model.predict(featurized)
    near = np.count_nonzero(featurized.field("pair_distance") <= 4.0)
    assert sum(n_pairs) == (near if normalization == "layer" else featurized.pair_sizes.sum())
    assert near < featurized.pair_sizes.sum()


@pytest.mark.parametrize("cutoff", [10**40, 5])
def test_whole_numbers_are_cutoffs(featurized, band_gaps, cutoff):
    whole, real = (
        SiteNetRegressor(**TINY, cutoff=value).fit(featurized, band_gaps) for value in (cutoff, float(cutoff))
    )
    np.testing.assert_array_equal(whole.predict(featurized), real.predict(featurized))


def test_a_cutoff_beyond_the_supercell_changes_nothing(structures, band_gaps):
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), SiteNetRegressor(**TINY))
    found = compare_cutoff(pipeline, structures[:20], band_gaps[:20], cutoff=1e6, cv=2)
    np.testing.assert_allclose(found["none"], found["cutoff"], rtol=1e-5)


def test_errors_are_raised(featurized, band_gaps):
    with pytest.raises(ValueError, match="cutoff"):
        compare_cutoff(SiteNetRegressor(**TINY), featurized, band_gaps, cutoff=-1.0, cv=2)
