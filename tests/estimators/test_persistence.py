import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline

from sitenet_sklearn import (
    SiteNetClassifier,
    SiteNetEnsemble,
    SiteNetRegressor,
    SupercellFeaturizer,
    load_model,
    predict_table,
    save_model,
)
from sitenet_sklearn.network.weights_file import checksum

DATA = Path(__file__).parents[1] / "data"
FIRST = DATA / "model_of_format_1.safetensors"
SMALL = {
    "embedding_dim": 3,
    "site_dim": 3,
    "interaction_dim": 2,
    "n_heads": 2,
    "attention_hidden_layers": (5,),
    "pre_pool_layers": (4,),
    "post_pool_layers": (4,),
    "max_epochs": 2,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def pipeline(structures, band_gaps):
    steps = [("featurizer", SupercellFeaturizer(max_atoms=20)), ("sitenet", SiteNetRegressor(**SMALL))]
    return Pipeline(steps).fit(structures, band_gaps)


@pytest.fixture
def path(pipeline, tmp_path):
    save_model(pipeline, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def rewrite(path, *, header=lambda _: None, tensors=lambda _: None, honest=True):
    """Change a file, with a checksum that fits or not."""
    with safe_open(path, "pt") as file:
        text = file.metadata()["sitenet_sklearn"]
    values, content = load_file(path), json.loads(text)
    before = checksum(text, values)
    header(content)
    tensors(values)
    text = json.dumps(content)
    save_file(values, path, {"sitenet_sklearn": text, "checksum": checksum(text, values) if honest else before})


def test_a_pipeline_comes_back_as_it_was(pipeline, path, structures):
    again = load_model(path)
    np.testing.assert_array_equal(again.predict(structures), pipeline.predict(structures))
    assert [name for name, _ in again.steps] == ["featurizer", "sitenet"]
    assert again.get_params()["sitenet__attention_hidden_layers"] == (5,)
    assert {k: v for k, v in again.get_params().items() if "__" in k} == {
        k: v for k, v in pipeline.get_params().items() if "__" in k
    }
    history = pipeline[-1].history_
    assert again[-1].history_[:, ("epoch", "train_loss")] == history[:, ("epoch", "train_loss")]


def test_an_estimator_alone_several_targets_and_other_architectures_come_back(featurized, tmp_path):
    targets = np.column_stack([np.arange(40.0), -np.arange(40.0)])
    options = {"pooling": "attention", "normalization": "batch", "activation": "silu", "cutoff": 4.0, "clamp": False}
    model = SiteNetRegressor(**SMALL | options).fit(featurized, targets)
    save_model(model, str(tmp_path / "model"))
    again = load_model(str(tmp_path / "model"))
    assert isinstance(again, SiteNetRegressor)
    np.testing.assert_array_equal(again.predict(featurized), model.predict(featurized))
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


@pytest.mark.parametrize("labels", [["metal", "insulator"], [3, 7], [False, True], [0.0, 1.0]])
def test_a_classifier_comes_back_with_its_classes(featurized, tmp_path, labels):
    y = np.array(labels)[np.arange(40) % 2]
    model = SiteNetClassifier(**SMALL).fit(featurized, y)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(featurized), model.predict(featurized))
    assert again.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(again.predict_proba(featurized), model.predict_proba(featurized))


@pytest.mark.parametrize("piped", [False, True])
def test_an_ensemble_comes_back_with_all_its_members(structures, band_gaps, tmp_path, piped):
    regressor, X = SiteNetRegressor(**SMALL), SupercellFeaturizer(max_atoms=20)
    estimator = make_pipeline(X, regressor) if piped else regressor
    crystals = structures if piped else X.transform(structures)
    model = SiteNetEnsemble(estimator, n_members=2, random_state=0).fit(crystals, band_gaps)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    for values, expected in zip(
        again.predict(crystals, return_std=True), model.predict(crystals, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(values, expected)
    assert type(again.estimator) is type(estimator)
    assert not hasattr(again.estimator[-1] if piped else again.estimator, "net_")


def test_the_network_is_the_fitted_one_whatever_the_parameters_say_now(pipeline, structures, tmp_path):
    expected = pipeline.predict(structures)
    pipeline.set_params(sitenet__n_heads=7)
    save_model(pipeline, tmp_path / "model")
    pipeline.set_params(sitenet__n_heads=2)
    np.testing.assert_array_equal(load_model(tmp_path / "model").predict(structures), expected)


SECOND = [1.4752, 1.5143, 1.5926, 2.0264]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, [1.3783, 1.4533, 1.433, 1.9316]), (2, SECOND), (3, SECOND), (4, [1.3828, 1.3821, 2.0476, 1.5835])],
)
def test_files_of_every_format_are_read_for_ever(structures, number, expected):
    model = load_model(DATA / f"model_of_format_{number}.safetensors", device="cpu")
    np.testing.assert_allclose(model.predict(structures[:4]), expected, atol=2e-4)
    network = model[-1].net_.module_
    assert (model[-1].residual, model[-1].coordination_radius) == ((True, 5.0) if number == 4 else (False, None))
    assert (network.config["residual"], network.blocks[0].residual) == (number == 4, number == 4)


def test_calibrated_models_of_format_5_are_read_for_ever(structures):
    table = predict_table(load_model(DATA / "model_of_format_5.safetensors", device="cpu"), structures[:2])
    np.testing.assert_allclose(table["prediction"], [2.1054, 2.9256], atol=2e-4)
    np.testing.assert_allclose(table["upper"], [5.0792, 5.8994], atol=1e-3)
    assert table["flags"][0] == "Rb in only 1 training crystal; Te in only 4 training crystals"
    assert table["nearest"][0] == "Rb2Te (0, 1.88); K2S (12, 2.32); K2Te (3, 2.14)"


def test_what_belongs_to_a_machine_is_not_saved(structures, band_gaps, tmp_path):
    featurizer = SupercellFeaturizer(max_atoms=20, cache=str(tmp_path / "cache.sqlite"))
    save_model(make_pipeline(featurizer, SiteNetRegressor(**SMALL)).fit(structures, band_gaps), tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again[0].cache is None
    assert str(tmp_path).encode() not in (tmp_path / "model").read_bytes()


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (SiteNetRegressor(), NotFittedError, "not fitted"),
        (make_pipeline(SupercellFeaturizer(), Ridge()), TypeError, "a step of type Ridge cannot be saved"),
        (make_pipeline(SupercellFeaturizer()), TypeError, "the last step must be a fitted model"),
        (
            SiteNetRegressor(random_state=np.random.RandomState(0)),
            TypeError,
            "random_state=.* cannot be saved",
        ),
    ],
)
def test_what_cannot_be_saved_is_refused_before_a_file_is_made(model, error, message, tmp_path):
    with pytest.raises(error, match=message):
        save_model(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_all_site_features_of_an_earlier_format_are_those_of_elements(structures, band_gaps, tmp_path):
    network = SiteNetRegressor(**SMALL, residual=False, coordination_radius=None)
    steps = [("featurizer", SupercellFeaturizer(20, site_features="elements")), ("sitenet", network)]
    model = SiteNetEnsemble(Pipeline(steps), n_members=2).fit(structures, band_gaps)
    save_model(model, tmp_path / "model.safetensors")

    def as_before(header):
        header["format"] = 2
        root = header["model"]
        for node in (root["estimator"], *root["members"]):
            node["steps"][0][1]["parameters"]["site_features"] = "all"

    rewrite(tmp_path / "model.safetensors", header=as_before)
    again = load_model(tmp_path / "model.safetensors")
    assert again.estimator["featurizer"].site_features == "elements"
    np.testing.assert_array_equal(again.predict(structures), model.predict(structures))


def test_networks_of_earlier_formats_are_as_they_were(featurized, band_gaps, tmp_path):
    as_then = {"residual": False, "coordination_radius": None}
    model = SiteNetRegressor(**SMALL, **as_then).fit(featurized, band_gaps)
    save_model(model, tmp_path / "model.safetensors")

    def as_before(header):
        header["format"] = 3
        for name in as_then:
            del header["model"]["parameters"][name], header["model"]["network"][name]

    rewrite(tmp_path / "model.safetensors", header=as_before)
    again = load_model(tmp_path / "model.safetensors")
    assert {name: again.get_params()[name] for name in as_then} == as_then
    np.testing.assert_array_equal(again.predict(featurized), model.predict(featurized))
    assert again.set_params(warm_start=True, max_epochs=1).fit(featurized, band_gaps).residual is False


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign")
    for name in ("text", "foreign"):
        with pytest.raises(ValueError, match="is no model saved by save_model, or was cut off"):
            load_model(tmp_path / name)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.999])
def test_files_cut_off_are_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="is no model saved by save_model, or was cut off"):
        load_model(path)


def test_every_flipped_byte_is_noticed(path, rng):
    content = path.read_bytes()
    for position in rng.integers(0, len(content), 200):
        altered = bytearray(content)
        altered[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(altered))
        with pytest.raises(ValueError, match=r"was altered|is no model|cannot be loaded"):
            load_model(path)


def set_parameter(name, value):
    return lambda header: header["model"]["steps"][1][1]["parameters"].update({name: value})


def set_network(**values):
    return lambda header: header["model"]["steps"][1][1]["network"].update(values)


def set_node(**values):
    return lambda header: header["model"]["steps"][1][1].update(values)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (lambda h: h.update(format=6), "format 6 is not known to this library, which reads 1 to 5"),
        (lambda h: h["model"]["steps"][0][1].update({"class": "subprocess.Popen"}), "unknown class 'subprocess.Popen'"),
        (set_parameter("mood", 1), "SiteNetRegressor has no parameter mood"),
        (set_parameter("lr", -1.0), "'lr' parameter of SiteNetRegressor must be"),
        (set_network(n_heads=3), "tensors do not fit the network: blocks.0"),
        (set_network(site_dim=10**12), "cannot be loaded"),
        (set_network(n_blocks=10**9), "n_blocks is 1000000000, expected 1 to 100"),
        (set_network(activation="sine"), "cannot be loaded: 'sine'"),
        (lambda h: h["model"].pop("steps"), "cannot be loaded: 'steps'"),
        (lambda h: h.pop("model"), "cannot be loaded: 'model'"),
        (lambda h: h["model"]["steps"].pop(), "cannot be loaded: its last step cannot predict"),
        (lambda h: h["model"]["steps"][-1][1].pop("network"), "cannot be loaded: .*not fitted"),
        (set_network(n_heads=10**40), "cannot be loaded"),
        (set_network(cutoff=float("nan")), "its network has cutoff=nan"),
        (set_network(cutoff="5"), "its network has cutoff='5'"),
        (set_network(coordination_radius=True), "its network has coordination_radius=True"),
        (set_network(residual="yes"), "its network has residual='yes'"),
        (lambda h: h["model"]["steps"][1][1]["network"].pop("residual"), "cannot be loaded: 'residual'"),
        (lambda h: h.update(format=3.5), "format 3.5 is not known"),
        (set_network(dropout=5), "its network has dropout=5"),
        (set_network(pooling="x"), "its network has pooling='x'"),
        (set_network(clamp="yes"), "its network has clamp='yes'"),
        (set_network(clamp=[True]), r"its network has clamp=\(True,\)"),
        (set_network(n_targets=0), "its network has n_targets=0"),
        (set_network(n_blocks=float("inf")), "cannot be loaded"),
        (set_network(pre_pool_layers=[[[1]]]), "cannot be loaded"),
        (set_node(site_features=["os.system"] * 9), "the names of site features are no different texts"),
        (set_node(site_features=[7, *"abcdefgh"]), "the names of site features are no different texts"),
        (set_node(site_features=["Number"]), "1 site features are named, the network has other ones"),
        (set_node(history=[{"epoch": "rm"}]), "the history holds what is no number"),
    ],
)
def test_files_that_say_what_cannot_be_are_refused(path, header, message):
    rewrite(path, header=header)
    with pytest.raises(ValueError, match=message):
        load_model(path)


def test_a_file_leads_to_no_other_file_and_starts_no_processes(path, tmp_path):
    (tmp_path / "other").write_text("secret")
    for name in ("pretrained", "checkpoint_dir"):
        rewrite(path, header=set_parameter(name, str(tmp_path / "other")))
    rewrite(path, header=lambda h: h["model"]["steps"][0][1]["parameters"].update(cache="other", n_jobs=1000))
    parameters = load_model(path).get_params()
    for name in ("sitenet__pretrained", "sitenet__checkpoint_dir", "featurizer__cache", "featurizer__n_jobs"):
        assert parameters[name] is None


def test_every_network_of_a_file_has_tensors_of_its_own(featurized, band_gaps, tmp_path):
    model = SiteNetEnsemble(SiteNetRegressor(**SMALL), n_members=2, random_state=0).fit(featurized, band_gaps)
    save_model(model, tmp_path / "model")

    def multiply(header):
        header["model"]["members"] *= 2

    rewrite(tmp_path / "model", header=multiply)
    with pytest.raises(ValueError, match="tensors do not fit the network"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("members", "message"),
    [([], "an ensemble has no members"), ([{"class": "SiteNetRegressor", "parameters": {}}], "not fitted")],
)
def test_an_ensemble_that_cannot_predict_is_refused(featurized, band_gaps, tmp_path, members, message):
    model = SiteNetEnsemble(SiteNetRegressor(**SMALL), n_members=2, random_state=0).fit(featurized, band_gaps)
    save_model(model, tmp_path / "model")
    rewrite(tmp_path / "model", header=lambda header: header["model"].update(members=members))
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "model")


def test_what_could_not_be_loaded_does_not_replace_a_file(featurized, band_gaps, tmp_path):
    model = SiteNetRegressor(**SMALL).fit(featurized, band_gaps)
    save_model(model, tmp_path / "model")
    for parameters in ({"max_epochs": 0}, {"max_epochs": 1, "n_blocks": "x"}):
        with pytest.raises(ValueError, match="parameter of SiteNetRegressor must be"):
            save_model(model.set_params(**parameters), tmp_path / "model")
    np.testing.assert_array_equal(load_model(tmp_path / "model").predict(featurized), model.predict(featurized))


@pytest.mark.parametrize("labels", [["a"], ["a", "a"], ["a", {}], [[1, 2], [3, 4]], "ab", ["a", "b", "c"]])
def test_classes_are_as_many_labels_as_outputs(featurized, tmp_path, labels):
    model = SiteNetClassifier(**SMALL).fit(featurized, np.arange(40) % 2)
    save_model(model, tmp_path / "model")
    rewrite(tmp_path / "model", header=lambda header: header["model"].update(classes=labels))
    with pytest.raises(ValueError, match="cannot be loaded"):
        load_model(tmp_path / "model")


def test_numbers_of_other_types_are_refused(path):
    tensors = load_file(path)
    tensors["0/output.bias"] = tensors["0/output.bias"].bfloat16()
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match="is no model saved by save_model"):
        load_model(path)


def test_numbers_that_are_not_finite_are_refused(path):
    rewrite(path, tensors=lambda values: values["0/output.bias"].fill_(torch.nan))
    with pytest.raises(ValueError, match="a tensor is not finite"):
        load_model(path)


def test_changed_numbers_are_noticed(path):
    rewrite(path, tensors=lambda values: values["0/output.bias"].add_(1), honest=False)
    with pytest.raises(ValueError, match="was altered: its checksum does not match"):
        load_model(path)


def test_an_ensemble_may_hold_one_model_twice(featurized, band_gaps, tmp_path):
    ensemble = SiteNetEnsemble(SiteNetRegressor(**SMALL), n_members=1, random_state=0).fit(featurized, band_gaps)
    ensemble.estimators_ *= 2
    save_model(ensemble, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(featurized), ensemble.predict(featurized))
