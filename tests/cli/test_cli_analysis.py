import csv
import io
import json

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from typer.testing import CliRunner

from sitenet_sklearn import SiteNetClassifier, SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer, save_model
from sitenet_sklearn.cli.app import app

SMALL = {"max_epochs": 1, "site_dim": 4, "attention_hidden_layers": (5,), "random_state": 0}


def lengths(X):
    return X.site_sizes[:, None]


@pytest.fixture(scope="module")
def folder(structures, band_gaps, tmp_path_factory):
    """A regressor, a classifier, an ensemble, a network alone, and a table."""
    folder = tmp_path_factory.mktemp("models")
    X, y = structures[:20], band_gaps[:20]
    pipeline = make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(**SMALL)).fit(X, y)
    save_model(pipeline, folder / "gap.safetensors")
    save_model(pipeline[-1], folder / "alone.safetensors")
    kind = make_pipeline(SupercellFeaturizer(20), SiteNetClassifier(**SMALL)).fit(X, y > 2)
    save_model(kind, folder / "kind.safetensors")
    ensemble = make_pipeline(SupercellFeaturizer(20), SiteNetEnsemble(SiteNetRegressor(**SMALL), n_members=2))
    save_model(ensemble.fit(X, y), folder / "ensemble.safetensors")
    records = [{"structure": s.as_dict(), "gap": float(v), "kind": bool(v > 2)} for s, v in zip(X, y, strict=True)]
    (folder / "gaps.jsonl").write_text("\n".join(map(json.dumps, records)))
    joblib.dump(pipeline, folder / "gap.joblib")
    forest = make_pipeline(SupercellFeaturizer(20), FunctionTransformer(lengths), RandomForestRegressor(3))
    joblib.dump(forest.fit(X, y), folder / "forest.joblib")
    return folder


def sitenet(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_evaluate_measures_and_reports(folder, structures, band_gaps, tmp_path):
    report = tmp_path / "report.html"
    model, table = folder / "ensemble.safetensors", folder / "gaps.jsonl"
    result = sitenet("evaluate", model, table, "--target", "gap", "--json", "--report", report)
    assert result.exit_code == 0, result.stderr
    metrics = json.loads(result.stdout)
    expected = joblib.load(folder / "gap.joblib").predict(structures[:20])
    found = json.loads(sitenet("evaluate", folder / "gap.joblib", table, "--target", "gap", "--json").stdout)
    assert found["MAE"] == pytest.approx(mean_absolute_error(band_gaps[:20], expected), rel=1e-4)
    assert metrics["crystals"] == 20
    text = report.read_text(encoding="utf-8")
    assert "gaps.jsonl (20 crystals)" in text
    assert text.count("<img") == 4  # with the spread


def test_evaluate_knows_classes_of_any_type(folder):
    result = sitenet("evaluate", folder / "kind.safetensors", folder / "gaps.jsonl", "--target", "kind")
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert row["target"] == "kind"
    assert 0 <= float(row["ROC AUC"]) <= 1


def test_evaluate_wants_as_many_targets_as_the_model_has(folder):
    targets = ["--target", "gap", "--target", "kind"]
    result = sitenet("evaluate", folder / "gap.safetensors", folder / "gaps.jsonl", *targets)
    assert "the model has 1 targets, but 2 columns are named: gap, kind" in str(result.exception)


def test_explain_lists_neighbors_and_summaries(folder, structures, tmp_path):
    structures[0].to(filename=str(tmp_path / "a.cif"))
    arguments = ["explain", folder / "gap.safetensors", tmp_path / "a.cif", folder / "gaps.jsonl", "--top", 1]
    output = tmp_path / "neighbors.csv"
    assert sitenet(*arguments, "--output", output).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(output.read_text(encoding="utf-8"))))
    assert {row["id"] for row in rows} == {str(tmp_path / "a.cif"), *map(str, range(20))}
    assert len({(row["id"], row["block"], row["head"], row["site"]) for row in rows}) == len(rows)
    ranges = list(csv.DictReader(io.StringIO(sitenet(*arguments, "--summary", "ranges").stdout)))
    assert len(ranges) == 6
    lines = sitenet(*arguments, "--summary", "long-range", "--json").stdout.splitlines()
    assert len(lines) == 6 * 21
    assert json.loads(lines[0])["id"] == str(tmp_path / "a.cif")


def test_explain_skips_what_fails(folder, tmp_path):
    (tmp_path / "bad.cif").write_text("data_")
    arguments = ["explain", folder / "gap.safetensors", tmp_path / "bad.cif"]
    assert "is not read as a crystal" in str(sitenet(*arguments).exception)
    result = sitenet(*arguments, "--on-error", "skip")
    assert "left out: 1" in result.stderr
    assert "none of the crystals can be featurized" in str(result.exception)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("forest", "holds a Pipeline, which has no attention: a Site-Net is expected"),
        ("alone", "holds no SupercellFeaturizer: save a pipeline"),
    ],
)
def test_explain_needs_a_single_network_behind_a_featurizer(folder, model, message):
    ending = "joblib" if model == "forest" else "safetensors"
    result = sitenet("explain", folder / f"{model}.{ending}", folder / "gaps.jsonl")
    assert message in str(result.exception)


def test_explain_takes_the_first_network_of_an_ensemble(folder):
    result = sitenet("explain", folder / "ensemble.safetensors", folder / "gaps.jsonl", "--top", 1)
    assert result.exit_code == 0, result.exception
    assert "attention of the first of 2 networks" in result.stderr


def test_info_describes_models_and_the_installation(folder):
    described = json.loads(sitenet("info", folder / "gap.safetensors", "--json").stdout)
    assert described["bytes"] == (folder / "gap.safetensors").stat().st_size
    assert described["steps"] == ["SupercellFeaturizer", "SiteNetRegressor"]
    assert described["parameters"]["supercellfeaturizer__max_atoms"] == 20
    assert np.isfinite(described["train_loss"])
    assert "weights: " in sitenet("info", folder / "gap.joblib").stdout
    card = sitenet("info", "band_gap").stdout
    assert max(map(len, card.splitlines())) <= 100
    assert "\n  - seed: 0, epochs: 20, minutes: " in card.replace("    -", "  -")
    assert "\n  - molecules, slabs, and disordered crystals\n" in card
    assert " Tm: 0." in card
    assert json.loads(sitenet("info", folder / "ensemble.safetensors", "--json").stdout)["members"] == 2
    assert "torch" in json.loads(sitenet("info", "--json").stdout)
