import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitenet_sklearn.crystals.positions import only_key, positions


@given(st.data())
def test_every_index_means_what_it_means_for_an_array(data):
    n = data.draw(st.integers(1, 20))
    ends = st.none() | st.integers(-30, 30)
    slices = st.builds(slice, ends, ends, st.none() | st.integers(-4, 4).filter(bool))
    rows = st.lists(st.integers(-n, n - 1), max_size=30)
    masks = st.lists(st.booleans(), min_size=n, max_size=n).map(np.array)
    key = data.draw(slices | rows | rows.map(lambda r: np.array(r, np.int16)) | masks)
    expected = np.arange(n)[key] if len(np.atleast_1d(key)) or isinstance(key, slice) else []
    np.testing.assert_array_equal(positions(key, n), expected)


def test_a_large_number_does_not_overflow():
    assert positions(np.array([255], np.uint8), 256).tolist() == [255]
    assert positions(np.array([-1], np.int8), 1000).tolist() == [999]


@pytest.mark.parametrize("row", [3, -4])
def test_a_row_that_does_not_exist_is_an_error(row):
    with pytest.raises(IndexError, match=f"row {row} does not exist: there are 3 crystals"):
        positions([0, row], 3)


def test_a_mask_of_another_length_is_an_error():
    with pytest.raises(IndexError, match="a mask over 3 crystals must have 3 entries, got 2"):
        positions(np.array([True, False]), 3)


@pytest.mark.parametrize("key", [[0.5], "ab", [[0], [1]], None])
def test_what_is_no_index_is_an_error(key):
    with pytest.raises(IndexError, match="takes an integer, slice, index array or mask"):
        positions(key, 3)


def test_one_dimension_takes_one_index():
    assert only_key((3, ...)) == 3
    assert only_key("any") == "any"
    with pytest.raises(IndexError, match="has one dimension, got the index"):
        only_key((1, 2))
