import pytest

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.estimators.parameters import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_estimators_whose_parameters_can_be_changed(name, featurized, band_gaps):
    model = SiteNetRegressor.from_preset(name, max_epochs=1, lr=0.001)
    assert (model.lr, model.max_epochs) == (0.001, 1)
    assert (model.batch_size == 1200) == name.startswith("paper")
    assert (model.cutoff == 5) == (name == "paper_cutoff")
    assert model.fit(featurized, band_gaps).predict(featurized).shape == (40,)


def test_the_paper_preset_has_the_parameters_of_the_published_model(parity):
    from sitenet_sklearn import load_reference_checkpoint

    published = load_reference_checkpoint(parity / "reference_checkpoint.ckpt").get_params()
    ours = SiteNetRegressor.from_preset("paper").get_params()
    different = {name for name in ours if ours[name] != published[name]}
    assert different == {"early_stopping", "validation_fraction"}  # how it was trained, not what it is


def test_the_accurate_preset_is_the_default():
    assert SiteNetRegressor.from_preset("accurate").get_params() == SiteNetRegressor().get_params()


def test_unknown_presets_are_refused():
    with pytest.raises(ValueError, match="unknown preset 'papers'; did you mean 'paper'"):
        SiteNetRegressor.from_preset("papers")
