import re
import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.displays.screening_report import write_screening_report

NAMES = ("chromium", "chromium-browser", "google-chrome")


def top_of(structures):
    return pd.DataFrame(
        {
            "rank": range(1, len(structures) + 1),
            "score": np.linspace(3, 1, len(structures)),
            "id": [f"<b>{k}</b>" for k in range(len(structures))],
            "formula": [structure.composition.reduced_formula for structure in structures],
            "prediction": np.linspace(3, 1, len(structures)),
            "cif": "data_",
        }
    )


def full_top_of(structures):
    """Make the table of a calibrated model, with the longest things that it holds."""
    top = top_of(structures).assign(formula="Ba2NdNb(CuO4)2", lower=-14.3621, upper=-14.2231, std=0.1)
    top["flags"] = "a near training crystal of this formula lies outside the interval"
    top["id"] = [f"candidates/strained-by-3-percent/{k}/structure.cif" for k in range(len(top))]
    return top.assign(probability_above_0=0.9, novelty=99.55, nearest="LiF (mp-1, 2.0); LiCl (mp-2, 3.0)")


def report_of(tmp_path, structures, top_of=top_of, **changed):
    values = {"prediction": Counter({1.0: 900, 2.5: 100}), "width": Counter({0.5: 10}), "novelty": Counter()}
    given = {"n_rows": 1234, "n_crystals": 1000, "n_failed": 34, "values": values, "elements": {"Na": 7, "Cl": 1}}
    path = tmp_path / "report.html"
    given |= {"reasons": [("no such <file>", 34)]} | changed
    write_screening_report(path, top_of(structures), structures, **given)
    return path.read_text(encoding="utf-8")


def heads_of(text):
    return re.findall(r'<th scope="col".*?>(.*?)</th>', text)


def test_a_report_counts_and_escapes(tmp_path, structures):
    text = report_of(tmp_path, structures[:14], quantity="band gap", unit="eV", n_flagged=5)
    counts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    expected = {"rows": "1,234", "different crystals": "1,000", "found again": "200", "failed": "34"}
    assert counts == expected | {"with a reason to doubt": "5"}
    assert "<b>" not in text
    assert "no such &lt;file&gt;" in text
    assert not re.search("https?:", text)
    assert "data_" not in text
    images = re.findall(r'alt="(.*?)"', text)
    assert len(images) == 12 + 2 + 2
    assert images[0].startswith("1. ")
    assert images[0].endswith(": 3.000 eV")
    assert images[12].endswith("of all crystals, and in orange those of the best ones.")
    assert text.count('<th scope="row">') >= 14
    assert heads_of(text)[:5] == ["rank", "formula", "id", "prediction (eV)", "score (eV)"]


def test_the_table_has_what_a_reader_needs_with_units(tmp_path, structures):
    text = report_of(tmp_path, structures[:2], full_top_of, unit="eV/atom", level=0.8, legend="Ranks are ranks.")
    heads = ["rank", "formula", "id", "prediction (eV/atom)", "80 % interval (eV/atom)", "flags: reasons to doubt"]
    assert heads_of(text)[:8] == [*heads, "novelty (%)", "score (eV/atom)"]
    assert "-14.362 to -14.223" in text
    assert "The 2 best crystals. Ranks are ranks." in text
    assert "mp-1, 2.0" not in text


def test_a_report_names_the_model_and_folds_parameters_away(tmp_path, structures):
    model = make_pipeline(SupercellFeaturizer(30), SiteNetRegressor(lr=0.5))
    about = {"name": "gap.safetensors", "made on": "2026-11-27"}
    text = report_of(tmp_path, structures[:2], model=model, about=about, data="a.csv")
    shown, folded, _ = re.split("<details>|</details>", text)
    assert "gap.safetensors on a.csv (1,234 rows)" in shown
    assert "2026-11-27" in shown
    assert "SupercellFeaturizer" not in shown
    assert "sitenetregressor__lr" not in shown
    assert "sitenetregressor__lr" in folded
    assert "SupercellFeaturizer and SiteNetRegressor on" in report_of(tmp_path, structures[:2], model=model)


def test_a_report_of_nothing(tmp_path):
    text = report_of(tmp_path, [], values={}, elements={}, reasons=(), shortage="0 crystals could be ranked")
    assert "0 crystals could be ranked." in text
    assert "best crystals" not in text
    assert "Failed" not in text
    assert "in orange" not in report_of(tmp_path, [])


@pytest.mark.parametrize("width", [1366, 1024, 820])
def test_the_table_fits_the_page(tmp_path, structures, width):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip("needs Chromium")
    report_of(tmp_path, structures[:13], full_top_of, unit="log10(GPa)")
    with playwright.sync_playwright() as found:
        opened = found.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = opened.new_page(viewport={"width": width, "height": 900})
        page.goto((tmp_path / "report.html").as_uri())
        assert page.evaluate("[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)")
        flags = page.get_by_role("columnheader", name="flags").bounding_box()
        assert flags["width"] > 140
        assert page.evaluate("[...document.querySelectorAll('th, td')].every(e => e.scrollWidth <= e.clientWidth)")
        opened.close()


def test_words_of_the_user_are_no_mathematics(tmp_path, structures):
    text = report_of(tmp_path, structures[:1], quantity="$\\frac{$", unit="$^$")
    assert "Screening: $\\frac{$" in text
