import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline

from sitenet_sklearn import CalibratedRegressor, SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.estimators.calibrated import FEWEST

SMALL = SiteNetRegressor(max_epochs=3, random_state=0)
ENSEMBLE = SiteNetEnsemble(SMALL, n_members=2, random_state=0)


@pytest.fixture(scope="module")
def calibrated(featurized, band_gaps):
    return CalibratedRegressor(ENSEMBLE, calibration_fraction=0.5, random_state=0).fit(featurized, band_gaps)


def test_predictions_are_those_of_the_estimator_inside(calibrated, featurized):
    np.testing.assert_array_equal(calibrated.predict(featurized), calibrated.estimator_.predict(featurized))
    table = calibrated.predict_table(featurized)
    np.testing.assert_allclose(table["prediction"], calibrated.predict(featurized), rtol=1e-5)
    np.testing.assert_allclose(table["std"], calibrated.estimator_.predict(featurized, return_std=True)[1], rtol=1e-4)


def test_intervals_hold_on_the_crystals_they_were_made_from(calibrated, featurized):
    for level in (0.5, 0.8):
        predicted, lower, _ = calibrated.predict_interval(featurized, level)
        assert (lower <= predicted).all()
        assert (lower >= 0).all()  # there is no negative gap
        scores = calibrated.calibration_.scale.scores
        inside = (scores <= calibrated.calibration_.scale.factor(level)).mean()
        assert level <= inside <= level + 2 / len(scores)
    assert (calibrated.predict_interval(featurized, 0.99)[2] == np.inf).all()  # with 20 crystals nobody knows


def test_training_crystals_are_near_and_their_own_reason(calibrated, featurized):
    known = calibrated.calibration_.known
    table = calibrated.predict_table(featurized)
    for label, formula, value in zip(known.labels, known.formulas, known.values, strict=True):
        assert table["nearest"][int(label)].startswith(f"{formula} ({label}, {value:.4g}); ")
    assert len(known.labels) + len(calibrated.calibration_.scale.scores) == len(featurized)
    assert table["novelty"].between(0, 100).all()


def test_flags_name_rare_and_unknown_elements(calibrated, featurized):
    flags = calibrated.predict_table(featurized)["flags"]
    counts = calibrated.calibration_.known.counts
    assert max(counts.values()) >= 1
    assert flags.str.contains("in only 1 training crystal(?:;|$)", regex=True).any()
    unknown = calibrated.calibration_._replace(known=calibrated.calibration_.known._replace(counts={}))
    other = pickle.loads(pickle.dumps(calibrated))
    other.calibration_ = unknown
    table, widened = calibrated.predict_table(featurized, 0.8), other.predict_table(featurized, 0.8)
    assert widened["flags"].str.contains("in no training crystal").all()
    assert (widened["upper"] >= table["upper"]).all()
    assert (widened["upper"] > table["upper"]).any()


def test_oversized_crystals_are_flagged(band_gaps, dielectric):
    X = SupercellFeaturizer(max_atoms=4).transform(dielectric.data[:40])
    model = CalibratedRegressor(SMALL, calibration_fraction=0.5, random_state=0).fit(X, band_gaps)
    flags = model.predict_table(X)["flags"]
    assert flags.str.contains("cell larger than max_atoms").tolist() == X.oversized.tolist()


def test_masked_crystals_have_empty_rows_and_labels_stay(calibrated, dielectric):
    items = pd.Series([dielectric.data[0], None, dielectric.data[2]], index=["a", "b", "c"], dtype=object)
    with pytest.warns(UserWarning, match="masked"):
        X = SupercellFeaturizer.from_preset("paper", max_atoms=50, on_error="mask").transform(items)
    table = calibrated.predict_table(X)
    assert table.index.tolist() == ["a", "b", "c"]
    assert table["prediction"].isna().tolist() == [False, True, False]
    assert table.loc["b", ["flags", "nearest"]].tolist() == ["", ""]
    assert calibrated.predict_table(X[[1]]).shape[0] == 1


def test_a_single_network_has_no_spread(featurized, band_gaps):
    model = CalibratedRegressor(SMALL, calibration_fraction=0.5, random_state=0).fit(featurized, band_gaps)
    assert "std" not in model.predict_table(featurized)
    assert len(model.calibration_.scale.weights) == 2


def test_quantities_that_are_often_0_have_a_probability_to_be_more(featurized, band_gaps):
    y = np.where(np.arange(len(band_gaps)) % 2, band_gaps + 1, 0.0)
    rows = np.tile(np.arange(len(y)), 2)
    fitted = SiteNetRegressor(max_epochs=30, random_state=0).fit(featurized, y)
    model = CalibratedRegressor.from_fitted(fitted, (featurized, y), (featurized[rows], y[rows]))
    chance = model.predict_table(featurized)["probability_above_0"]
    assert chance.between(0, 1).all()
    assert np.corrcoef(chance, y > 0)[0, 1] > 0.5
    no_clamp = SiteNetRegressor(max_epochs=1, random_state=0, clamp=False).fit(featurized, y)
    model = CalibratedRegressor.from_fitted(no_clamp, (featurized, y), (featurized[rows], y[rows]))
    table = model.predict_table(featurized)
    assert "probability_above_0" not in table
    assert (table["lower"] < 0).any()


def test_it_works_in_a_pipeline_and_in_cross_validation(dielectric, band_gaps):
    model = CalibratedRegressor(SMALL, calibration_fraction=0.5, random_state=0)
    pipe = Pipeline([("featurizer", SupercellFeaturizer(max_atoms=20)), ("sitenet", model)])
    predicted = cross_val_predict(pipe, dielectric.data[:40], band_gaps, cv=2)
    assert np.isfinite(predicted).all()
    assert clone(model).get_params()["calibration_fraction"] == 0.5


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X, y: (X, y[:-1]), ValueError, "one target for each of 40 crystals"),
        (lambda X, y: (X, np.column_stack([y, y])), ValueError, "takes one target, got 2"),
        (lambda X, y: (X, np.where(np.arange(len(y)) == 3, np.nan, y)), ValueError, "got nan at index 3"),
        (lambda X, y: (X, np.ma.masked_array(y, np.arange(len(y)) == 1)), ValueError, "y is masked at index 1"),
        (lambda X, y: (X, np.where(np.arange(len(y)) == 17, -3.0, y)), ValueError, r"y\[17\] is -3, but the network"),
        (lambda X, y: (X[:12], y[:12]), ValueError, f"at least {FEWEST} crystals are needed to calibrate, got 6"),
        (lambda _, y: ([1], y), TypeError, "put a SupercellFeaturizer before it"),
    ],
)
def test_what_cannot_be_calibrated_is_said(featurized, band_gaps, change, error, message):
    model = CalibratedRegressor(SMALL, calibration_fraction=0.5, random_state=0)
    with pytest.raises(error, match=message):
        model.fit(*change(featurized, band_gaps))


def test_other_estimators_and_levels_are_refused(calibrated, featurized, band_gaps):
    pipe = Pipeline([("sitenet", clone(SMALL))]).fit(featurized, band_gaps)
    with pytest.raises(TypeError, match="put the featurizer before it"):
        CalibratedRegressor.from_fitted(pipe, (featurized, band_gaps), (featurized, band_gaps))
    two = clone(SMALL).fit(featurized, np.column_stack([band_gaps, band_gaps]))
    with pytest.raises(ValueError, match="takes one target, the network has several"):
        CalibratedRegressor.from_fitted(two, (featurized, band_gaps), (featurized, band_gaps))
    for level in (90, "0.9", None):
        with pytest.raises(ValueError, match=f"level must lie between 0 and 1, got {level!r}"):
            calibrated.predict_interval(featurized, level)


def test_only_crystals_that_were_trained_on_are_remembered(band_gaps, structures):
    X = SupercellFeaturizer(max_atoms=4).transform(structures)
    with pytest.warns(UserWarning, match="left out of training"):
        model = CalibratedRegressor(
            clone(SMALL).set_params(train_oversized=False), calibration_fraction=0.5, random_state=0
        ).fit(X, band_gaps)
    assert not X.oversized[list(map(int, model.calibration_.known.labels))].any()


def test_weights_are_those_of_the_crystals_that_are_trained_on(featurized, band_gaps, monkeypatch):
    seen = {}

    def fit(_self, X, _y, sample_weight=None):
        seen.update(zip(X.index, sample_weight, strict=True))
        raise InterruptedError

    monkeypatch.setattr(SiteNetRegressor, "fit", fit)
    X = featurized[:]
    X.index = pd.Index(np.arange(len(X)))
    weight = np.arange(1.0, len(X) + 1)
    model = CalibratedRegressor(SMALL, calibration_fraction=0.5, random_state=0)
    with pytest.raises(InterruptedError):
        model.fit(X, band_gaps, sample_weight=weight)
    assert len(seen) == len(X) // 2
    assert all(weight[label] == value for label, value in seen.items())
    with pytest.raises(ValueError, match="sample_weight must hold one weight for each of 40 crystals"):
        model.fit(X, band_gaps, sample_weight=weight[1:])


@pytest.mark.slow
@pytest.mark.parametrize("element", ["F", "Te"])
def test_intervals_hold_for_an_element_that_was_left_out_of_training(element):
    structures, y = load_dielectric(return_X_y=True)
    X = SupercellFeaturizer().fit_transform(structures)
    has_it = np.array([element in structure.composition for structure in structures])
    others = np.random.RandomState(0).permutation(np.flatnonzero(~has_it))
    n_train = int(0.8 * len(others))
    network = SiteNetRegressor(max_epochs=20, random_state=0)
    model = CalibratedRegressor(network, calibration_fraction=0.2, random_state=0)
    model.fit(X[others[:n_train]], y[others[:n_train]])
    width = {}
    for name, rows in {"usual": others[n_train:], "left out": np.flatnonzero(has_it)}.items():
        predicted, lower, upper = model.predict_interval(X[rows], 0.9)
        width[name] = (upper - predicted).mean()
        inside = ((y[rows] >= lower) & (y[rows] <= upper)).mean()
        uncertainty = np.sqrt(0.09 / len(rows) + 0.09 / n_train / 0.2)  # of the crystals asked and of the calibration
        assert inside > 0.9 - 2 * uncertainty
        assert name == "left out" or inside < 0.9 + 2 * uncertainty
    assert width["left out"] > 1.5 * width["usual"]


def test_crystals_of_weight_0_are_not_remembered(featurized, band_gaps):
    weight = np.arange(len(band_gaps)) % 2
    model = CalibratedRegressor(SMALL, calibration_fraction=0.5, random_state=0)
    known = model.fit(featurized, band_gaps, sample_weight=weight).calibration_.known
    assert 0 < len(known.labels) < len(featurized) // 2
    assert all(int(label) % 2 for label in known.labels)
