"""What is in the ledger is finished, and stays so after a kill."""

import json
import sqlite3

import numpy as np
import pytest

from sitenet_sklearn.screening.fingerprint import TOLERANCE, Fingerprint
from sitenet_sklearn.screening.ledger import Ledger, Row


def print_of(key, value):
    return Fingerprint(key, (key,), np.full(8, value))


@pytest.fixture
def ledger(tmp_path):
    found = Ledger(tmp_path / "ledger.sqlite", {"model": "a", "sources": "b"})
    rows = [Row(0, "x", "Fe", 0, None), Row(1, "y", None, None, "no such file"), Row(2, "z", "Fe", 0, None)]
    found.add(rows, [(0, print_of(5, 0.25), "[1.5, NaN]")])
    yield found
    found.close()


def test_rows_come_back_with_the_answers_of_their_crystal(ledger):
    first, failed, again = ledger
    assert first[:-1] == (0, "x", "Fe", None, 0, "x")
    assert first.answers[0] == again.answers[0] == 1.5
    assert np.isnan(first.answers[1])
    assert again.first_id == "x"
    assert failed.answers is None
    assert failed.reason == "no such file"
    assert ledger.counts() == (3, 1, 1)
    assert ledger.reasons(5) == [("no such file", 1)]


def test_crystals_are_found_by_key_and_projections(ledger):
    assert ledger.find(print_of(5, 0.25)) == 0
    assert ledger.find(print_of(5, 0.25 + TOLERANCE / 2)) == 0
    assert ledger.find(print_of(5, 0.25 + 2 * TOLERANCE)) is None
    assert ledger.find(print_of(6, 0.25)) is None
    assert ledger.find(Fingerprint(6, (6, 5), np.full(8, 0.25))) == 0


def test_a_round_is_there_as_a_whole_or_not_at_all(ledger):
    wrong = [Row(3, "new", "Co", 3, None), Row(0, "twice", "Fe", 0, None)]
    with pytest.raises(sqlite3.IntegrityError):
        ledger.add(wrong, [(3, print_of(7, 0.5), "[1.0]")])
    assert ledger.n_rows == 3
    assert ledger.find(print_of(7, 0.5)) is None


@pytest.mark.usefixtures("ledger")
def test_a_ledger_goes_on_with_the_same_job_only(tmp_path):
    path = tmp_path / "ledger.sqlite"
    again = Ledger(path, {"model": "a", "sources": "b"})
    assert again.n_rows == 3
    again.close()
    with pytest.raises(ValueError, match="begun with other model and other sources: run the same command"):
        Ledger(path, {"model": "c", "sources": "d"})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "ledger.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(ValueError, match="no usable ledger of a screening"):
        Ledger(tmp_path / "other" / "ledger.sqlite", {})


def test_options_that_differ_are_named_with_both_values(tmp_path):
    path, options = tmp_path / "ledger.sqlite", {"level": 0.9, "structure_column": None}
    Ledger(path, {"model": "a", "options": json.dumps(options)}).close()
    Ledger(path, {"model": "a", "options": json.dumps(options)}).close()
    with pytest.raises(ValueError, match=r"was begun with level 0\.9, now 0\.8: run the same command as before"):
        Ledger(path, {"model": "a", "options": json.dumps(options | {"level": 0.8})})
    options = {"level": 0.8, "structure_column": "cif"}
    both = r"with other model and level 0\.9, now 0\.8 and structure column not given, now cif: run"
    with pytest.raises(ValueError, match=both):
        Ledger(path, {"model": "b", "options": json.dumps(options)})
