import numpy as np
import pytest

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.estimators.selection import check_crystals, trainable


def test_other_input_names_the_featurizer(featurized):
    check_crystals(featurized, object())
    with pytest.raises(TypeError, match="expects RaggedCrystals, got list: put a SupercellFeaturizer before it"):
        check_crystals([1, 2], object())
    with pytest.raises(ValueError, match="at least one crystal, got an empty RaggedCrystals"):
        check_crystals(featurized[:0], object())


def test_all_good_crystals_are_trained_on_without_a_warning(featurized):
    assert trainable(featurized).all()


def test_what_is_left_out_is_counted(structures):
    X = SupercellFeaturizer(max_atoms=6).transform(structures)
    with pytest.warns(UserWarning, match=f"{X.oversized.sum()} crystals whose primitive cell exceeds max_atoms=6"):
        np.testing.assert_array_equal(trainable(X), ~X.oversized)
    assert trainable(X, train_oversized=True).all()
