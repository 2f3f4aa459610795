"""Crystals that a model has learned already, in other order and beside new ones."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import CalibratedRegressor, SiteNetRegressor, SupercellFeaturizer, save_model
from sitenet_sklearn.cli.learned import learned_rows


@pytest.fixture(scope="module")
def models(structures, band_gaps, tmp_path_factory):
    """A calibrated model and one without calibration, trained on the first 30 crystals, and the rows it held out."""
    folder = tmp_path_factory.mktemp("learned")
    network = SiteNetRegressor(max_epochs=2, random_state=0)
    calibrated = make_pipeline(SupercellFeaturizer(20), CalibratedRegressor(network, calibration_fraction=0.4))
    calibrated.fit(structures[:30], band_gaps[:30])
    save_model(calibrated, folder / "calibrated.safetensors")
    plain = make_pipeline(SupercellFeaturizer(20), network).fit(structures[:30], band_gaps[:30])
    save_model(plain, folder / "plain.safetensors")
    return folder, calibrated


def test_training_crystals_are_found_and_no_others(models, structures):
    folder, calibrated = models
    order = np.random.default_rng(0).permutation(40)
    X = calibrated[0].transform([structures[k] for k in order])
    expected = (order < 30) & ~np.isin(order, calibrated[-1].held_out_rows_)
    np.testing.assert_array_equal(learned_rows(folder / "calibrated.safetensors", X), expected)


def test_masked_crystals_were_not_learned(models, structures):
    folder, calibrated = models
    learned = np.setdiff1d(np.arange(30), calibrated[-1].held_out_rows_)
    with pytest.warns(UserWarning, match="cannot be featurized"):
        X = SupercellFeaturizer(20, on_error="mask").transform([None, structures[learned[0]]])
    assert learned_rows(folder / "calibrated.safetensors", X).tolist() == [False, True]


def test_without_a_calibration_nothing_is_known(models, structures):
    folder, calibrated = models
    assert learned_rows(folder / "plain.safetensors", calibrated[0].transform(structures)) is None
