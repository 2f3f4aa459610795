import pytest

from sitenet_sklearn import SupercellFeaturizer


def test_presets_are_featurizers_whose_parameters_can_be_changed(crystals):
    X = SupercellFeaturizer.from_preset("accurate", max_atoms=20).transform([crystals["NaCl"]])
    assert (X.max_atoms, len(X.site_feature_names), len(X.interaction_feature_names)) == (20, 184, 14)
    assert SupercellFeaturizer.from_preset("paper").get_params() == SupercellFeaturizer(500).get_params()
    with pytest.raises(ValueError, match="unknown preset 'papers'; did you mean 'paper'"):
        SupercellFeaturizer.from_preset("papers")
