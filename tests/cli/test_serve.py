import builtins
import sys

import pytest
from typer.testing import CliRunner

from sitenet_sklearn.cli import serve as module
from sitenet_sklearn.cli.app import app, run
from sitenet_sklearn.cli.serve import has_screen, words_of
from sitenet_sklearn.network.weights_file import write_model
from sitenet_sklearn.pretrained import pretrained_file

pytest.importorskip("uvicorn", reason="needs the extra serve")


@pytest.fixture
def served(monkeypatch):
    """Run no server, and note what it would do."""
    noted = {}

    def quick(model, about, taken, ready):
        noted.update(model=model, about=about, port=taken.getsockname()[1])
        ready("http://127.0.0.1:1/token/")

    def note(address):
        noted["opened"] = address

    monkeypatch.setattr("sitenet_sklearn.server.running.serve", quick)
    monkeypatch.setattr(module.webbrowser, "open", note)
    return noted


def test_the_address_is_all_of_stdout(served):
    result = CliRunner().invoke(app, ["serve", "--no-open"])
    assert result.exit_code == 0
    assert result.stdout == "http://127.0.0.1:1/token/\n"
    assert "Ctrl-C ends it" in result.stderr
    assert "opened" not in served
    assert served["about"]["title"] == "Band gap"
    assert served["port"]


@pytest.mark.parametrize("screen", [True, False])
def test_the_page_is_opened_where_there_is_a_screen(served, monkeypatch, screen):
    monkeypatch.setattr(module, "has_screen", lambda: screen)
    CliRunner().invoke(app, ["serve", "formation_energy"])
    assert ("opened" in served) == screen
    CliRunner().invoke(app, ["serve", "formation_energy", "--open"])
    assert served["opened"] == "http://127.0.0.1:1/token/"
    assert served["about"]["unit"] == "eV/atom"


def test_a_screen_is_looked_for(monkeypatch):
    monkeypatch.setattr(module.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_screen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_screen()


def test_words_of_models_that_come_with_the_library():
    words = words_of(pretrained_file("band_gap"))
    assert words["title"] == "Band gap"
    assert words["unit"] == "eV"
    assert "molecules, slabs, and disordered crystals" in words["unfit"]
    assert words["failures"]


def test_words_of_a_model_of_ones_own(structures, band_gaps, tmp_path):
    from sklearn.pipeline import make_pipeline

    from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, save_model

    tiny = SiteNetRegressor(max_epochs=1, site_dim=3, attention_hidden_layers=(4,))
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), tiny).fit(structures[:10], band_gaps[:10])
    save_model(pipeline, tmp_path / "a.safetensors", about={"target": "bulk_modulus", "unit": "GPa"})
    words = words_of(tmp_path / "a.safetensors")
    assert (words["title"], words["unit"], words["failures"]) == ("Bulk modulus", "GPa", [])
    save_model(pipeline, tmp_path / "b.safetensors")
    assert words_of(tmp_path / "b.safetensors")["title"] == "Prediction"


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ([1], {"title": "Prediction"}),
        ("gap", {"title": "Prediction"}),
        ({"target": ["a"], "unit": {"x": 1}, "known failures": 5, "do not use for": "abc"}, {"title": "Prediction"}),
        ({"target": "x\x1b[31m\ny", "property": 3}, {"title": "X\ufffd[31m y"}),
        ({"known failures": ["a", 1, None, ["b"], "c\x00"]}, {"title": "Prediction", "failures": ["a", "c\ufffd"]}),
        ({"unit": "x" * 5000}, {"title": "Prediction", "unit": "x" * module.MAX_TEXT}),
        ({"target": "gap", "property": "width"}, {"title": "Gap", "what": "width"}),
    ],
)
def test_words_are_text_whatever_a_file_says(tmp_path, about, expected):
    write_model(tmp_path / "a.safetensors", {"about": about}, {})
    assert words_of(tmp_path / "a.safetensors") == {"unit": "", "what": "", "failures": [], "unfit": []} | expected


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing"], 2, "no model file nothing"),
        (["no.safetensors"], 2, "no model file no.safetensors"),
        (["--port", "70000"], 2, "--port"),
        (["--device", "warp"], 1, "warp"),
    ],
)
def test_wrong_usage_is_one_message(served, capsys, arguments, code, message):
    with pytest.raises(SystemExit) as ended:
        run(["serve", *arguments])
    assert ended.value.code == code
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not served


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys, missing):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return original(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("sitenet_sklearn.server.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SystemExit) as ended:
        run(["serve"])
    assert ended.value.code == 1
    assert f"serve needs {missing}: in a clone of the repository, run pip install '.[serve]'" in capsys.readouterr().err
