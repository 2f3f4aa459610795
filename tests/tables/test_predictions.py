import json

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sitenet_sklearn import (
    CalibratedRegressor,
    SiteNetClassifier,
    SiteNetEnsemble,
    SiteNetRegressor,
    SupercellFeaturizer,
    save_model,
)
from sitenet_sklearn.estimators.prediction_table import predict_table, prediction_columns
from sitenet_sklearn.exceptions import FeaturizationError
from sitenet_sklearn.tables.predictions import (
    PredictionFile,
    as_text,
    predict_rows,
    predict_tables,
    split_featurizer,
)
from sitenet_sklearn.tables.reading import CrystalTable

SMALL = {"max_epochs": 1, "site_dim": 4, "attention_hidden_layers": (5,), "random_state": 0}


def as_table(crystals):
    return CrystalTable([f"x{k}" for k in range(len(crystals))], crystals, pd.DataFrame(index=range(len(crystals))))


def reverse(X):
    return X[::-1]


@pytest.fixture(scope="module")
def pipeline(structures, band_gaps):
    return make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(**SMALL)).fit(structures[:20], band_gaps[:20])


def test_rows_are_predictions_of_the_model(pipeline, structures):
    found, failures = predict_rows(pipeline, as_table(structures[:3]))
    assert list(found) == ["id", "formula", "prediction"]
    assert found["id"].tolist() == ["x0", "x1", "x2"]
    assert found["formula"].tolist() == [structure.composition.reduced_formula for structure in structures[:3]]
    np.testing.assert_allclose(found["prediction"], pipeline.predict(structures[:3]), rtol=1e-5)
    assert failures == []


@pytest.fixture(scope="module")
def calibrated(structures, band_gaps):
    model = CalibratedRegressor(SiteNetRegressor(**SMALL), calibration_fraction=0.5, random_state=0)
    return make_pipeline(SupercellFeaturizer(20), model).fit(structures[:30], band_gaps[:30])


ANSWERS = ["formula", "prediction", "lower", "upper", "novelty", "flags", "nearest"]


def test_one_answer_for_every_crystal_from_structures(calibrated, structures):
    labelled = pd.Series(structures[:3], index=["a", "b", "c"])
    table = predict_table(calibrated, labelled, level=0.8)
    assert list(table) == ANSWERS
    assert table.index.tolist() == ["a", "b", "c"]
    assert table["formula"].tolist() == [structure.composition.reduced_formula for structure in structures[:3]]
    np.testing.assert_allclose(table["prediction"], calibrated.predict(structures[:3]), rtol=1e-5)
    wider = predict_table(calibrated, labelled, level=0.9)
    assert (wider["upper"] > table["upper"]).all()
    rows, _ = predict_rows(calibrated, as_table(structures[:3]), level=0.8)
    assert rows.drop(columns="id").equals(table.reset_index(drop=True))


def test_one_answer_for_crystals_that_fail(calibrated, pipeline, structures):
    with pytest.raises(FeaturizationError):
        predict_table(calibrated, [structures[0], None])
    with pytest.warns(UserWarning, match="masked"):
        table = predict_table(calibrated, [structures[0], None], on_error="mask")
    assert list(table) == ANSWERS
    assert table["prediction"].isna().tolist() == [False, True]
    assert table["formula"].tolist() == [structures[0].composition.reduced_formula, None]
    found, _ = predict_rows(calibrated, as_table(["{"]), on_error="mask")
    assert as_text(found) == f"id,{','.join(ANSWERS)}\nx0,{',' * (len(ANSWERS) - 1)}\n"
    assert list(predict_table(pipeline, structures[:1])) == ["formula", "prediction"]


def test_steps_between_featurizer_and_calibration_count(calibrated, structures):
    backwards = make_pipeline(calibrated[0], FunctionTransformer(reverse), calibrated[1])
    expected = calibrated.predict(structures[:3])[::-1]
    np.testing.assert_allclose(predict_table(backwards, structures[:3])["prediction"], expected, rtol=1e-5)


def test_levels_are_checked_for_every_model(pipeline, structures):
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 90"):
        predict_table(pipeline, structures[:1], level=90)


def test_a_file_goes_on_with_the_same_settings_only(tmp_path, structures):
    (tmp_path / "model").write_bytes(b"")
    tables = [as_table(structures[:2])]
    file = PredictionFile(tmp_path / "a.csv", tmp_path / "model", tables, settings={"level": 0.9})
    file.append(pd.DataFrame({"id": ["x0"], "prediction": [1.0]}))
    del file
    for settings in ({"level": 0.8}, {"level": 0.9, "disordered": True}):
        with pytest.raises(ValueError, match="begun with"):
            PredictionFile(tmp_path / "a.csv", tmp_path / "model", tables, settings=settings)


def test_what_fails_is_masked_and_counted_from_the_first_table(pipeline, structures):
    alloy = structures[0].copy()
    alloy.replace_species({alloy[0].specie: {alloy[0].specie: 0.5}})
    tables = [as_table(structures[:2]), as_table([alloy, structures[1], "{"])]
    (first, none), (second, failures) = predict_tables(pipeline, tables, on_error="mask")
    assert none == []
    assert [(failure.index, failure.name) for failure in failures] == [(2, "x0"), (4, "x2")]
    assert np.isnan(second["prediction"]).tolist() == [True, False, True]
    assert second["prediction"][1] == pytest.approx(first["prediction"][1], rel=1e-5)  # the same supercell as alone
    for wrong in (alloy, "{"):
        with pytest.raises(FeaturizationError, match=r"index 1 \(x1"):
            predict_rows(pipeline, as_table([structures[0], wrong]))


def test_rows_can_be_skipped_across_tables(pipeline, structures):
    tables = [as_table(structures[:2]), as_table(structures[2:5])]
    ((found, _),) = predict_tables(pipeline, tables, skip=3)
    assert found["id"].tolist() == ["x1", "x2"]


def test_a_table_of_nothing_but_failures_has_all_columns(pipeline):
    found, _ = predict_rows(pipeline, as_table(["{", ""]), on_error="mask")
    assert as_text(found) == "id,formula,prediction\nx0,,\nx1,,\n"


def test_columns_of_targets_spread_and_classes(featurized, band_gaps):
    two = SiteNetRegressor(**SMALL).fit(featurized, np.column_stack([band_gaps, band_gaps]))
    assert list(prediction_columns(two, featurized[:2])) == ["prediction_1", "prediction_2"]
    ensemble = SiteNetEnsemble(SiteNetRegressor(**SMALL), n_members=2).fit(featurized, band_gaps)
    assert list(prediction_columns(ensemble, featurized[:2])) == ["prediction", "std"]
    labels = np.where(band_gaps > 2, "wide", "narrow")
    classifier = SiteNetClassifier(**SMALL).fit(featurized, labels)
    found = prediction_columns(classifier, featurized[:5])
    assert list(found) == ["prediction", "probability_narrow", "probability_wide"]
    assert found["prediction"].tolist() == classifier.predict(featurized[:5]).tolist()


def test_an_ensemble_of_pipelines_featurizes_once(pipeline, structures, band_gaps):
    ensemble = SiteNetEnsemble(pipeline, n_members=2, random_state=0).fit(structures[:20], band_gaps[:20])
    featurizer, rest = split_featurizer(ensemble)
    assert isinstance(featurizer, SupercellFeaturizer)
    expected = ensemble.predict(structures[:3])
    np.testing.assert_allclose(rest.predict(featurizer.transform(structures[:3])), expected, rtol=1e-5)


def test_models_without_a_featurizer_get_structures(structures):
    assert split_featurizer(SiteNetRegressor())[0] is None
    with pytest.raises(FeaturizationError):
        predict_rows(SiteNetRegressor(), as_table([structures[0], "{"]), on_error="mask")


def test_json_has_null_for_what_is_missing():
    frame = pd.DataFrame({"id": ["a/b", "c"], "prediction": [1 / 3, np.nan], "n": [1, 2]})
    first, second = map(json.loads, as_text(frame, form="json").splitlines())
    assert first == {"id": "a/b", "prediction": 0.333333, "n": 1}
    assert second == {"id": "c", "prediction": None, "n": 2}


def test_a_file_goes_on_with_the_same_model_and_data_only(pipeline, structures, tmp_path):
    model, output = tmp_path / "gap.safetensors", tmp_path / "out.csv"
    save_model(pipeline, model)
    tables = [as_table(["{"]), as_table(["{"])]
    whole = PredictionFile(tmp_path / "whole.csv", model, tables)
    for found, _ in predict_tables(pipeline, tables, on_error="mask"):
        whole.append(found)
    whole.finish()
    ((first, _), _) = predict_tables(pipeline, tables, on_error="mask")
    PredictionFile(output, model, tables).append(first)
    for others in (tables[:1], [as_table([structures[0].as_dict()])]):
        with pytest.raises(ValueError, match="was begun with another model, other data or options"):
            PredictionFile(output, model, others)
    with pytest.raises(ValueError, match="was begun with another"):
        PredictionFile(output, model, tables, form="json")
    again = PredictionFile(output, model, tables)
    assert again.rows == 1
    for found, _ in predict_tables(pipeline, tables, skip=again.rows, on_error="mask"):
        again.append(found)
    again.finish()
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()
