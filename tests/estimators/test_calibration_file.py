import copy

import joblib
import numpy as np
import pytest
import torch

from sitenet_sklearn import CalibratedRegressor, SiteNetEnsemble, SiteNetRegressor, load_model, save_model
from sitenet_sklearn.estimators.calibration_file import pack, unpack


@pytest.fixture(scope="module", params=[False, True])
def calibrated(request, featurized, band_gaps):
    member = SiteNetRegressor(max_epochs=2, random_state=0)
    estimator = SiteNetEnsemble(member, n_members=2, random_state=0) if request.param else member
    return CalibratedRegressor(estimator, calibration_fraction=0.5, random_state=0).fit(featurized, band_gaps)


def test_a_saved_model_says_the_same(calibrated, featurized, tmp_path):
    save_model(calibrated, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    for level in (0.5, 0.9):
        before, after = (model.predict_table(featurized, level) for model in (calibrated, again))
        texts = ["flags", "nearest"]
        np.testing.assert_allclose(before.drop(columns=texts), after.drop(columns=texts), rtol=1e-5, atol=1e-5)
        assert before[texts].equals(after[texts])


def test_a_model_that_joblib_maps_is_saved(calibrated, tmp_path):
    joblib.dump(calibrated, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert not mapped.calibration_.known.vectors.flags.writeable
    save_model(mapped, tmp_path / "model.safetensors")
    assert load_model(tmp_path / "model.safetensors").calibration_.known.labels == mapped.calibration_.known.labels


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("weights", [0.1]),
        ("weights", [-0.1, 0.2]),
        ("weights", [float("nan"), 0.2]),
        ("smallest", -1.0),
        ("chance", [[float("inf")], [0.0]]),
        ("chance", [[0.0, 1.0], [0.0]]),
        ("chance", [[1.0, 0.0], [0.0, 1.0]]),
        ("chance", [[0.0], [2.0]]),
        ("counts", {"Si": float("nan")}),
        ("counts", {"Si": -5}),
        ("smallest", 0.0),
        ("weights", [1e308, 1e308]),
        ("weights", ["0.1", "0.2"]),
    ],
)
def test_damaged_numbers_are_refused(calibrated, part, value):
    node, tensors = pack(calibrated.calibration_)
    with pytest.raises(ValueError, match="the calibration is damaged"):
        unpack(node | {part: value}, tensors)


@pytest.mark.parametrize("name", ["labels", "formulas", "values", "vectors", "axes", "scores", "exchanged"])
def test_tensors_that_do_not_fit_are_refused(calibrated, name):
    node, tensors = pack(calibrated.calibration_)
    with pytest.raises(ValueError, match="the calibration is damaged"):
        unpack(node, tensors | {name: tensors[name][:0]})
    with pytest.raises(ValueError, match="the calibration is damaged"):
        unpack(node, tensors | {"scores": torch.full((3,), torch.nan)})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("scores", lambda t: -t - 1),
        ("distances", lambda t: -t - 1),
        ("origin", lambda t: t * 0 + 3e38),
        ("axes", lambda t: t.to(torch.complex64)),
        ("vectors", lambda t: t.to(torch.int32)),
        ("labels", lambda t: t[None]),
        ("zzz", lambda _: torch.zeros(3)),
    ],
)
def test_numbers_that_cannot_be_are_refused(calibrated, name, change):
    node, tensors = pack(calibrated.calibration_)
    with pytest.raises(ValueError, match="the calibration is damaged"):
        unpack(node, tensors | {name: change(tensors.get(name))})
    words = torch.frombuffer(bytearray(bytes(tensors["labels"]).replace(b"0", b"\x1b")), dtype=torch.uint8)
    with pytest.raises(ValueError, match="characters that cannot be printed"):
        unpack(node, tensors | {"labels": words})


def test_first_files_know_nothing_about_unknown_elements(calibrated):
    node, tensors = pack(calibrated.calibration_)
    tensors.pop("exchanged")
    scale, signs = unpack(node, tensors).scale, np.zeros((1, len(node["weights"]) - 1))
    assert scale.half_width(0.5, signs, np.array([True]))[0] == np.inf
    assert scale.half_width(0.5, signs, np.array([False]))[0] < np.inf


def test_a_calibration_of_another_network_is_refused(calibrated, tmp_path):
    other = copy.copy(calibrated)
    weights = np.append(calibrated.calibration_.scale.weights, 0.0)[: 5 - len(calibrated.calibration_.scale.weights)]
    scale = calibrated.calibration_.scale._replace(weights=weights)
    other.calibration_ = calibrated.calibration_._replace(scale=scale)
    save_model(other, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="the calibration is not of this network"):
        load_model(tmp_path / "model.safetensors")
