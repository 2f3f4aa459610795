import pytest
from sklearn.linear_model import Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn._versions import versions
from sitenet_sklearn.analysis.summary import changed_parameters, describe_model, devices


def test_changed_parameters_of_pipelines_ensembles_and_others():
    ensemble = SiteNetEnsemble(make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(lr=0.1)), n_members=2)
    assert changed_parameters(ensemble) == {
        "estimator__supercellfeaturizer__max_atoms": 20,
        "estimator__sitenetregressor__lr": 0.1,
        "estimator": "Pipeline",
        "n_members": 2,
    }
    assert changed_parameters(Ridge()) == {}
    assert changed_parameters(MultiOutputRegressor(Ridge(2))) == {
        "estimator": "Ridge",
        "estimator__alpha": 2,
        "n_jobs": None,
    }


def test_a_fitted_model_is_described(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=2, site_dim=4).fit(featurized, band_gaps)
    described = describe_model(model)
    assert described["class"] == "SiteNetRegressor"
    assert described["parameters"] == {"max_epochs": 2, "site_dim": 4}
    assert described["weights"] == sum(parameter.numel() for parameter in model.net_.module_.parameters())
    assert described["epochs"] == 2
    assert described["train_loss"] == pytest.approx(model.history_[-1, "train_loss"])
    assert describe_model(make_pipeline(Ridge()))["steps"] == ["Ridge"]


def test_versions_and_devices_have_names():
    assert {"python", "sitenet-sklearn", "torch", "scikit-learn", "pymatgen", "spglib"} <= set(versions())
    assert devices()[-1].startswith("cpu")
