import numpy as np
import pandas as pd
import pytest
import typer
from sklearn.pipeline import Pipeline

from sitenet_sklearn import CalibratedRegressor, SiteNetClassifier, SiteNetEnsemble, SiteNetRegressor
from sitenet_sklearn.cli.held_out import fit_and_hold_out, report, share_to_hold_out, with_answers
from sitenet_sklearn.tables.labelled import Labelled

PLAIN = Pipeline([("featurizer", "passthrough"), ("sitenet", SiteNetRegressor())])
CLASSES = Pipeline([("featurizer", "passthrough"), ("sitenet", SiteNetClassifier())])
ASKED = {"share": 0.1, "members": 1, "seed": 0}


@pytest.mark.parametrize(
    ("pipeline", "y", "options", "expected"),
    [
        (PLAIN, np.zeros(200), {}, CalibratedRegressor),
        (PLAIN, np.zeros(200), {"share": 0.0}, SiteNetRegressor),
        (PLAIN, np.zeros(200), {"share": 0.0, "members": 3}, SiteNetEnsemble),
        (PLAIN, np.zeros((200, 2)), {}, SiteNetRegressor),
        (PLAIN, np.array([np.nan, *np.zeros(199)]), {}, SiteNetRegressor),
        (CLASSES, np.array(["a", "b"] * 100), {}, SiteNetClassifier),
    ],
)
def test_what_can_be_calibrated_is(pipeline, y, options, expected):
    before = type(pipeline[-1])
    assert type(with_answers(pipeline, y, **ASKED | options)[-1]) is expected
    assert type(pipeline[-1]) is before


def test_members_are_inside_the_calibration():
    model = with_answers(PLAIN, np.zeros(100), **ASKED | {"members": 4, "share": 0.25})[-1]
    assert (model.calibration_fraction, model.estimator.n_members) == (0.25, 4)


def test_a_tenth_is_held_out_where_it_is_enough(capsys):
    assert [share_to_hold_out(n, None) for n in (91, 90)] == [0.1, 0]
    assert "crystals: 90, too few to hold out some" in capsys.readouterr().err
    assert share_to_hold_out(20, 0.5) == 0.5
    assert share_to_hold_out(20, 0.0) == 0
    with pytest.raises(typer.BadParameter, match=r"--held-out 0\.2 of 20 crystals are fewer than 10: hold out more"):
        share_to_hold_out(20, 0.2)


class Recorder:
    """A model that says what it was trained on."""

    def __init__(self, *, kind="regressor"):
        self.kind = kind

    def fit(self, X, y):
        self.rows_, self.y_ = X, y
        return self

    def __sklearn_tags__(self):
        return (SiteNetClassifier() if self.kind == "classifier" else SiteNetRegressor()).__sklearn_tags__()


def held_out(y, kind, share=0.1):
    pipeline = Pipeline([("featurizer", "passthrough"), ("sitenet", Recorder(kind=kind))])
    crystals = Labelled(pd.Series(range(len(y))), y, ["a"], [])
    test = fit_and_hold_out(pipeline, crystals, share=share, seed=0)
    assert sorted([*test, *pipeline[-1].rows_]) == list(range(len(y)))
    np.testing.assert_array_equal(pipeline[-1].y_, y[pipeline[-1].rows_])
    return test


def test_classes_are_held_out_in_proportion_and_rare_ones_not_at_all():
    y = np.array(["a"] * 100 + ["b"] * 50 + ["c"] * 9 + ["d"])
    assert np.unique(y[held_out(y, "classifier")], return_counts=True)[1].tolist() == [10, 5]
    assert len(held_out(np.array([f"{k}" for k in range(200)]), "classifier")) == 0


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
def test_all_classes_and_targets_are_learned(share, capsys):
    for counts in ((8, 8, 8, 8, 8), (2, 38), (30, 3, 7), (1,) * 40):
        y = np.repeat([f"class {k}" for k in range(len(counts))], counts)
        test = held_out(y, "classifier", share)
        assert set(np.delete(y, test)) == set(y)
        assert bool(len(test)) != ("no crystals are held out" in capsys.readouterr().err)
    y = np.full((40, 2), 1.0)
    y[2:, 1] = np.nan
    assert np.isfinite(np.delete(y, held_out(y, "regressor", share), axis=0)).any(axis=0).all()


def test_rows_of_targets_that_few_crystals_have_are_all_trained_on():
    y = np.full((200, 2), np.nan)
    y[:, 0], y[:5, 1] = 1.0, 2.0
    for seed_share in (0.1, 0.4):
        test = held_out(y, "regressor", seed_share)
        assert len(test) == np.ceil(seed_share * (200 if seed_share == 0.4 else 195))
    assert not len(held_out(y, "regressor", 0.0))
    assert np.isnan(y[held_out(y, "regressor"), 1]).all()


class Known(Recorder):
    """A fitted model with given answers."""

    pretrained = None

    def __init__(self, answers=None, *, kind="regressor"):
        super().__init__(kind=kind)
        self.answers, self.rows_ = answers, None

    def predict(self, X):
        return self.answers[X.index]


def fitted(answers, kind):
    return Pipeline([("featurizer", "passthrough"), ("sitenet", Known(answers, kind=kind))])


def test_report_of_several_targets_counts_known_ones(structures, capsys):
    y = np.stack([np.arange(40.0), np.arange(40.0)], axis=1)
    y[30:35, 1] = np.nan
    answers = np.nan_to_num(y) + np.array([1.0, 2.0])
    crystals = Labelled(pd.Series(structures[:40]), y, ["gap", "energy"], [])
    about = report(fitted(answers, "regressor"), crystals, np.arange(30, 40), "eV")
    assert about["mean absolute error of gap"]["Site-Net"] == 1
    assert about["mean absolute error of energy"]["Site-Net"] == 2
    assert about["mean absolute error of energy"]["median"] == 37 - 14.5
    assert about["held out"] == 10
    shown = capsys.readouterr().err
    assert "mean absolute error of energy on 10 held-out crystals (eV):" in shown
    assert "A simpler model" not in shown


def test_report_of_classes_is_an_accuracy(structures, capsys):
    y = np.array(["no", "yes", "yes", "yes"] * 10)
    answers = np.array(["no"] * 40)
    crystals = Labelled(pd.Series(structures[:40]), y, ["kind"], [])
    about = report(fitted(answers, "classifier"), crystals, np.arange(20, 40), "")
    assert about["accuracy"]["Site-Net"] == 0.25
    assert about["accuracy"]["most frequent class"] == 0.75
    shown = capsys.readouterr().err
    assert "accuracy on 20 held-out crystals:" in shown
    assert "A simpler model is better here" in shown


def test_nothing_held_out_nothing_reported(structures):
    crystals = Labelled(pd.Series(structures[:4]), np.zeros(4), ["gap"], [])
    about = report(fitted(np.zeros(4), "regressor"), crystals, np.zeros(0, int), "eV")
    assert sorted(about) == ["crystals", "date", "target", "unit"]
