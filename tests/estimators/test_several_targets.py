import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import make_scorer, mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import cross_val_score

from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor, load_model, save_model
from sitenet_sklearn.metrics import mean_over_targets
from sitenet_sklearn.tuning.search import tune

QUICK = SiteNetRegressor(max_epochs=1, site_dim=6, attention_hidden_layers=(8,), clamp=False, random_state=0)


@pytest.fixture
def several(band_gaps):
    targets = np.column_stack([band_gaps, -band_gaps])
    targets[::3, 1] = np.nan
    return targets


def test_each_target_can_be_clamped_or_not(featurized, several, tmp_path):
    model = clone(QUICK).set_params(clamp=[True, False], max_epochs=3).fit(featurized, several)
    raw, predicted = model.predict_raw(featurized), model.predict(featurized)
    assert (raw[:, 1] < 0).any()
    np.testing.assert_array_equal(predicted[:, 0], raw[:, 0].clip(min=0))
    np.testing.assert_array_equal(predicted[:, 1], raw[:, 1])
    save_model(model, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(load_model(tmp_path / "model.safetensors").predict(featurized), predicted)


@pytest.mark.parametrize(
    ("clamp", "message"),
    [
        (True, r"lowest .* of target 1\), which a clamped model cannot predict: pass clamp=False, or one truth value"),
        ((False, True), r"of target 1\), which a clamped model"),
        ((True,), r"clamp must be a truth value, or one for each target of y, got \(True,\)"),
        ((True, 0), "clamp must be a truth value, or one for each target of y"),
    ],
)
def test_negative_targets_of_a_clamped_output_are_refused(featurized, several, clamp, message):
    with pytest.raises(ValueError, match=message):
        clone(QUICK).set_params(clamp=clamp).fit(featurized, several)


@pytest.mark.parametrize("metric", [mean_absolute_error, r2_score, root_mean_squared_error])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_metric_of_scikit_learn_over_known_targets(rng, metric, weighted):
    y_true, y_pred = rng.normal(size=(2, 20, 3))
    weight = rng.uniform(size=20) if weighted else None
    for shape in (slice(None), [0], 0):
        expected = metric(y_true[:, shape], y_pred[:, shape], sample_weight=weight)
        found = mean_over_targets(y_true[:, shape], y_pred[:, shape], metric=metric, sample_weight=weight)
        assert found == pytest.approx(expected)
    y_true[:5, 1], y_true[:, 2] = np.nan, np.nan
    expected = np.mean(
        [
            metric(y_true[:, 0], y_pred[:, 0], sample_weight=weight),
            metric(y_true[5:, 1], y_pred[5:, 1], sample_weight=None if weight is None else weight[5:]),
        ]
    )
    assert mean_over_targets(y_true, y_pred, metric=metric, sample_weight=weight) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([[1, np.nan]], [1], r"targets have shape \(1, 2\), predictions \(1,\): pass one"),
        ([[np.nan, np.nan]], [[1, 2]], "none of the targets is known, all are NaN: leave these crystals out"),
        ([1, np.nan], [1, 2], "NaN"),
        ([[1, np.nan]], [[np.nan, 1]], "NaN"),
    ],
)
def test_what_cannot_be_scored_is_refused(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        mean_over_targets(y_true, y_pred)


def test_unknown_targets_have_no_score(featurized, several):
    for model in (clone(QUICK), SiteNetEnsemble(QUICK, n_members=2, random_state=0)):
        predicted, known = model.fit(featurized, several).predict(featurized), ~np.isnan(several[:, 1])
        scores = r2_score(several[:, 0], predicted[:, 0]), r2_score(several[known, 1], predicted[known, 1])
        assert model.score(featurized, several) == pytest.approx(np.mean(scores))


def test_models_of_unknown_targets_are_cross_validated_and_tuned(featurized, several):
    scorer = make_scorer(mean_over_targets, greater_is_better=False)
    scores = cross_val_score(QUICK, featurized, several, cv=2, scoring=scorer, error_score="raise")
    assert np.isfinite(cross_val_score(QUICK, featurized, several, cv=2, error_score="raise")).all()
    space = {"lr": FloatDistribution(1e-4, 1e-2)}  # the first trial has the model's own
    result = tune(QUICK, featurized, several, space, cv=2, n_trials=1, random_state=0)
    assert result.study.best_value == pytest.approx(np.mean(scores))


def test_weights_reach_the_score_by_metadata_routing(featurized, band_gaps):
    with config_context(enable_metadata_routing=True):
        model = clone(QUICK).set_fit_request(sample_weight=False).set_score_request(sample_weight=True)
        weight = np.r_[np.ones(20), np.zeros(20)]
        scores = cross_val_score(
            model, featurized, band_gaps, cv=[(range(20), range(40))], params={"sample_weight": weight}
        )
    assert scores[0] == pytest.approx(model.fit(featurized[:20], band_gaps[:20]).score(featurized[:20], band_gaps[:20]))
