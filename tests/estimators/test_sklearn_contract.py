"""What scikit-learn expects of its estimators, on the inputs that these take."""

import inspect

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils import estimator_checks

import sitenet_sklearn
import sitenet_sklearn.tuning
from sitenet_sklearn import DisorderedRegressor, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.tuning import SiteNetSearchCV

WITHOUT_A_DEFAULT = (DisorderedRegressor, SiteNetSearchCV)

DATA_FREE_CHECKS = [
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]


def make_pipeline(**parameters):
    tiny = {"max_epochs": 1, "site_dim": 6, "attention_hidden_layers": (8,), "random_state": 0} | parameters
    return Pipeline([("featurizer", SupercellFeaturizer(max_atoms=20)), ("sitenet", SiteNetRegressor(**tiny))])


def public_estimators():
    """One of every public estimator class; those that wrap another get one."""
    for module in (sitenet_sklearn, sitenet_sklearn.tuning):
        for name in module.__all__:
            kind = getattr(module, name)
            if inspect.isclass(kind) and issubclass(kind, BaseEstimator):
                required = inspect.signature(kind).parameters.get("estimator")
                wraps = required is not None and required.default is inspect.Parameter.empty
                yield kind(SiteNetRegressor()) if wraps else kind()


@pytest.mark.parametrize("check", DATA_FREE_CHECKS)
@pytest.mark.parametrize("estimator", list(public_estimators()), ids=lambda e: type(e).__name__)
def test_data_free_checks(estimator, check):
    if check == "check_parameters_default_constructible" and isinstance(estimator, WITHOUT_A_DEFAULT):
        pytest.skip(
            "the estimator inside is required, and scikit-learn's check knows what to pass for its own classes only"
        )
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


def test_every_estimator_is_checked():
    names = {type(estimator).__name__ for estimator in public_estimators()}
    assert names == {
        "CalibratedRegressor",
        "DisorderedRegressor",
        "SiteNetClassifier",
        "SiteNetEnsemble",
        "SiteNetRegressor",
        "SiteNetSearchCV",
        "SupercellFeaturizer",
    }


def test_fit_predict_score(structures, band_gaps):
    pipeline = make_pipeline().fit(structures[:30], band_gaps[:30])
    assert pipeline.predict(structures[30:]).shape == (10,)
    assert np.isfinite(pipeline.score(structures[30:], band_gaps[30:]))
    assert is_regressor(pipeline)


def test_cross_validation_in_two_processes(structures, band_gaps):
    scores = [cross_val_score(make_pipeline(), structures[:24], band_gaps[:24], cv=2, n_jobs=k) for k in (None, 2)]
    np.testing.assert_allclose(*scores, rtol=1e-4)


def test_cross_validation_of_the_regressor_on_featurized_crystals_is_that_of_the_pipeline(structures, band_gaps):
    X = SupercellFeaturizer(max_atoms=20).transform(structures[:24])
    arguments = {"cv": 3, "scoring": "neg_mean_absolute_error"}
    alone = cross_val_score(make_pipeline()["sitenet"], X, band_gaps[:24], **arguments)
    piped = cross_val_score(make_pipeline(), structures[:24], band_gaps[:24], **arguments)
    np.testing.assert_allclose(alone, piped)


def test_grid_search_reaches_both_steps(structures, band_gaps):
    grid = {"featurizer__max_atoms": [20, 25], "sitenet__n_blocks": [1, 2]}
    search = GridSearchCV(make_pipeline(), grid, cv=2, error_score="raise").fit(structures[:20], band_gaps[:20])
    assert set(search.best_params_) == set(grid)
    assert search.predict(structures[20:22]).shape == (2,)


def test_clone_and_set_params(structures, band_gaps):
    pipeline = make_pipeline().fit(structures[:10], band_gaps[:10])
    fresh = clone(pipeline).set_params(sitenet__lr=0.01, featurizer__max_atoms=9)
    assert fresh["sitenet"].get_params()["lr"] == 0.01
    assert not hasattr(fresh["sitenet"], "net_")
    with pytest.raises(ValueError, match="Invalid parameter 'width'"):
        fresh.set_params(sitenet__width=3)


def test_html_representation_names_both_steps():
    html = make_pipeline()._repr_html_()
    assert "SupercellFeaturizer" in html
    assert "SiteNetRegressor" in html


def test_saved_pipeline_predicts_the_same(structures, band_gaps, tmp_path):
    pipeline = make_pipeline().fit(structures[:10], band_gaps[:10])
    joblib.dump(pipeline, tmp_path / "pipeline.joblib")
    loaded = joblib.load(tmp_path / "pipeline.joblib")
    np.testing.assert_allclose(loaded.predict(structures), pipeline.predict(structures), atol=1e-5)


def test_metadata_routing_may_be_on(structures, band_gaps):
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(make_pipeline(), structures[:20], band_gaps[:20], cv=2, error_score="raise")
    assert np.isfinite(scores).all()


def test_a_bad_crystal_is_named_in_cross_validation(structures, band_gaps):
    broken = structures[3].copy()
    broken.replace_species({broken[0].specie: {broken[0].specie: 0.5}})
    bad = [*structures[:3], broken, *structures[4:10]]
    with pytest.raises(RuntimeError, match="disordered"):
        cross_val_score(make_pipeline(), bad, band_gaps[:10], cv=2, error_score="raise")
