import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor, SupercellFeaturizer, load_model, save_model
from sitenet_sklearn.estimators.disorder import DisorderedRegressor
from sitenet_sklearn.estimators.prediction_table import prediction_columns
from sitenet_sklearn.exceptions import CrystalError

ALLOY = Structure(Lattice.cubic(3.6), [{"Cu": 0.75, "Au": 0.25}], [[0, 0, 0]])
SALT = Structure(Lattice.cubic(5.9), [{"Na+": 0.5, "K+": 0.5}, {"Cl-": 0.5, "Br-": 0.5}], [[0, 0, 0], [0.5, 0.5, 0.5]])


class ShareOfGold(RegressorMixin, BaseEstimator):
    """Predicts the number of gold atoms next to the origin: known without a fit."""

    def fit(self, X, y, sample_weight=None):
        self.n_, self.y_, self.weight_ = len(X), y, sample_weight
        return self

    def predict(self, X):
        return np.array([site[0].specie.symbol == "Au" for site in X], float)


def test_predictions_are_aggregated_over_approximants_and_frames(crystals):
    model = DisorderedRegressor(ShareOfGold(), n_approximants=400, random_state=0)
    model.fit([ALLOY, crystals["Po"]], [1.0, 2.0])
    assert model.estimator_.n_ == 5
    np.testing.assert_allclose(model.estimator_.weight_, [0.25] * 4 + [1])
    np.testing.assert_allclose(model.estimator_.y_, [1] * 4 + [2])
    gold = Structure(Lattice.cubic(4), ["Au"], [[0, 0, 0]])
    found = model.predict_distribution([ALLOY, crystals["Po"], [gold, crystals["Po"], gold]])
    assert found["n"].tolist() == [4, 1, 3]
    np.testing.assert_allclose(found["mean"], [0.25, 0, 2 / 3])
    np.testing.assert_allclose(found["std"], [np.sqrt(3) / 4, 0, np.sqrt(2) / 3])
    assert found["q0.95"][2] == 1
    np.testing.assert_allclose(model.predict([ALLOY]), [0.25])


def test_more_approximants_converge():
    alloy = Structure(Lattice.cubic(3.6), [{"Cu": 0.7, "Au": 0.3}], [[0, 0, 0]])
    errors = []
    for n in (10, 100, 1000):
        models = [DisorderedRegressor(ShareOfGold(), n_approximants=n, max_sites=20, random_state=k) for k in range(10)]
        means = [model.fit([alloy], [0]).predict([alloy])[0] for model in models]
        errors.append(np.abs(np.array(means) - 0.3).mean())
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_real_pipelines(structures, band_gaps):
    network = SiteNetRegressor(max_epochs=1, site_dim=4, attention_hidden_layers=(5,), clamp=False, random_state=0)
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), network)
    model = DisorderedRegressor(pipeline, n_approximants=3, max_sites=8, random_state=0)
    found = model.fit([*structures[:20], SALT], [*band_gaps[:20], 3.0]).predict_distribution([SALT, structures[0]])
    assert np.isfinite(found.to_numpy()).all()
    alone = DisorderedRegressor(pipeline).fit(structures[:20], band_gaps[:20])
    expected = pipeline.fit(structures[:20], band_gaps[:20]).predict(structures[20:])
    np.testing.assert_allclose(alone.predict(structures[20:]), expected, atol=1e-5)


def test_a_fitted_model_predicts_disordered_crystals(structures, band_gaps):
    network = SiteNetRegressor(max_epochs=1, site_dim=4, attention_hidden_layers=(5,), random_state=0)
    pipeline = make_pipeline(SupercellFeaturizer(20), network).fit(structures[:20], band_gaps[:20])
    model = DisorderedRegressor.from_fitted(pipeline, n_approximants=3, random_state=0)
    table = prediction_columns(model, [SALT, structures[0]])
    assert list(table) == ["prediction", "std", "arrangements"]
    assert table["arrangements"].tolist() == [3, 1]
    assert table["prediction"][1] == pytest.approx(pipeline.predict(structures[:1])[0], abs=1e-5)
    with pytest.raises(NotFittedError):
        DisorderedRegressor.from_fitted(make_pipeline(SupercellFeaturizer(20), SiteNetRegressor()))


def test_a_prediction_does_not_depend_on_the_crystals_beside_it(structures):
    model = DisorderedRegressor(ShareOfGold(), n_approximants=3, max_sites=8, random_state=0)
    model.fit([structures[0]], [1.0])
    alone, together = model.predict_distribution([ALLOY]), model.predict_distribution([ALLOY, structures[0], ALLOY])
    assert together["mean"][0] == together["mean"][2] == alone["mean"][0]


def test_classes_and_several_targets_are_refused(structures, band_gaps):
    classes = make_pipeline(SupercellFeaturizer(20), SiteNetClassifier(max_epochs=1)).fit(structures, band_gaps > 2)
    with pytest.raises(TypeError, match="averages numbers, got a classifier"):
        DisorderedRegressor.from_fitted(classes)
    two = make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(max_epochs=1))
    two.fit(structures, np.column_stack([band_gaps, band_gaps]))
    with pytest.raises(ValueError, match="takes one target, the estimator predicts 2"):
        DisorderedRegressor.from_fitted(two).predict(structures[:1])


def test_it_can_be_saved(structures, band_gaps, tmp_path):
    network = SiteNetRegressor(max_epochs=1, site_dim=4, attention_hidden_layers=(5,), random_state=0)
    model = DisorderedRegressor(make_pipeline(SupercellFeaturizer(20), network), n_approximants=3, random_state=0)
    model.fit(structures[:20], band_gaps[:20])
    save_model(model, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert again.n_approximants == 3
    np.testing.assert_array_equal(again.predict([SALT, structures[0]]), model.predict([SALT, structures[0]]))


def test_errors(crystals):
    with pytest.raises(NotFittedError):
        DisorderedRegressor(ShareOfGold()).predict([ALLOY])
    with pytest.raises(ValueError, match="crystal 1 is a list without frames"):
        DisorderedRegressor(ShareOfGold()).fit([crystals["Po"], []], [0, 0])
    with pytest.raises(CrystalError, match=r"crystal 1 \(salt.cif\): no such file"):
        DisorderedRegressor(ShareOfGold()).fit([crystals["Po"], "salt.cif"], [0, 0])


@pytest.mark.parametrize(
    "form",
    [tuple, iter, lambda X: pd.Series(X, ["a", "b"]), lambda X: pd.DataFrame({"structure": X})],
)
def test_crystals_come_in_any_form(crystals, form):
    X, y = [ALLOY, crystals["Po"]], [1.0, 2.0]
    model = DisorderedRegressor(ShareOfGold(), random_state=0).fit(form(X), y)
    assert model.predict(form(X)).tolist() == model.predict(X).tolist()


def test_frames_come_in_arrays_too(structures):
    frames = np.empty(2, object)
    frames[:] = structures[:2]
    column = np.empty((1, 1), object)
    column[0, 0] = frames
    model = DisorderedRegressor(ShareOfGold()).fit([frames], [1.0])
    assert model.predict_distribution([frames])["n"].tolist() == [2]
    assert model.predict_distribution(column)["n"].tolist() == [2]


@pytest.mark.parametrize("single", [ALLOY, "POSCAR", ALLOY.as_dict(), None])
def test_a_single_crystal_is_refused(single):
    model = DisorderedRegressor(ShareOfGold()).fit([ALLOY], [1.0])
    for call in (lambda X: model.fit(X, [1.0]), model.predict):
        with pytest.raises(TypeError, match=r"DisorderedRegressor expects a list of crystals, got a single .*: pass"):
            call(single)
        with pytest.raises(ValueError, match="DisorderedRegressor expects at least one crystal, got an empty list"):
            call([])


def test_a_classifier_is_refused(structures):
    with pytest.raises(TypeError, match="DisorderedRegressor averages numbers, got a classifier: give it a regressor"):
        DisorderedRegressor(SiteNetClassifier()).fit(structures, np.arange(len(structures)) % 2)


@pytest.mark.filterwarnings("ignore:masked")
def test_frames_that_cannot_be_used_do_not_count(structures, band_gaps):
    pipeline = make_pipeline(SupercellFeaturizer(20, on_error="mask"), SiteNetRegressor(max_epochs=1, random_state=0))
    model = DisorderedRegressor(pipeline, random_state=0).fit(structures[:10], band_gaps[:10])
    nothing = Structure(Lattice.cubic(3), ["Po", "Po"], [[0, 0, 0], [0, 0, 0]])
    assert model.predict_distribution([[structures[0], nothing]])["n"].tolist() == [1]
