import re
from collections import Counter

import numpy as np
import pandas as pd

from sitenet_sklearn.displays.screening_report import write_screening_report


def report_of(tmp_path, structures, **changed):
    top = pd.DataFrame(
        {
            "rank": range(1, len(structures) + 1),
            "score": np.linspace(3, 1, len(structures)),
            "id": [f"<b>{k}</b>" for k in range(len(structures))],
            "formula": [structure.composition.reduced_formula for structure in structures],
            "prediction": np.linspace(3, 1, len(structures)),
            "cif": "data_",
        }
    )
    values = {"prediction": Counter({1.0: 900, 2.5: 100}), "width": Counter({0.5: 10}), "novelty": Counter()}
    given = {"n_rows": 1234, "n_crystals": 1000, "n_failed": 34, "values": values, "elements": {"Na": 7, "Cl": 1}}
    path = tmp_path / "report.html"
    write_screening_report(path, top, structures, **given | {"reasons": [("no such <file>", 34)]} | changed)
    return path.read_text(encoding="utf-8")


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
    assert text.count('<th scope="row">') >= 14


def test_a_report_of_nothing(tmp_path):
    text = report_of(tmp_path, [], values={}, elements={}, reasons=())
    assert "The 0 best crystals" in text
    assert "Failed" not in text
