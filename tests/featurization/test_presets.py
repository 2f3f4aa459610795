import pytest

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.crystals.interaction_features import INTERACTION_FEATURES
from sitenet_sklearn.crystals.site_features import SITE_FEATURES


def test_presets_are_featurizers_whose_parameters_can_be_changed(crystals):
    X = SupercellFeaturizer.from_preset("accurate", max_atoms=20).transform([crystals["NaCl"]])
    assert (X.max_atoms, len(X.site_feature_names), len(X.interaction_feature_names)) == (20, 184, 14)
    assert SupercellFeaturizer.from_preset("accurate").get_params() == SupercellFeaturizer().get_params()
    paper = SupercellFeaturizer.from_preset("paper").transform([crystals["CsCl"]])
    assert (paper.max_atoms, paper.site_feature_names) == (500, SITE_FEATURES)
    assert paper.interaction_feature_names == INTERACTION_FEATURES
    with pytest.raises(ValueError, match="unknown preset 'papers'; did you mean 'paper'"):
        SupercellFeaturizer.from_preset("papers")
