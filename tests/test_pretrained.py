"""Models that come with the library: what they predict, and how they are found."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from sitenet_sklearn import list_pretrained, load_pretrained, predict_table
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
PREDICTED = {
    "band_gap": [0.1017, 0.0791, 4.8252, 4.3608, 0.0, 2.3088, 1.8473],
    "bulk_modulus": [1.9381, 1.7557, 1.3451, 2.1850, 2.1432, 2.3034, 2.3079],
    "shear_modulus": [1.7520, 1.6195, 1.1547, 2.0710, 1.5929, 1.9516, 2.0198],
    "refractive_index": [0.5832, 0.5958, 0.1939, 0.2459, 0.6857, 0.3973, 0.4207],
    "formation_energy": [0.0860, -0.2665, -2.0456, -2.9693, 0.0375, -3.4806, -3.4387],
}
"""What the models predict, in the units of their cards; no judgement on it."""


@pytest.mark.parametrize("name", PREDICTED)
def test_predictions_for_well_known_crystals_stay_as_they_are(name):
    table = predict_table(load_pretrained(name), list(GOLDEN.values()))
    np.testing.assert_allclose(table["prediction"], PREDICTED[name], atol=2e-3)
    assert (table["lower"] <= table["prediction"]).all()
    assert (table["prediction"] <= table["upper"]).all()


def test_silicon_was_seen_and_its_value_stands_beside_the_prediction():
    table = predict_table(load_pretrained("band_gap"), [GOLDEN["Si"]])
    assert table["nearest"][0].startswith("Si (mb-mp-gap-083529, 0.6119); ")
    assert table["flags"][0] == "a near training crystal of this formula lies outside the interval"


def test_an_element_that_no_crystal_had_is_flagged_and_widens_the_interval():
    strange = cubic("Fm-3m", 4.9, ["Es", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    table = predict_table(load_pretrained("band_gap"), [strange, GOLDEN["Cu"]])
    assert table["flags"][0].startswith("Es in no training crystal")
    assert table["probability_above_0"].isna().tolist() == [True, False]
    width = table["upper"] - table["prediction"]
    assert width[0] > 1.5 * width[1]


@pytest.mark.parametrize("name", list_pretrained())
def test_cards_say_what_anybody_must_know(name):
    card = model_card(name)
    asked = {"property", "unit", "data", "licence", "training", "errors", "known failures", "do not use for"}
    assert asked <= set(card)
    assert {"networks", "command", "version"} <= set(card["training"])
    assert len(card["training"]["networks"]) >= (3 if name in {"band_gap", "formation_energy"} else 1)
    assert all({"seed", "epochs", "minutes"} <= set(network) for network in card["training"]["networks"])
    uncertainty = (0.09 / card["trust"]["crystals"] * 2) ** 0.5  # of the crystals asked, and of those that calibrate
    assert abs(card["trust"]["90 % intervals hold"] - 0.9) <= 2 * uncertainty
    assert card["trust"]["error of flagged"] > card["trust"]["error of the others"]
    errors = card["errors"]
    assert errors["mean absolute error"] < errors["median predictor"]
    assert {"by sites in the cell", "by element"} <= set(errors)


def test_every_card_is_in_the_documentation():
    page = (Path(__file__).resolve().parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"models/(\w+)/card.json", page)) == list_pretrained()


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
    assert {"lower", "upper", "std", "probability_above_0", "novelty", "flags", "nearest"} <= set(
        json.loads(result.stdout)
    )
    result = runner.invoke(app, ["info", "band_gap"])
    assert "known failures:\n" in result.output
    assert "unit: eV" in result.output


def test_a_wrong_name_of_a_model_is_no_file_and_no_model():
    result = runner.invoke(app, ["predict", "band_gpa", "x.cif"])
    assert result.exit_code == 2
    assert "did you mean band_gap?" in " ".join(result.output.replace("│", " ").split())
