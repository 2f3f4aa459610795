import numpy as np
import pytest

from sitenet_sklearn.screening.ranking import Best, Ranking

COLUMNS = ["prediction", "lower", "upper", "flags"]


def test_scores_are_the_formulas(rng):
    values = np.sort(rng.random((50, 3)), axis=1)[:, [1, 0, 2]]
    answers = [[*row, ""] for row in values.tolist()]
    prediction, lower, upper = values.T
    inside = (prediction >= 0.4) & (prediction <= 0.6)
    expected = {
        Ranking(by="lower"): lower,
        Ranking(by="upper"): -upper,
        Ranking(): prediction,
        Ranking(smallest=True): -prediction,
        Ranking(between=(0.4, 0.6)): np.where(inside, prediction, -np.inf),
        Ranking(by="lower", between=(0.4, 0.6)): np.where(inside, lower, -np.inf),
        Ranking(by="upper", between=(0.4, 0.6)): np.where(inside, -upper, -np.inf),
        Ranking(by="interval", between=(0.4, 0.6)): np.where(inside, np.minimum(lower - 0.4, 0.6 - upper), -np.inf),
    }
    for ranking, scores in expected.items():
        np.testing.assert_array_equal(list(map(ranking.scoring(COLUMNS), answers)), scores)


def test_a_missing_prediction_has_no_score():
    for ranking in (Ranking(), Ranking(by="interval", between=(0, 1))):
        assert ranking.scoring(COLUMNS)([np.nan, np.nan, np.nan, ""]) == -np.inf


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"top": 0}, "top must be a positive integer, got 0"),
        ({"top": True}, "top must be a positive integer, got True"),
        ({"by": "gap"}, "by must be one of lower, upper, value, interval, got 'gap'"),
        ({"by": "interval"}, r"takes a window: give its ends, --between A B \(between=\(A, B\)\)"),
        ({"between": (2, 1)}, r"the smaller one first, got \(2, 1\)"),
        ({"between": (1, 2, 3)}, "between must be two numbers"),
        ({"by": ["lower"]}, r"by must be one of .*, got \['lower'\]"),
        ({"between": 5}, "between must be two numbers, the smaller one first, got 5"),
        ({"between": (True, 2)}, "between must be two numbers"),
        ({"by": "interval", "between": (-np.inf, np.inf)}, "takes a window with a finite end"),
        ({"by": "lower", "smallest": True}, "smallest goes with ranking by 'value', not by 'lower': leave"),
    ],
)
def test_rankings_that_mean_nothing_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Ranking(**parameters)


def test_a_ranking_says_which_models_it_takes():
    with pytest.raises(ValueError, match="takes a model with intervals, a CalibratedRegressor"):
        Ranking(by="upper").scoring(["prediction"])
    with pytest.raises(ValueError, match="ranked by one prediction, but the model answers with prediction_1"):
        Ranking().scoring(["prediction_1", "prediction_2"])


def test_the_best_are_those_of_sorting(rng):
    scores = rng.integers(0, 20, 500).astype(float)
    scores[::7] = -np.inf
    best = Best(40)
    for number, score in enumerate(scores):
        best.offer(score, number, {"of": number})
    order = np.argsort(-scores, kind="stable")[:40]
    assert [number for _, number, _ in best.ranked()] == order.tolist()
    assert best.n_ranked == np.isfinite(scores).sum()
    assert [what["of"] for _, _, what in best.ranked()] == order.tolist()


def ranked_by(scores):
    return [(score, number, None) for number, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("n_ranked", "n_pool"), [(5, 5), (10, 10), (20, 20), (150, 20), (201, 21), (600, 60), (1000, 100), (10**6, 100)]
)
def test_a_diverse_choice_is_among_the_best_tenth_but_two_to_ten_times_top(n_ranked, n_pool):
    ranking = Ranking(top=10, diverse=True)
    best = Best(ranking.n_held)
    for number in range(n_ranked):
        best.offer(float(-number), number)
    pool = ranking.pool(best.ranked(), best.n_ranked)
    assert [number for _, number, _ in pool] == list(range(n_pool))
    assert len(Ranking(top=10).pool(best.ranked(), best.n_ranked)) == min(10, n_ranked)


def test_whole_intervals_inside_the_window_come_first():
    ranking = Ranking(top=10, by="interval", between=(1, 2), diverse=True)
    for n_inside, n_pool in ((100, 50), (15, 15), (10, 10), (9, 10), (0, 10)):
        ranked = ranked_by(np.linspace(0.5, 0.0, n_inside).tolist() + np.linspace(-0.1, -1, 100 - n_inside).tolist())
        assert ranking.pool(ranked, 500) == ranked[:n_pool]
    assert ranking.pool(ranked[:4], 4) == ranked[:4]


def test_rankings_say_what_is_best_in_units():
    assert Ranking().rule() == "the largest prediction"
    assert Ranking(by="interval", between=(1, 2.5)).rule("eV").endswith("inside the window 1 to 2.5 eV")
    window = Ranking(smallest=True, between=(1, 2)).rule("eV/atom")
    assert window == "the smallest prediction, of crystals predicted between 1 and 2 eV/atom"


def test_the_legend_explains_scores_and_ranks():
    assert Ranking(by="upper").legend(1000) == "The score is the upper end of the interval with the opposite sign."
    assert Ranking(smallest=True).legend(9) == "The score is the prediction with the opposite sign."
    interval = Ranking(top=10, by="interval", between=(1, 2.5), diverse=True)
    assert "min(lower - 1, 2.5 - upper): where it is not negative, the whole" in interval.legend(20)
    assert "Ranks follow diversity, not the score: the first crystal is the best one" in interval.legend(20)
    assert "of the 20 best," in interval.legend(20)
    assert "Ranks follow the score, as too few crystals with the whole interval inside" in interval.legend(10)


def test_a_shortage_is_told():
    window = Ranking(top=100, between=(100, 200))
    assert window.shortage(3) == "3 crystals are predicted between 100 and 200, 100 were asked for"
    assert window.shortage(1, "eV") == "1 crystal is predicted between 100 and 200 eV, 100 were asked for"
    assert Ranking().shortage(300) == "300 crystals could be ranked, 1,000 were asked for"
    assert window.shortage(100) == Ranking(top=3).shortage(3) == ""
