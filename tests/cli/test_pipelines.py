import numpy as np
import pandas as pd
import pytest

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor, load_model
from sitenet_sklearn.cli.pipelines import (
    about_of,
    check_targets,
    doubts,
    make_model,
    name_targets,
    study_name,
    write_fitted,
)
from sitenet_sklearn.tables.labelled import Labelled

OPTIONS = {"classify": False, "max_atoms": 20, "device": "cpu", "jobs": 1, "quiet": True}


def test_options_and_parameters_make_a_pipeline():
    pipeline = make_model({"sitenet__lr": 0.1, "featurizer__tol": 0.01}, **OPTIONS, max_epochs=3)
    assert pipeline["sitenet"].get_params() | {"lr": 0.1, "max_epochs": 3} == pipeline["sitenet"].get_params()
    assert (pipeline["featurizer"].max_atoms, pipeline["featurizer"].tol) == (20, 0.01)
    assert isinstance(make_model({}, **OPTIONS | {"classify": True})["sitenet"], SiteNetClassifier)


def test_features_are_the_finest_unless_others_are_named():
    featurizer = make_model({"featurizer__site_features": ("NValence",)}, **OPTIONS)["featurizer"]
    assert (featurizer.site_features, featurizer.interaction_features) == (("NValence",), "gaussians")
    assert make_model({}, **OPTIONS)["featurizer"].site_features == "all"


@pytest.mark.parametrize(
    ("parameters", "options", "message"),
    [
        (
            {"sitenet__rl": 0.1},
            {},
            "unknown parameter 'sitenet__rl': sitenet__ and a parameter of SiteNetRegressor, or",
        ),
        ({"lr": 0.1}, {}, "unknown parameter 'lr'; did you mean 'sitenet__lr'"),
        ({"max_atoms": 9}, {}, "unknown parameter 'max_atoms'; did you mean 'featurizer__max_atoms'"),
        ({"site__droput": 0.1}, {}, "did you mean 'sitenet__dropout'"),
        ({"sitenet": 5}, {}, "unknown parameter 'sitenet'"),
        ({"sitenet__post_pool_layers": (0,)}, {}, "positive integers"),
        ({"sitenet__lr": "fast"}, {}, "The 'lr' parameter"),
        ({"featurizer__max_atoms": 0}, {}, "The 'max_atoms' parameter"),
        ({}, {"device": "cudda"}, "the device 'cudda' is unknown: this computer has auto, cpu"),
    ],
)
def test_wrong_parameters_are_found_at_once(parameters, options, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        make_model(parameters, **OPTIONS | options)


@pytest.mark.parametrize(
    ("y", "network", "message"),
    [
        ([1, -2], SiteNetRegressor(), "the target of b is -2, .* pass --parameter sitenet__clamp=false"),
        ([[1, np.nan], [2, np.nan]], SiteNetRegressor(), "one of the targets is unknown for all crystals"),
        (["x", "x"], SiteNetClassifier(), "at least two classes are expected, all 2 crystals have 'x'"),
    ],
)
def test_wrong_targets_are_found_at_once(y, network, message):
    with pytest.raises(ValueError, match=message):
        check_targets(np.array(y), ["a", "b"], network)
    check_targets(np.array([1, -2]), ["a", "b"], SiteNetRegressor(clamp=False))


def test_studies_of_other_data_or_settings_have_other_names(crystals, tmp_path):
    crystals["Po"].to(filename=str(tmp_path / "a.cif"))
    (tmp_path / "id_prop.csv").write_text("a,1\n")
    pipeline = make_model({}, **OPTIONS)
    name = study_name(tmp_path, None, ["gap"], pipeline)
    assert study_name(tmp_path, None, ["gap"], make_model({}, **OPTIONS | {"jobs": 2})) == name
    assert study_name(tmp_path, None, ["other"], pipeline) != name
    assert study_name(tmp_path, None, ["gap"], make_model({"sitenet__lr": 0.1}, **OPTIONS)) != name
    (tmp_path / "id_prop.csv").write_text("a,2\n")
    assert study_name(tmp_path, None, ["gap"], pipeline) != name


@pytest.mark.parametrize(
    ("ids", "y", "classify", "expected"),
    [
        (["a", "b", "c"], [1.0, 1.0, 2.0], False, []),
        (["a", "b", "a"], [1.0, 1.0, 2.0], False, ["1 ids occur more than once: a"]),
        (["a"], [1.0], False, ["there is only 1 crystal to learn from"]),
        (list(range(40)), [str(k) for k in range(40)], True, ["the target has 40 different values"]),
        (list(range(40)), ["yes", "no"] * 20, True, []),
    ],
)
def test_what_may_be_a_mistake_is_said(structures, ids, y, classify, expected):
    crystals = pd.Series(structures[: len(ids)], index=ids)
    found = doubts(Labelled(crystals, np.array(y), ["gap"], []), classify=classify)
    assert len(found) == len(expected)
    for hint, beginning in zip(found, expected, strict=True):
        assert hint.startswith(beginning)


def test_the_same_crystal_under_two_ids_is_said(structures):
    copy = structures[0].copy()
    copy.remove_sites([0])
    copy.insert(len(copy), structures[0][0].species, structures[0][0].frac_coords + np.array([1, 0, -1]))
    crystals = pd.Series([*structures[:3], copy], index=list("abcd"))
    (found,) = doubts(Labelled(crystals, np.arange(4.0), ["gap"], []), classify=False)
    assert found.startswith("1 crystals are described a second time, under another id: d;")


@pytest.mark.parametrize("name", ["a.safetensors", "a.joblib"])
def test_written_models_forget_their_training(structures, band_gaps, tmp_path, name):
    import joblib

    pipeline = make_model(
        {"featurizer__cache": tmp_path / "c", "sitenet__checkpoint_dir": tmp_path}, **OPTIONS, max_epochs=1
    )
    pipeline.fit(structures[:10], band_gaps[:10])
    write_fitted(pipeline, tmp_path / name)
    again = (load_model if name.endswith("safetensors") else joblib.load)(tmp_path / name)
    assert (again["featurizer"].cache, again["featurizer"].n_jobs, again["sitenet"].checkpoint_dir) == (
        None,
        None,
        None,
    )
    np.testing.assert_array_equal(again.predict(structures[:3]), pipeline.predict(structures[:3]))


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"target": "gap, energy"}, ["prediction_gap", "prediction_energy", "std_gap", "std_energy"]),
        ({"target": "gap, energy, third"}, ["prediction_1", "prediction_2", "std_1", "std_2"]),
        ({"target": "gap, gap"}, ["prediction_1", "prediction_2", "std_1", "std_2"]),
        (None, ["prediction_1", "prediction_2", "std_1", "std_2"]),
    ],
)
def test_several_targets_are_called_as_the_model_says(tmp_path, structures, about, expected):
    pipeline = make_model({}, **OPTIONS, max_epochs=1)
    pipeline.fit(structures[:5], np.ones(5))
    write_fitted(pipeline, tmp_path / "two.safetensors", about)
    known = about_of(tmp_path / "two.safetensors")
    several = pd.DataFrame(0.0, [0], ["id", "prediction_1", "prediction_2", "std_1", "std_2"])
    assert list(name_targets(several, known)) == ["id", *expected]
    one = several[["id", "prediction_1"]].rename(columns={"prediction_1": "prediction"})
    assert list(name_targets(one, known)) == ["id", "prediction"]
