import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn._pipelines import last_step
from sitenet_sklearn.training.trainer import SiteNetTrainer

QUICK = SiteNetRegressor(max_epochs=1, site_dim=6, attention_hidden_layers=(8,))


def test_members_differ_and_the_ensemble_is_their_mean(featurized, band_gaps):
    ensemble = SiteNetEnsemble(QUICK, n_members=3, random_state=0).fit(featurized, band_gaps)
    members = np.stack([member.predict(featurized) for member in ensemble.estimators_])
    mean, std = ensemble.predict(featurized, return_std=True)
    np.testing.assert_allclose(mean, members.mean(axis=0))
    np.testing.assert_allclose(std, members.std(axis=0))
    assert (std > 0).all()
    again = clone(ensemble).fit(featurized, band_gaps)
    np.testing.assert_array_equal(again.predict(featurized), mean)


def test_members_trained_side_by_side_are_those_trained_in_turn(featurized, band_gaps):
    predictions = [
        SiteNetEnsemble(QUICK, n_members=2, n_jobs=n_jobs, random_state=0)
        .fit(featurized, band_gaps)
        .predict(featurized)
        for n_jobs in (1, 2)
    ]
    np.testing.assert_allclose(*predictions, atol=1e-4)


def test_pipelines_can_be_members(structures, band_gaps):
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), QUICK)
    ensemble = SiteNetEnsemble(pipeline, n_members=2, random_state=0).fit(structures, band_gaps)
    assert ensemble.predict(structures).shape == (40,)
    states = [member[-1].random_state for member in ensemble.estimators_]
    assert len(set(states)) == 2


def test_fit_parameters_reach_the_members(featurized, band_gaps):
    weight = np.r_[np.ones(20), np.zeros(20)]
    ensemble = SiteNetEnsemble(QUICK, n_members=1, random_state=0)
    weighed = ensemble.fit(featurized, band_gaps, sample_weight=weight).predict(featurized)
    assert np.abs(weighed - clone(ensemble).fit(featurized, band_gaps).predict(featurized)).max() > 1e-4


def test_masked_crystals_stay_nan(featurized, band_gaps, structures):
    ensemble = SiteNetEnsemble(QUICK, n_members=2, random_state=0).fit(featurized, band_gaps)
    with pytest.warns(UserWarning, match="masked"):
        X = SupercellFeaturizer.from_preset("paper", max_atoms=20, on_error="mask").transform(
            [structures[0], "no file"]
        )
    assert np.isnan(ensemble.predict(X)).tolist() == [False, True]


def test_it_must_be_fitted(featurized):
    with pytest.raises(NotFittedError):
        SiteNetEnsemble().predict(featurized)


def test_a_frozen_estimator_is_refused(featurized, band_gaps):
    frozen = FrozenEstimator(SiteNetRegressor())
    for estimator in (frozen, make_pipeline(SupercellFeaturizer(20), frozen)):
        with pytest.raises(TypeError, match="in a FrozenEstimator is never trained: give it the estimator itself"):
            SiteNetEnsemble(estimator).fit(featurized, band_gaps)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_finished_members_are_kept_by_their_checkpoints(
    structures, featurized, band_gaps, tmp_path, monkeypatch, in_pipeline
):
    network = clone(QUICK).set_params(max_epochs=3, early_stopping=True)
    X = structures if in_pipeline else featurized
    ensembles = [
        SiteNetEnsemble(make_pipeline(SupercellFeaturizer(20), member) if in_pipeline else member, n_members=3)
        for member in (network, clone(network).set_params(checkpoint_dir=tmp_path))
    ]
    undisturbed, resumed = (ensemble.set_params(random_state=0) for ensemble in ensembles)
    expected = undisturbed.fit(X, band_gaps).predict(X)
    train, run_epoch, begun, epochs = SiteNetTrainer.train, SiteNetTrainer.run_single_epoch, [], []

    def interrupted(self, *args, **kwargs):
        begun.append(self)
        if len(begun) == 3:
            raise KeyboardInterrupt
        train(self, *args, **kwargs)

    def counted(self, iterator, training, *args, **kwargs):
        epochs.append(training)
        return run_epoch(self, iterator, training, *args, **kwargs)

    monkeypatch.setattr(SiteNetTrainer, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        resumed.fit(X, band_gaps)
    assert len(list(tmp_path.glob("*.ckpt"))) == 2
    monkeypatch.setattr(SiteNetTrainer, "run_single_epoch", counted)
    np.testing.assert_array_equal(resumed.fit(X, band_gaps).predict(X), expected)
    assert sum(epochs) == 3
    assert not list(tmp_path.iterdir())
    assert all(len(last_step(member).history_) == 3 for member in resumed.estimators_)


def test_members_count_by_their_weights(featurized, band_gaps):
    options = {"n_members": 3, "random_state": 0}
    ensemble = SiteNetEnsemble(SiteNetRegressor(max_epochs=1), **options).fit(featurized, band_gaps)
    rows = np.stack([member.predict(featurized) for member in ensemble.estimators_])
    mean, std = ensemble.set_params(weights=(2, 1, 0)).predict(featurized, return_std=True)
    np.testing.assert_allclose(mean, (2 * rows[0] + rows[1]) / 3, rtol=1e-6)
    np.testing.assert_allclose(std, np.abs(rows[0] - rows[1]) * np.sqrt(2) / 3, rtol=1e-5)
    assert mean.dtype == rows.dtype
    for weights in ((1, 1), (1, 1, -1), (0, 0, 0)):
        with pytest.raises(ValueError, match="weights must be 3 numbers, not negative and not all 0"):
            SiteNetEnsemble(SiteNetRegressor(max_epochs=1), weights=weights, **options).fit(featurized, band_gaps)
