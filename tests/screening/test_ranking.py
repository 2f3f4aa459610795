import numpy as np
import pytest

from sitenet_sklearn.screening.ranking import Best, Ranking

COLUMNS = ["prediction", "lower", "upper", "flags"]


def test_scores_are_the_formulas(rng):
    values = np.sort(rng.random((50, 3)), axis=1)[:, [1, 0, 2]]
    answers = [[*row, ""] for row in values.tolist()]
    prediction, lower, upper = values.T
    expected = {
        Ranking(by="lower"): lower,
        Ranking(by="upper"): -upper,
        Ranking(): prediction,
        Ranking(smallest=True): -prediction,
        Ranking(by="interval", between=(0.2, 0.7)): np.minimum(lower - 0.2, 0.7 - upper),
        Ranking(by="lower", between=(0.4, 0.6)): np.where((prediction >= 0.4) & (prediction <= 0.6), lower, -np.inf),
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
        ({"by": "interval"}, r"name its ends with between=\(A, B\)"),
        ({"between": (2, 1)}, r"the smaller one first, got \(2, 1\)"),
        ({"between": (1, 2, 3)}, "between must be two numbers"),
        ({"by": ["lower"]}, r"by must be one of .*, got \['lower'\]"),
        ({"between": 5}, "between must be two numbers, the smaller one first, got 5"),
        ({"between": (True, 2)}, "between must be two numbers"),
        ({"by": "interval", "between": (-np.inf, np.inf)}, "ranks by a window with an end"),
        ({"by": "lower", "smallest": True}, "smallest goes with by='value'"),
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
    assert best.numbers() == order.tolist()
    assert [what["of"] for _, _, what in best.ranked()] == order.tolist()


def test_rankings_describe_themselves():
    assert str(Ranking()) == "the largest prediction"
    assert str(Ranking(by="interval", between=(1, 2.5))).endswith("inside the window 1 to 2.5")
    both = Ranking(smallest=True, between=(1, 2), diverse=True)
    assert str(both) == "the smallest prediction of crystals predicted within 1 to 2, chosen to differ from each other"
