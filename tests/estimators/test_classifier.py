import pickle

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.model_selection import cross_validate, learning_curve
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetClassifier, SupercellFeaturizer

QUICK = {"max_epochs": 25, "lr": 0.003, "random_state": 0, "site_dim": 8, "attention_hidden_layers": (16,)}


@pytest.fixture(scope="module")
def kinds(band_gaps):
    return np.where(band_gaps > 2.5, "wide", np.where(band_gaps > 1, "middle", "narrow"))


@pytest.fixture(scope="module")
def model(featurized, kinds):
    return SiteNetClassifier(**QUICK).fit(featurized, kinds)


def test_classes_are_learned_with_probabilities_that_sum_to_one(model, featurized, kinds):
    assert list(model.classes_) == ["middle", "narrow", "wide"]
    probabilities = model.predict_proba(featurized)
    assert probabilities.shape == (40, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(model.predict(featurized), model.classes_[probabilities.argmax(axis=1)])
    assert model.score(featurized, kinds) > 0.7


def test_it_is_a_classifier_of_scikit_learn(structures, kinds, model, featurized):
    assert is_classifier(model)
    assert "clamp" not in model.get_params()
    assert clone(model).get_params() == model.get_params()
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), SiteNetClassifier(**QUICK | {"max_epochs": 2}))
    scores = cross_validate(pipeline, structures, kinds, cv=2, scoring=("accuracy", "neg_log_loss"))
    assert np.isfinite(scores["test_neg_log_loss"]).all()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(featurized), model.predict_proba(featurized))
    assert model.transform(featurized).shape == (40, 200)


def test_a_weight_of_zero_hides_a_class(featurized, kinds):
    weight = (kinds != "wide").astype(float)
    model = SiteNetClassifier(**QUICK).fit(featurized, kinds, sample_weight=weight)
    assert (model.predict(featurized) != "wide").all()


def test_early_stopping_and_numbers_as_classes(featurized, band_gaps):
    model = SiteNetClassifier(**QUICK | {"max_epochs": 3}, early_stopping=True).fit(featurized, band_gaps > 2)
    assert model.predict(featurized).dtype == bool
    assert len(model.history_[:, "valid_loss"]) == 3


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y is None"),
        (["a"] * 40, "at least two classes, got only .*a"),
        (["a", "b"], r"one class for each of 40 crystals, got shape \(2,\)"),
        (np.linspace(0, 1, 40), "Unknown label type: continuous"),
    ],
)
def test_wrong_classes_are_refused(featurized, y, message):
    with pytest.raises(ValueError, match=message):
        SiteNetClassifier().fit(featurized, y)


def test_masked_crystals_have_no_class(model, structures):
    with pytest.warns(UserWarning, match="masked"):
        X = SupercellFeaturizer.from_preset("paper", max_atoms=20, on_error="mask").transform(
            [structures[0], "no file"]
        )
    assert np.isnan(model.predict_proba(X)).all(axis=1).tolist() == [False, True]
    with pytest.raises(ValueError, match="1 crystals are masked and have no class, the first at index 1"):
        model.predict(X)


def test_classes_stay_those_that_training_began_with(featurized, kinds):
    order = np.argsort(kinds)
    X, y = featurized[order], kinds[order]
    model = SiteNetClassifier(**QUICK | {"max_epochs": 2}, early_stopping=True)
    model.fit(X, y, validation_data=(X[-5:], y[-5:]))
    assert list(model.classes_) == ["middle", "narrow", "wide"]
    model.partial_fit(X[-5:], y[-5:])
    assert list(model.classes_) == ["middle", "narrow", "wide"]
    with pytest.raises(ValueError, match="y holds the class 'odd' at index 0, but training began with"):
        model.partial_fit(X[-2:], ["odd", "wide"])


def test_partial_fit_is_told_all_classes_first(featurized, kinds):
    classes = ["wide", "narrow", "middle", "metal"]
    model = SiteNetClassifier(**QUICK).partial_fit(featurized[:1], kinds[:1], classes)
    assert list(model.classes_) == sorted(classes)
    model.partial_fit(featurized[:9], kinds[:9]).partial_fit(featurized[9:], kinds[9:], classes=classes)
    assert model.predict_proba(featurized).shape == (40, 4)
    assert len(model.history_) == 3
    assert list(model.fit(featurized, kinds).classes_) == ["middle", "narrow", "wide"]


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (["a", "c"], ["a", "b"], r"y holds the class 'c' at index 1, but training began with \['a', 'b'\]"),
        (["0", "1"], [0, 1], r"y holds the class '0' at index 0, but training began with \[0, 1\]"),
        (["a", "a"], ["a"], r"classes must list at least two classes, got \['a'\]"),
        (["a", "a"], None, "at least two classes, got only"),
        (["a", "b"], "ab", "classes must list at least two classes, got 'ab'"),
        (["a", "b"], [["a", "b"]], "classes must list at least two classes, got"),
    ],
)
def test_wrong_classes_of_the_first_call_are_refused(featurized, y, classes, message):
    model = SiteNetClassifier(**QUICK)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(featurized[:2], y, classes=classes)
    assert not hasattr(model, "classes_")


def test_other_classes_of_a_later_call_are_refused(featurized, kinds):
    model = SiteNetClassifier(**QUICK | {"max_epochs": 1}).fit(featurized, kinds)
    with pytest.raises(
        ValueError, match=r"classes=\['narrow', 'wide'\] are not those that training began with: \['mid"
    ):
        model.partial_fit(featurized[:2], ["wide", "wide"], classes=["wide", "narrow"])
    assert list(model.classes_) == ["middle", "narrow", "wide"]


def test_a_learning_curve_can_go_on_from_its_points(featurized, kinds):
    sizes, _, scores = learning_curve(
        SiteNetClassifier(**QUICK), featurized, kinds, train_sizes=[2, 9, 20], cv=2, exploit_incremental_learning=True
    )
    assert scores.shape == (len(sizes), 2)
