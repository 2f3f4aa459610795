import numpy as np
import pytest

from sitenet_sklearn.cli.baselines import baseline_errors, magpie_features


def test_magpie_features_are_complete(structures):
    features = magpie_features([structure.composition for structure in structures[:5]])
    assert features.shape == (5, 132)
    assert np.isfinite(features).all()


def test_errors_are_those_of_the_rows_to_test_on(structures, band_gaps):
    compositions = [structure.composition for structure in structures]
    train, test = np.arange(30), np.arange(30, 40)
    errors = baseline_errors(compositions, band_gaps, train, test)
    assert errors["median"] == pytest.approx(np.abs(band_gaps[test] - np.median(band_gaps[train])).mean())
    assert 0 < errors["gradient boosting, Magpie"] < 3
