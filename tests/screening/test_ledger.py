"""What is in the ledger is finished, and stays so after a kill; nobody disturbs it, and all errors say what to do."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import numpy as np
import pytest

from sitenet_sklearn.screening import ledger as module
from sitenet_sklearn.screening.fingerprint import TOLERANCE, Fingerprint
from sitenet_sklearn.screening.ledger import Ledger, Row, is_ledger, stored_job

JOB = {"model": "a", "sources": "b"}
READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0.1)
try:
    connection.execute(sys.argv[2])
    print("open", flush=True)
    sys.stdin.read()
except sqlite3.Error as error:
    print(error)
"""


def program(path, query):
    """Another program that has a ledger open until its input ends."""
    arguments = [sys.executable, "-c", READER, path, query]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


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
    with pytest.raises(ValueError, match=r"ledger.sqlite is no usable ledger .*UNIQUE.*: remove .* to begin anew"):
        ledger.add(wrong, [(3, print_of(7, 0.5), "[1.0]")])
    assert ledger.n_rows == 3
    assert ledger.find(print_of(7, 0.5)) is None


def test_a_ledger_goes_on_with_the_same_job_only(tmp_path, ledger):
    path, token = tmp_path / "ledger.sqlite", ledger.token
    ledger.close()
    again = Ledger(path, {"model": "a", "sources": "b"})
    assert again.n_rows == 3
    assert again.token == token
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


@pytest.mark.parametrize("query", ["SELECT * FROM rows", "BEGIN IMMEDIATE"])
def test_whoever_looks_meanwhile_disturbs_nothing(tmp_path, ledger, query):
    with program(tmp_path / "ledger.sqlite", query) as reader:
        assert reader.stdout.readline() == "database is locked\n"
        ledger.add([Row(3, "new", "Co", 3, None)], [(3, print_of(7, 0.5), "[1.0]")])
    assert ledger.n_rows == 4
    ledger.close()
    with program(tmp_path / "ledger.sqlite", query) as reader:
        assert reader.stdout.readline() == "open\n"
        reader.stdin.close()


def test_a_ledger_waits_for_a_program_that_has_it_open(tmp_path, ledger):
    path = tmp_path / "ledger.sqlite"
    ledger.close()
    with program(path, "BEGIN EXCLUSIVE") as other:
        assert other.stdout.readline() == "open\n"
        threading.Timer(3, other.stdin.close).start()
        with pytest.warns(UserWarning, match=r"another program has .*ledger.sqlite open: waiting until it closes"):
            again = Ledger(path, JOB)
    assert again.n_rows == 3
    again.close()


@pytest.mark.filterwarnings("ignore:another program")
@pytest.mark.parametrize("read", [stored_job, lambda path: Ledger(path, JOB)])
def test_a_locked_ledger_is_never_called_unusable(tmp_path, ledger, monkeypatch, read):
    path = tmp_path / "ledger.sqlite"
    ledger.close()
    monkeypatch.setattr(module, "PATIENCE", 0)
    with program(path, "BEGIN EXCLUSIVE") as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(OSError, match=r"ledger.sqlite is locked: close the program that has it open") as error:
            read(path)
        other.stdin.close()
    assert "remove" not in str(error.value)
    with closing(Ledger(path, JOB)) as again:
        assert again.n_rows == 3


def test_a_full_disk_is_told_and_finished_rows_stay(ledger):
    (pages,) = ledger._connection.execute("PRAGMA page_count").fetchone()
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    rows = [Row(k, "x" * 1000, None, None, "why") for k in range(3, 40)]
    message = r"ledger.sqlite cannot be written, as the disk is full: free space and run the same command again"
    with pytest.raises(OSError, match=message):
        ledger.add(rows, [])
    assert ledger.n_rows == 3
    ledger._connection.execute("PRAGMA max_page_count = 1000000")
    ledger.add(rows, [])
    assert ledger.n_rows == 40


def test_a_ledger_that_is_removed_meanwhile_is_told(tmp_path):
    (tmp_path / "work").mkdir()
    ledger = Ledger(tmp_path / "work" / "ledger.sqlite", JOB)
    shutil.rmtree(tmp_path / "work")
    with pytest.raises(FileNotFoundError, match=r"sqlite was removed while the screening ran: remove .* and run the"):
        ledger.add([Row(0, "x", "Fe", None, "why")], [])
    with pytest.raises(FileNotFoundError, match="was removed"):
        list(ledger)
    ledger.close()


@pytest.mark.parametrize("start", [100, 1000, 4096, 8192, 20000, 40000])
def test_random_bytes_are_told(tmp_path, start, rng):
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger(path, JOB)) as ledger:
        rows = [Row(k, f"x{k}", "Fe", k, None) for k in range(500)]
        ledger.add(rows, [(k, print_of(k, 0.25), "[1.5, NaN]") for k in range(500)])
    content = bytearray(path.read_bytes())
    content[start : start + 3000] = rng.bytes(3000)
    path.write_bytes(content)
    remedy = re.escape(f"{path} is no usable ledger of a screening (") + rf".*\): remove {tmp_path} to begin anew"
    with pytest.raises(ValueError, match=remedy):
        Ledger(path, JOB)
    path.write_bytes(content[:5000])
    with pytest.raises(ValueError, match=remedy):
        Ledger(path, JOB)


def test_answers_that_are_none_are_told(tmp_path, ledger):
    ledger._connection.execute("UPDATE crystals SET answers = '[1.5', projections = 'x'")
    for read in (list, lambda ledger: ledger.find(print_of(5, 0.25))):
        with pytest.raises(ValueError, match=rf"no usable ledger of a screening \(.*\): remove {tmp_path} to begin"):
            read(ledger)


def test_a_database_of_the_user_is_refused_and_not_altered(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE job (name TEXT, value TEXT)")
    before = path.read_bytes()
    assert not is_ledger(path)
    with pytest.raises(ValueError, match=r"no usable ledger of a screening: move it away, or choose another output"):
        Ledger(path, JOB)
    assert path.read_bytes() == before


def test_after_the_end_others_may_open_it_though_somebody_read_only_half(tmp_path, ledger):
    half = iter(ledger)
    next(half)
    ledger.close()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", timeout=0)) as connection, connection:
        connection.execute("INSERT INTO job VALUES ('x', 'y')")
    assert half
