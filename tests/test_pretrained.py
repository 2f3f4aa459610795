"""Models that come with the library: what they predict, and how they are found."""

import json

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from sitenet_sklearn import list_pretrained, load_pretrained
from sitenet_sklearn.cli.app import app
from sitenet_sklearn.pretrained import model_card

runner = CliRunner()


def cubic(group, a, species, positions):
    return Structure.from_spacegroup(group, Lattice.cubic(a), species, positions)


GOLDEN = {
    "Si": cubic("Fd-3m", 5.47, ["Si"], [[0, 0, 0]]),
    "GaAs": cubic("F-43m", 5.75, ["Ga", "As"], [[0, 0, 0], [0.25, 0.25, 0.25]]),
    "NaCl": cubic("Fm-3m", 5.69, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "MgO": cubic("Fm-3m", 4.26, ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "Cu": cubic("Fm-3m", 3.62, ["Cu"], [[0, 0, 0]]),
    "TiO2 anatase": Structure.from_spacegroup(
        "I4_1/amd", Lattice.tetragonal(3.80, 9.70), ["Ti", "O"], [[0, 0, 0], [0, 0, 0.207]]
    ),
    "TiO2 rutile": Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.66, 2.97), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    ),
}
BAND_GAPS = {
    "Si": 0.123,
    "GaAs": 0.135,
    "NaCl": 4.899,
    "MgO": 4.563,
    "Cu": 0.0,
    "TiO2 anatase": 2.383,
    "TiO2 rutile": 1.931,
}
"""What the model predicts, in eV; no judgement on it."""


def test_band_gaps_of_well_known_crystals_stay_as_they_are():
    predicted = load_pretrained("band_gap").predict(list(GOLDEN.values()))
    np.testing.assert_allclose(predicted, [BAND_GAPS[name] for name in GOLDEN], atol=2e-3)


@pytest.mark.parametrize("name", list_pretrained())
def test_cards_say_what_anybody_must_know(name):
    card = model_card(name)
    asked = {"property", "unit", "data", "licence", "training", "errors", "known failures", "do not use for"}
    assert asked <= set(card)
    assert {"seed", "epochs", "minutes", "command", "version"} <= set(card["training"])
    errors = card["errors"]
    assert errors["mean absolute error"] < errors["median predictor"]
    assert {"by sites in the cell", "by element"} <= set(errors)


def test_unknown_names_are_refused_with_the_likeliest():
    with pytest.raises(ValueError, match="no model 'band-gap' comes with the library; did you mean band_gap"):
        load_pretrained("band-gap")


def test_commands_take_the_name_of_a_model(tmp_path, crystals):
    path = tmp_path / "salt.cif"
    crystals["NaCl"].to_file(str(path))
    result = runner.invoke(app, ["predict", "band_gap", str(path), "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    expected = load_pretrained("band_gap").predict([crystals["NaCl"]])[0]
    assert json.loads(result.stdout)["prediction"] == pytest.approx(expected, abs=1e-4)
    result = runner.invoke(app, ["info", "band_gap"])
    assert "known failures: " in result.output
    assert "unit: eV" in result.output


def test_a_wrong_name_of_a_model_is_no_file_and_no_model():
    result = runner.invoke(app, ["predict", "band_gpa", "x.cif"])
    assert result.exit_code == 2
    assert "did you mean band_gap?" in " ".join(result.output.replace("│", " ").split())
