import pytest
from sklearn.exceptions import NotFittedError

from sitenet_sklearn import SiteNetRegressor, load_model, save_model

QUICK = {"site_dim": 4, "attention_hidden_layers": (5,), "random_state": 0, "max_epochs": 2}


def test_losses_are_in_the_unit_of_the_target(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK).fit(featurized, band_gaps)
    assert len(model.loss_curve_) == 2
    assert model.validation_loss_curve_ == []
    in_mev = SiteNetRegressor(**QUICK).fit(featurized, 1000 * band_gaps)
    assert in_mev.loss_curve_ == pytest.approx([1000 * loss for loss in model.loss_curve_], rel=0.02)


def test_they_come_with_the_model_and_grow_with_it(featurized, band_gaps, tmp_path):
    model = SiteNetRegressor(**QUICK, early_stopping=True).fit(featurized, band_gaps)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert (again.loss_curve_, again.validation_loss_curve_) == (model.loss_curve_, model.validation_loss_curve_)
    assert len(model.partial_fit(featurized, band_gaps).loss_curve_) == 3


def test_without_training_there_are_none():
    with pytest.raises(NotFittedError):
        _ = SiteNetRegressor().loss_curve_
