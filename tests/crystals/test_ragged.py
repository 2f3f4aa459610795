import pickle

import joblib
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from sitenet_sklearn import RaggedCrystals
from sitenet_sklearn.crystals.crystal import Crystal


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_integer_gives_a_crystal(featurized):
    assert isinstance(featurized[0], Crystal)
    assert isinstance(featurized[np.int64(3)], Crystal)
    assert same(featurized[-1], featurized[len(featurized) - 1])
    with pytest.raises(IndexError):
        featurized[len(featurized)]


MASK = np.arange(40) % 3 == 0


@pytest.mark.parametrize(
    "key",
    [
        slice(2, 9),
        slice(None, None, -2),
        [4, 1, 1],
        np.array([7, 0]),
        np.array([3, 5], dtype=np.int32),
        MASK,
        list(MASK),
        [],
        (np.array([2, 3]), Ellipsis),
        (MASK, Ellipsis),
        (Ellipsis, slice(1, 3)),
    ],
)
def test_selection_gives_the_same_type_and_the_right_crystals(featurized, key):
    bare = [k for k in key if k is not Ellipsis][0] if isinstance(key, tuple) else key  # noqa: RUF015
    bare = np.array(bare, dtype=int) if isinstance(bare, list) and not bare else bare
    expected = np.arange(len(featurized))[bare]
    selected = featurized[key]
    assert isinstance(selected, RaggedCrystals)
    assert selected.shape == (len(expected),)
    assert all(same(selected[i], featurized[int(k)]) for i, k in enumerate(expected))


def test_integer_with_ellipsis_gives_a_crystal(featurized):
    assert same(featurized[2, ...], featurized[2])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("a", "takes an integer, slice, index array or mask"),
        (np.array([0.5]), "takes an integer, slice, index array or mask"),
        (np.array([True, False]), "mask over 40 crystals must have 40 entries, got 2"),
        ((1, 2), "has one dimension"),
    ],
)
def test_wrong_index_is_refused(featurized, key, message):
    with pytest.raises(IndexError, match=message):
        featurized[key]


def test_view_of_a_view_and_fields(featurized):
    view = featurized[10:30][[5, 2]]
    assert same(view[0], featurized[15])
    for name in Crystal._fields:
        expected = np.concatenate([getattr(featurized[k], name) for k in (15, 12)])
        np.testing.assert_array_equal(view.field(name), expected)
    np.testing.assert_array_equal(view.site_sizes, [len(featurized[k].multiplicity) for k in (15, 12)])
    np.testing.assert_array_equal(view.pair_sizes, [len(featurized[k].pair_count) for k in (15, 12)])
    np.testing.assert_array_equal(view.primitive_sizes, [featurized[k].multiplicity.sum() for k in (15, 12)])


def test_selection_copies_no_crystal(featurized):
    view = featurized[::2]
    assert view._fields["pair_distance"] is featurized._fields["pair_distance"]


def test_scikit_learn_and_pipelines_can_index_and_count(featurized):
    assert _num_samples(featurized) == len(featurized) == featurized.shape[0] == 40
    train, test = next(KFold(4).split(featurized))
    assert isinstance(_safe_indexing(featurized, train), RaggedCrystals)
    assert len(_safe_indexing(featurized, test)) == 10


def test_pickle_of_a_view_holds_its_rows_only(featurized):
    quarter = featurized[:10]
    copy = pickle.loads(pickle.dumps(quarter))
    assert all(same(a, b) for a, b in zip(copy, quarter, strict=True))
    assert len(pickle.dumps(quarter)) < 0.5 * len(pickle.dumps(featurized))


def test_hash_of_a_view_is_that_of_its_compact_copy(featurized):
    assert joblib.hash(featurized[5:9]) == joblib.hash(featurized[5:9].compact())
    assert joblib.hash(featurized[5:9]) != joblib.hash(featurized[5:10])


def test_memory_mapped_copy_works_read_only(featurized, tmp_path):
    joblib.dump(featurized, tmp_path / "crystals.joblib")
    mapped = joblib.load(tmp_path / "crystals.joblib", mmap_mode="r")
    assert isinstance(mapped._fields["pair_distance"], np.memmap)
    assert same(mapped[3:5][1], featurized[4])


def test_no_array_is_made_of_it(featurized):
    with pytest.raises(TypeError, match="is not an array of numbers, and only a Site-Net takes it: give"):
        Ridge().fit(featurized, np.zeros(40))


def test_no_duck_type_switch_of_scikit_learn_or_skorch(featurized):
    for name in ("iloc", "to", "is_sparse", "convert_to_tensors", "fit", "keys"):
        assert not hasattr(featurized, name)
    assert not isinstance(featurized, list | tuple | dict)


def test_iteration_ends(featurized):
    assert len(list(featurized)) == 40


def test_representation_says_what_is_inside(featurized):
    assert repr(featurized[:2]).startswith("RaggedCrystals(2 crystals, ")


DISTANCES = np.array([[0.0, 2.0, 3.0, 3.0], [3.0, 3.0, 0.0, 2.0]])


@pytest.mark.parametrize("compress", [True, False])
def test_from_distances_makes_the_documented_record(compress):
    X = RaggedCrystals.from_distances([[11, 17]], [DISTANCES], [2], [[1, -1]], compress=compress)
    crystal = X[0]
    np.testing.assert_array_equal(crystal.site_features[:, -1], [1, -1])
    if compress:
        np.testing.assert_array_equal(crystal.pair_count, [1, 1, 2, 2, 1, 1])
    else:
        np.testing.assert_array_equal(crystal.pair_site, [0, 0, 0, 0, 1, 1, 1, 1])
        np.testing.assert_array_equal(crystal.pair_neighbor, [0, 0, 1, 1, 0, 0, 1, 1])
        np.testing.assert_array_equal(crystal.pair_distance, DISTANCES.ravel())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ([[11, 17]], [DISTANCES], [3]),
            r"crystal 0: .*distances \(n, n \* 3\) expected, got \(2,\), \(2,\), \(2, 4\)",
        ),
        (([[11, 17]], [DISTANCES], [2], [[1]]), "crystal 0: "),
        (([[11, 17]], [DISTANCES, DISTANCES], [2]), r"as many entries in every argument, got \[1, 2, 1, 1\]"),
        (([], [], []), "at least one crystal, got none"),
    ],
)
def test_from_distances_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        RaggedCrystals.from_distances(*arguments)


@pytest.mark.parametrize(
    ("numbers", "distances", "message"),
    [
        ([11], [[np.nan]], "crystal 0: distances and oxidation states must be finite"),
        ([11], [[-1.0]], "no distance negative"),
        ([0], [[0.0]], "crystal 0: atomic_numbers must be integers from 1 to 118, got"),
        ([119], [[0.0]], "atomic_numbers must be integers"),
        ([1.5], [[0.0]], "atomic_numbers must be integers"),
    ],
)
def test_distances_computed_elsewhere_are_checked(numbers, distances, message):
    with pytest.raises(ValueError, match=message):
        RaggedCrystals.from_distances([numbers], [distances], [1])
