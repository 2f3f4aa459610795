import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import CalibratedRegressor, SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.screening import expected_improvement, suggest
from sitenet_sklearn.screening.suggest import STRATEGIES, mean_and_std

SMALL = {"max_epochs": 2, "site_dim": 4, "attention_hidden_layers": (5,), "random_state": 0}


@pytest.fixture(scope="module")
def ensemble(structures, band_gaps):
    members = SiteNetEnsemble(SiteNetRegressor(**SMALL), n_members=3, random_state=0)
    return make_pipeline(SupercellFeaturizer(20), members).fit(structures[:20], band_gaps[:20])


@pytest.fixture(scope="module")
def calibrated(structures, band_gaps):
    model = CalibratedRegressor(SiteNetRegressor(**SMALL), calibration_fraction=0.5, random_state=0)
    return make_pipeline(SupercellFeaturizer(20), model).fit(structures[:30], band_gaps[:30])


def test_strategies_are_their_definitions(ensemble, structures):
    pool = structures[20:]
    X = ensemble[0].transform(pool)
    mean, std = ensemble[1].predict(X, return_std=True)
    assert suggest(ensemble, pool, 5).tolist() == np.argsort(-std, kind="stable")[:5].tolist()
    for maximize in (True, False):
        worth = expected_improvement(mean, std, 1.0, maximize=maximize)
        found = suggest(ensemble, pool, 5, "expected_improvement", best=1.0, maximize=maximize)
        assert found.tolist() == np.argsort(-worth, kind="stable")[:5].tolist()
    assert suggest(ensemble[1], X, 5).tolist() == suggest(ensemble, pool, 5).tolist()


def test_diversity_keeps_away_from_what_is_known(calibrated, structures):
    pool = structures[:30]  # all of them known, or held out
    first = suggest(calibrated, pool, 1, "diversity")[0]
    assert first in calibrated[-1].held_out_rows_
    second = suggest(calibrated, pool, 1, "diversity", labelled=[*pool[:first], *pool[first + 1 :]])[0]
    assert second == first
    network = make_pipeline(calibrated[0], calibrated[-1].estimator_)
    for model in (network, calibrated):  # not what the calibrated one remembers
        assert (
            suggest(model, pool, 3, "diversity", labelled=[]).tolist()
            == suggest(network, pool, 3, "diversity").tolist()
        )
    assert len(set(suggest(network, pool, 10, "diversity").tolist())) == 10


def test_random_is_random_and_repeatable(ensemble, structures):
    found = [suggest(ensemble, structures, 10, "random", random_state=seed).tolist() for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert len(set(found[0])) == 10


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_crystals_that_fail_are_never_chosen(calibrated, structures, strategy):
    pool = [None, *structures[30:35], "no such file"]
    with pytest.warns(UserWarning, match="2 of the 7 crystals fail and are not chosen"):
        found = suggest(calibrated, pool, 5, strategy, best=1.0, random_state=0)
    assert sorted(found.tolist()) == [1, 2, 3, 4, 5]
    message = "k must be at most 5, the number of crystals that can be predicted, got 6"
    with pytest.warns(UserWarning, match="are not chosen"), pytest.raises(ValueError, match=message):
        suggest(calibrated, pool, 6, strategy, best=1.0)


def test_an_interval_gives_a_standard_deviation(calibrated, structures):
    X = calibrated[0].transform(structures[:5])
    mean, std = mean_and_std(calibrated[-1], X)
    upper = calibrated[-1].predict_table(X, 0.9)["upper"]
    np.testing.assert_allclose(mean + 1.6448536 * std, upper, rtol=1e-6)


def test_wrong_calls_say_what_to_do(ensemble, structures):
    with pytest.raises(ValueError, match="strategy must be one of uncertainty, "):
        suggest(ensemble, structures, 1, "entropy")
    for best in (None, np.nan, np.inf, True):
        with pytest.raises(ValueError, match=f"takes the best value known as a number, got best={best}"):
            suggest(ensemble, structures, 1, "expected_improvement", best=best)
    for k in (True, 0, -1, 1.5):
        with pytest.raises(ValueError, match=f"k must be a positive integer, got {k}"):
            suggest(ensemble, [None], k)  # before anything is featurized
    with pytest.raises(
        TypeError, match="SiteNetEnsemble has no featurizer, so it takes featurized crystals, got a list"
    ):
        suggest(ensemble[-1], structures[:5], 1)
    for model in ("x", None, SupercellFeaturizer()):
        with pytest.raises(TypeError, match=f"takes a fitted model.*, got {type(model).__name__}"):
            suggest(model, structures[:5], 1)
    member = make_pipeline(ensemble[0], ensemble[1].estimators_[0])
    with pytest.raises(TypeError, match="SiteNetRegressor has none: train a SiteNetEnsemble or a CalibratedRegressor"):
        suggest(member, structures, 1)
