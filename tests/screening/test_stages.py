import json

import pandas as pd
import pytest

from sitenet_sklearn.estimators.prediction_table import prediction_columns
from sitenet_sklearn.network.weights_file import stored_checksum
from sitenet_sklearn.screening.diversity import representation
from sitenet_sklearn.screening.stages import ModelFile, featurize_rows, model_of, predict_crystals, represent_rows
from sitenet_sklearn.tables.reading import CrystalTable


def as_table(crystals):
    return CrystalTable([f"x{k}" for k in range(len(crystals))], crystals, pd.DataFrame(index=range(len(crystals))))


@pytest.fixture(scope="module")
def model_file(candidate_model_file):
    return ModelFile(str(candidate_model_file), stored_checksum(candidate_model_file))


def test_rows_are_featurized_and_predicted_as_by_the_model(candidate_model, model_file, structures):
    found = featurize_rows(model_file, as_table([*structures[:3], "no\ncrystal", *structures[3:6]]), 10)
    assert list(found.reasons) == [13]
    assert [print_ is None for print_ in found.fingerprints] == [False] * 3 + [True] + [False] * 3
    assert found.formulas[0] == structures[0].composition.reduced_formula
    crystals = found.crystals[found.crystals.valid]
    answers = predict_crystals(model_file, list(range(6)), crystals, 0.8)
    expected = prediction_columns(candidate_model[-1], candidate_model[0].transform(structures[:6]), 0.8)
    rows = pd.DataFrame([json.loads(answer) for answer in answers.answers], columns=list(expected))
    pd.testing.assert_frame_equal(rows, expected, rtol=1e-6)


def test_warnings_of_readers_come_back(model_file, crystals):
    text = str(crystals["graphite"].to(fmt="cif", symprec=0.01))  # coordinates of 1/3, rounded
    found = featurize_rows(model_file, as_table([text]), 0)
    assert any("rounded to ideal values" in message for message in found.warnings)


def test_representation_of_rows(candidate_model, model_file, structures):
    expected = representation(candidate_model[-1], candidate_model[0].transform(structures[:4]))
    assert represent_rows(model_file, as_table(structures[:4])) == pytest.approx(expected, abs=1e-4)


def test_an_altered_model_is_refused(candidate_model_file, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(candidate_model_file.read_bytes())
    with pytest.raises(ValueError, match="altered while the screening ran"):
        model_of(ModelFile(str(path), "0" * 64))
