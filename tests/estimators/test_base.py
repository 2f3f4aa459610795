"""What regressor and classifier share, seen through the regressor."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetClassifier, SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.estimators.selection import split_crystals

QUICK = {"max_epochs": 2, "random_state": 0, "site_dim": 8, "attention_hidden_layers": (16,)}


def test_sample_weights_choose_what_is_learned(featurized, band_gaps):
    flat = np.where(np.arange(40) % 2 == 0, 1.0, 4.0)
    errors = []
    for side in (0, 1):
        weight = np.where(np.arange(40) % 2 == side, 1.0, 0.0)
        model = SiteNetRegressor(max_epochs=15, lr=0.003, random_state=0).fit(featurized, flat, sample_weight=weight)
        errors.append(abs(model.predict(featurized) - (1.0 if side == 0 else 4.0)).mean())
        assert model.score(featurized, flat, sample_weight=weight) > model.score(featurized, flat)
    assert max(errors) < 0.8
    plain = SiteNetRegressor(max_epochs=2, random_state=0).fit(featurized, band_gaps)
    ones = SiteNetRegressor(max_epochs=2, random_state=0).fit(featurized, band_gaps, sample_weight=np.full(40, 3.0))
    np.testing.assert_allclose(ones.predict(featurized), plain.predict(featurized), atol=1e-4)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0], r"one weight for each of 40 crystals, got \(1,\)"),
        (np.full(40, -1.0), "finite weights that are not negative"),
        (np.zeros(40), "one above 0"),
        (np.full(40, np.nan), "finite weights"),
    ],
)
def test_wrong_sample_weights_are_refused(featurized, band_gaps, weight, message):
    with pytest.raises(ValueError, match=message):
        SiteNetRegressor().fit(featurized, band_gaps, sample_weight=weight)


def test_several_targets_are_learned_together_with_gaps(featurized, band_gaps):
    targets = np.column_stack([band_gaps, 1000 * band_gaps, band_gaps.mean() * np.ones(40)])
    targets[::3, 1] = np.nan
    model = SiteNetRegressor(max_epochs=20, lr=0.003, random_state=0, clamp=False).fit(featurized, targets)
    predicted = model.predict(featurized)
    assert predicted.shape == (40, 3)
    assert np.corrcoef(predicted[:, 0], predicted[:, 1])[0, 1] > 0.7
    assert np.abs(predicted[:, 1] / 1000 - band_gaps).mean() < np.abs(np.median(band_gaps) - band_gaps).mean()
    np.testing.assert_array_equal(model.net_.module_.target_scale[2], 1)
    with pytest.raises(ValueError, match="y of validation_data must hold a known target, all are NaN: leave"):
        model.fit(featurized, targets, validation_data=(featurized, np.full((40, 3), np.nan)))
    with pytest.raises(ValueError, match="finite numbers or NaN, got inf at index 3"):
        model.fit(featurized, np.where(np.arange(80).reshape(40, 2) == 6, np.inf, 1.0))


def test_a_target_unknown_for_all_training_crystals_is_refused(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK, early_stopping=True)
    targets = np.column_stack([band_gaps, np.full(40, np.nan)])
    held_out = split_crystals(40, np.random.RandomState(0), share=0.1)[1]
    targets[held_out, 1] = 1.0  # known, but not where the network learns
    with pytest.raises(
        ValueError, match=r"target 1 of y is unknown \(NaN\) for all crystals to train on: leave it out"
    ):
        model.fit(featurized, targets)


def test_a_network_that_knows_a_target_goes_on_without_it(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK).partial_fit(featurized, np.column_stack([band_gaps, band_gaps]))
    model.partial_fit(featurized, np.column_stack([band_gaps, np.full(40, np.nan)]))
    assert np.isfinite(model.predict(featurized)).all()


def test_validation_data_of_a_pipeline_are_featurized_as_its_crystals(structures, band_gaps):
    pipe = make_pipeline(SupercellFeaturizer(max_atoms=20), SiteNetRegressor(max_epochs=2, random_state=0))
    fits = []
    for held_out in (structures[30:], pipe[0].transform(structures[30:])):
        pipe.fit(structures[:30], band_gaps[:30], sitenetregressor__validation_data=(held_out, band_gaps[30:]))
        fits.append(pipe[-1].validation_loss_curve_)
    assert fits[0] == fits[1]
    ensemble = SiteNetEnsemble(SiteNetRegressor(max_epochs=1), n_members=2, n_jobs=2)
    held_out = {"sitenetensemble__validation_data": (structures[30:], band_gaps[30:])}
    make_pipeline(SupercellFeaturizer(max_atoms=20), ensemble).fit(structures[:30], band_gaps[:30], **held_out)
    own = SupercellFeaturizer(max_atoms=20, site_features=["AtomicWeight", (lambda s: [len(s)], ["sites"])])
    crystals = pickle.loads(pickle.dumps(own.transform(structures[:30])))  # the function cannot be pickled
    with pytest.raises(TypeError, match="put a SupercellFeaturizer before it"):
        pipe[-1].fit(crystals, band_gaps[:30], validation_data=(structures[30:], band_gaps[30:]))


def test_validation_data_are_held_out_instead_of_a_random_share(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=4, lr=0.01, early_stopping=True, random_state=0)
    model.fit(featurized[:30], band_gaps[:30], validation_data=(featurized[30:], band_gaps[30:]))
    error = np.abs(model.predict(featurized[30:]) - band_gaps[30:]).mean()
    assert error == pytest.approx(min(model.history_[:, "valid_loss"]), abs=1e-5)
    with pytest.raises(ValueError, match=r"validation_data must be a pair \(X, y\)"):
        model.fit(featurized, band_gaps, validation_data=featurized)
    with pytest.raises(ValueError, match=r"targets of shape \(40, 2\), those of y are \(40,\)"):
        model.fit(featurized, band_gaps, validation_data=(featurized, np.ones((40, 2))))


def test_groups_of_another_length_are_refused(featurized, band_gaps):
    with pytest.raises(ValueError, match="groups must hold one group for each of 40 crystals"):
        SiteNetRegressor(early_stopping=True).fit(featurized, band_gaps, groups=[1, 2])


def test_nothing_is_predicted_for_no_crystals(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=1, random_state=0).fit(featurized, band_gaps)
    assert model.predict(featurized[:0]).shape == (0,)
    assert model.transform(featurized[:0]).shape == (0, 200)
    assert model.site_representation(featurized[:0]) == model.attention(featurized[:0]) == []


def test_weights_reach_fit_and_scorer_through_metadata_routing(featurized, band_gaps):
    weight = np.linspace(0.5, 2, 40)
    with config_context(enable_metadata_routing=True):
        model = SiteNetRegressor(max_epochs=1, random_state=0).set_fit_request(sample_weight=True)
        scorer = get_scorer("neg_mean_absolute_error").set_score_request(sample_weight=True)
        scores = cross_validate(model, featurized, band_gaps, cv=2, scoring=scorer, params={"sample_weight": weight})
    assert np.isfinite(scores["test_score"]).all()


def test_warm_start_goes_on_with_the_network_that_is_there(featurized, band_gaps):
    paper = {"residual": False, "coordination_radius": None}
    model = SiteNetRegressor(**QUICK, **paper, dropout=0.0, warm_start=True).fit(featurized, band_gaps)
    first = model.history_[-1, "train_loss"]
    network = model.net_.module_
    model.fit(featurized, band_gaps)
    assert model.net_.module_.config == network.config
    assert model.history_[0, "train_loss"] < first
    with pytest.raises(ValueError, match="the fitted network has n_heads=3 and cannot go on with 2"):
        model.set_params(n_heads=2).fit(featurized, band_gaps)
    with pytest.raises(ValueError, match="the fitted network has 1 output and y asks for 2"):
        model.set_params(n_heads=3).fit(featurized, np.column_stack([band_gaps, band_gaps]))
    assert SiteNetRegressor(**QUICK).fit(featurized, band_gaps).net_.module_ is not network


def test_partial_fit_adds_epochs(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK | {"lr": 0.003})
    for k in range(10):
        assert model.partial_fit(featurized, band_gaps) is model
        assert len(model.history_) == k + 1
    losses = model.history_[:, "train_loss"]
    assert losses[-1] < 0.9 * losses[0]
    assert model.predict(featurized).shape == (40,)
    fitted = SiteNetRegressor(**QUICK).fit(featurized, band_gaps)
    before = fitted.predict(featurized)
    assert np.abs(fitted.partial_fit(featurized, band_gaps).predict(featurized) - before).max() > 1e-4


def test_pickles_from_before_networks_could_be_residual_are_as_they_were(featurized, band_gaps):
    then = SiteNetRegressor(max_epochs=1, residual=False, coordination_radius=None, random_state=0)
    fitted = then.fit(featurized, band_gaps)
    expected = fitted.predict(featurized)
    network = fitted.net_.module_
    for name in ("residual", "coordination_radius"):
        delattr(fitted, name)
        del network.config[name]
    for block in network.blocks:
        del block.residual, block.reach
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(featurized), expected)
    assert (again.residual, again.coordination_radius) == (False, None)
    assert again.set_params(warm_start=True).fit(featurized, band_gaps)


def test_a_pickle_of_other_versions_is_loaded_with_a_warning(featurized, band_gaps, monkeypatch):
    fitted = SiteNetRegressor(**QUICK).fit(featurized, band_gaps)
    content = pickle.dumps(fitted)
    np.testing.assert_array_equal(pickle.loads(content).predict(featurized), fitted.predict(featurized))
    monkeypatch.setattr("sitenet_sklearn._versions.version", lambda name: f"99.0 of {name}")
    with pytest.warns(UserWarning, match=r"this SiteNetRegressor was pickled with .* and is loaded with 99.0 of"):
        pickle.loads(content)
    assert "_versions" not in vars(clone(fitted))


@pytest.mark.parametrize("kind", [SiteNetRegressor, SiteNetClassifier])
def test_masked_arrays_are_refused(featurized, kind):
    y = np.arange(len(featurized)) % 2
    masked = np.ma.masked_array(y, mask=y == 1)
    with pytest.raises(ValueError, match=r"^y is masked at index 1: leave it out"):
        kind(**QUICK).fit(featurized, masked)
    with pytest.raises(ValueError, match=r"^sample_weight is masked at index 1: leave it out"):
        kind(**QUICK).fit(featurized, y, sample_weight=masked)
