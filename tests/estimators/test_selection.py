import numpy as np
import pytest

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.estimators.selection import (
    check_crystals,
    check_validation_data,
    resolve_batch_size,
    split_crystals,
    trainable,
)
from sitenet_sklearn.exceptions import FeaturizationError


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


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_a_split_is_random_complete_and_of_the_share_asked_for(share):
    train, held_out = split_crystals(200, np.random.RandomState(1), share=share)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(200))
    assert len(held_out) == round(200 * share)
    assert not np.array_equal(held_out, split_crystals(200, np.random.RandomState(2), share=share)[1])


def test_nothing_is_held_out_unless_asked_for_or_of_few_crystals():
    for n, share in ((200, None), (19, 0.5)):
        train, held_out = split_crystals(n, np.random.RandomState(1), share=share)
        assert (len(train), len(held_out)) == (n, 0)


def test_the_numbers_that_follow_a_split_are_the_same_without_one():
    found = []
    for share in (None, 0.1):
        random = np.random.RandomState(3)
        split_crystals(50, random, share=share)
        found.append(random.randint(10**9))
    assert found[0] == found[1]


def test_groups_are_held_out_whole():
    groups = np.repeat(np.arange(10), 4)
    train, held_out = split_crystals(40, np.random.RandomState(0), share=0.3, groups=groups)
    assert set(groups[train]).isdisjoint(groups[held_out])
    assert len(held_out) == 12


def test_batch_size_follows_the_data():
    assert resolve_batch_size("auto", np.full(100, 10)) == 128
    assert resolve_batch_size("auto", np.full(800, 10)) == 400
    assert resolve_batch_size("auto", np.full(10**5, 30)) == 1200
    assert resolve_batch_size(77, np.full(100, 10)) == 77


def test_validation_data_are_checked(structures, featurized):
    y = np.arange(40.0)

    def check_target(values, used):
        assert len(values) == len(used)
        return np.asarray(values, float)

    masked = SupercellFeaturizer.from_preset("paper", max_atoms=20, on_error="mask")
    with pytest.warns(UserWarning, match="masked"):
        X = masked.transform([*structures[:3], {}])
    kept, targets = check_validation_data((X, y[:4]), object(), X, y, check_target)
    assert (len(kept), targets.tolist()) == (3, [0, 1, 2])
    with pytest.raises(ValueError, match=r"validation_data must be a pair \(X, y\)"):
        check_validation_data(featurized, object(), featurized, y, check_target)
    with pytest.raises(FeaturizationError, match="index 0"):  # the featurizer of X takes what is no RaggedCrystals
        check_validation_data(([{}], [2]), object(), featurized, y, check_target)
    with pytest.raises(ValueError, match=r"targets of shape \(40, 2\), those of y are \(40,\)"):
        check_validation_data((featurized, np.ones((40, 2))), object(), featurized, y, check_target)
    other = SupercellFeaturizer.from_preset("paper", max_atoms=20, site_features=X.site_feature_names[::-1]).transform(
        structures[:3]
    )
    with pytest.raises(ValueError, match="validation_data has other site_feature_names than X: the same 9 in"):
        check_validation_data((other, y[:3]), object(), featurized, y, check_target)


def test_a_share_that_leaves_nothing_to_train_on_is_refused():
    for share, groups, message in (
        (0.1, np.zeros(40), "all 40 crystals are of one group, which early_stopping would hold out whole"),
        (0.9, np.arange(40) % 2, r"validation_fraction=0.9 of 2 groups leaves none to train on: pass a smaller one"),
    ):
        with pytest.raises(ValueError, match=message):
            split_crystals(40, np.random.RandomState(0), share=share, groups=groups)
    with pytest.raises(ValueError, match=r"validation_fraction=0.999 of 40 crystals leaves none to train on"):
        split_crystals(40, np.random.RandomState(0), share=0.999)
