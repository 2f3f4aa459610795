import json

import numpy as np
import pandas as pd
import pytest

from sitenet_sklearn.screening.ledger import Finished
from sitenet_sklearn.screening.results import Distributions, table_of, table_writer

COLUMNS = ["prediction", "lower", "upper", "novelty", "flags"]
ROWS = [
    Finished(0, "a", "NaCl", None, 0, "a", [1.0, 0.5, 2.0, 30.0, ""]),
    Finished(1, "b", None, "no such file", None, None, None),
    Finished(2, "c", "NaCl", None, 0, "a", [1.0, 0.5, 2.0, 30.0, ""]),
    Finished(3, "d", "Co2O", None, 3, "d", [4.0, 3.0, np.inf, 99.0, "Co in no training crystal"]),
]


@pytest.mark.parametrize("form", [".csv", ".parquet"])
def test_a_table_comes_back_from_its_file(tmp_path, form):
    expected = table_of(ROWS, COLUMNS)
    path = tmp_path / "table"
    with table_writer(path, form) as write:
        write(expected[:1])
        write(expected[1:])
    found = (pd.read_csv if form == ".csv" else pd.read_parquet)(path)
    assert list(found) == ["id", "formula", *COLUMNS, "duplicate_of", "reason"]
    assert found["id"].tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(found["prediction"], [1.0, np.nan, 1.0, 4.0])
    assert found["duplicate_of"].dropna().to_dict() == {2: "a"}
    assert found["reason"].dropna().to_dict() == {1: "no such file"}
    assert found["flags"][3] == "Co in no training crystal"


def test_a_column_without_values_keeps_its_type(tmp_path):
    path = tmp_path / "table"
    with table_writer(path, ".parquet") as write:
        write(table_of(ROWS[1:2], COLUMNS))
        write(table_of(ROWS[:1], COLUMNS))
    found = pd.read_parquet(path)
    assert found["prediction"].dtype == float
    assert json.loads(found["id"].to_json()) == {"0": "b", "1": "a"}


def test_distributions_count_every_crystal_once():
    found = Distributions()
    for start in (0, 2):
        found.add(table_of(ROWS[start : start + 2], COLUMNS))
    assert found.elements == {"Na": 1, "Cl": 1, "Co": 1, "O": 1}
    assert found.counts["prediction"] == {1.0: 1, 4.0: 1}
    assert found.counts["width"] == {1.5: 1}  # the other has no end
    assert found.counts["novelty"] == {30.0: 1, 99.0: 1}
    assert found.n_flagged == 1


def test_distributions_do_not_grow(rng):
    found = Distributions()
    for _ in range(3):
        values = rng.uniform(0, 1, 20_000)
        rows = [Finished(k, "x", "Fe", None, k, "x", [value]) for k, value in enumerate(values)]
        found.add(table_of(rows, ["prediction"]))
    assert sum(found.counts["prediction"].values()) == 60_000
    assert len(found.counts["prediction"]) < 4000
