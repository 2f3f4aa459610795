import numpy as np

from sitenet_sklearn.cli.baselines import baseline_predictions, magpie_features


def test_magpie_features_are_complete(structures):
    features = magpie_features([structure.composition for structure in structures[:5]])
    assert features.shape == (5, 132)
    assert np.isfinite(features).all()


def test_simple_models_predict_the_rows_to_test_on(structures, band_gaps):
    features, train, test = magpie_features([s.composition for s in structures]), np.arange(30), np.arange(30, 40)
    found = baseline_predictions(features, band_gaps, train, test)
    np.testing.assert_array_equal(found["median"], np.full(10, np.median(band_gaps[train])))
    assert 0 < np.abs(found["gradient boosting, Magpie"] - band_gaps[test]).mean() < 3


def test_simple_models_classify():
    features, y = np.arange(40.0)[:, None], np.array(["no"] * 15 + ["yes"] * 25)
    found = baseline_predictions(features, y, np.arange(40), np.array([0, 39]), classify=True)
    assert found["most frequent class"].tolist() == ["yes", "yes"]
    assert set(found["gradient boosting, Magpie"]) <= {"no", "yes"}
