import numpy as np
import pandas as pd
import pytest

from sitenet_sklearn.network.weights_file import stored_checksum
from sitenet_sklearn.screening.diversity import farthest_points, representation
from sitenet_sklearn.screening.ledger import Finished
from sitenet_sklearn.screening.ranking import Ranking
from sitenet_sklearn.screening.stages import ModelFile
from sitenet_sklearn.screening.top import choose_top, write_top
from sitenet_sklearn.tables.reading import read_structures, read_table


@pytest.fixture(scope="module")
def given(candidate_model_file, structures):
    """Crystals by number, and the model."""
    return dict(enumerate(structures)), ModelFile(str(candidate_model_file), stored_checksum(candidate_model_file))


@pytest.fixture(scope="module")
def ranked():
    """The first 20 rows, the last of them the best."""
    return [(float(k), k, Finished(k, f"x{k}", "?", None, k, f"x{k}", [float(k)])) for k in reversed(range(20))]


def test_the_best_come_with_their_structures(ranked, given, structures):
    chosen, found = choose_top(ranked[:3], Ranking(top=3), *given)
    assert [number for _, number, _ in chosen] == [19, 18, 17]
    for structure, number in zip(found, (19, 18, 17), strict=True):
        assert structure.matches(structures[number])


def test_a_diverse_choice_is_farthest_points_from_the_best(ranked, given, structures, candidate_model):
    chosen, _ = choose_top(ranked, Ranking(top=5, diverse=True), *given)
    best = [structures[number] for _, number, _ in ranked]
    vectors = representation(candidate_model[-1], candidate_model[0].transform(best))
    expected = farthest_points(vectors, 5, first=0)
    assert [number for _, number, _ in chosen] == [ranked[k][1] for k in expected]
    assert chosen[0][1] == 19


def test_where_nothing_is_left_to_choose_the_best_stay_in_order(ranked, given):
    chosen, _ = choose_top(ranked[:5], Ranking(top=5, diverse=True), *given)
    assert [number for _, number, _ in chosen] == [19, 18, 17, 16, 15]


def test_the_table_is_read_like_any_other(tmp_path, ranked, given, structures):
    chosen, found = choose_top(ranked[:3], Ranking(top=3), *given)
    write_top(tmp_path / "top.csv", chosen, found, ["prediction"])
    table = read_table(tmp_path / "top.csv")
    assert table.ids == ["x19", "x18", "x17"]
    again, failures = read_structures(table)
    assert not failures
    assert again[0].matches(structures[19])
    np.testing.assert_array_equal(pd.read_csv(tmp_path / "top.csv")["rank"], [1, 2, 3])


def test_nothing_ranked_is_an_empty_table(tmp_path, given):
    chosen, found = choose_top([], Ranking(diverse=True), *given)
    assert len(write_top(tmp_path / "top.csv", chosen, found, ["prediction"])) == 0
