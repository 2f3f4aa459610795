import csv

import numpy as np
import pytest

from sitenet_sklearn import load_model
from sitenet_sklearn.cli.demo import run_demo, split_crystals


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new"
    return run_demo(folder, max_atoms=20, max_epochs=1, n_crystals=50, verbose=0)


def test_it_compares_three_models(result):
    assert list(result.errors) == ["Site-Net", "gradient boosting, Magpie", "median"]
    assert all(0 < error < 5 for error in result.errors.values())


def test_it_writes_model_predictions_and_plot(result, dielectric):
    model, predictions, plot = result.files
    with predictions.open() as file:
        rows = list(csv.DictReader(file))
    test = np.random.RandomState(0).permutation(1056)[:50][844 * 50 // 1056 :]
    assert [row["id"] for row in rows] == list(dielectric.ids[test])
    predicted = load_model(model).predict([dielectric.data[k] for k in test])
    np.testing.assert_allclose([float(row["prediction"]) for row in rows], predicted, atol=1e-4)
    assert [float(row["true"]) for row in rows] == dielectric.target[test].tolist()
    errors = [abs(float(row["prediction"]) - float(row["true"])) for row in rows]
    assert np.mean(errors) == pytest.approx(result.errors["Site-Net"], abs=1e-4)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_split_is_the_published_one(dielectric):
    train, test = split_crystals(len(dielectric.data))
    assert (len(train), len(test)) == (844, 212)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(1056))
    assert dielectric.ids[test[:3]].tolist() == ["mp-554278", "mp-571648", "mp-554405"]
    assert np.abs(dielectric.target[test] - np.median(dielectric.target[train])).mean() == pytest.approx(
        1.257, abs=5e-4
    )


@pytest.mark.slow
def test_demo_reaches_its_error(tmp_path):
    errors = run_demo(tmp_path, verbose=0).errors
    assert errors["Site-Net"] <= 0.45
    assert 0.45 <= errors["gradient boosting, Magpie"] <= 0.53
    assert errors["median"] == pytest.approx(1.26, abs=0.01)
