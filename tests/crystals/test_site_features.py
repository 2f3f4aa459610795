import numpy as np
import pytest

from sitenet_sklearn.crystals.elements import elemental_property_names
from sitenet_sklearn.crystals.site_features import SITE_FEATURES, site_feature_columns, site_feature_names


def test_columns_of_sodium_and_chlorine_by_hand():
    columns = site_feature_columns(
        ("Electronegativity", "OxidationState", "Number"), np.array([11, 17]), np.array([1, -1])
    )
    assert columns.tolist() == [[0.93, 1, 11], [3.16, -1, 17]]


def test_the_paper_has_nine():
    assert len(SITE_FEATURES) == len(set(SITE_FEATURES)) == 9
    assert set(SITE_FEATURES) < set(site_feature_names())
    assert site_feature_names() == (*elemental_property_names(), "OxidationState")


def test_names_are_checked():
    assert site_feature_names(["Row"]) == ("Row",)
    with pytest.raises(ValueError, match="unknown elemental property 'Radius'; did you mean"):
        site_feature_names(["Radius"])
