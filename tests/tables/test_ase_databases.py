"""What `ase.db` has written is read without ASE, without altering the file, and without decoding objects."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from sitenet_sklearn.exceptions import CrystalError
from sitenet_sklearn.tables import rows
from sitenet_sklearn.tables.ase_databases import read_ase_database
from sitenet_sklearn.tables.contents import contents_of
from sitenet_sklearn.tables.labelled import read_labelled
from sitenet_sklearn.tables.reading import read_structures, read_table, read_tables


@pytest.fixture
def database(tmp_path, structures):
    ase_db = pytest.importorskip("ase.db", reason="needs ASE")
    path = tmp_path / "crystals.db"
    with ase_db.connect(path) as connection:
        for k, structure in enumerate(structures[:4]):
            connection.write(structure.to_ase_atoms(msonable=False), gap=0.5 * k, kind=f"x{k}", file="none")
    return path


def change(path, statement, *values):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


def test_crystals_are_those_that_ase_wrote(database, structures):
    before = database.read_bytes()
    table = read_table(database)
    found, failures = read_structures(table)
    assert not failures
    for structure, expected in zip(found, structures, strict=False):
        np.testing.assert_allclose(structure.lattice.matrix, expected.lattice.matrix)
        np.testing.assert_allclose(structure.cart_coords, expected.cart_coords, atol=1e-9)
        assert [site.specie.symbol for site in structure] == [site.specie.symbol for site in expected]
    assert table.ids == ["1", "2", "3", "4"]
    assert table.properties["gap"].tolist() == [0, 0.5, 1, 1.5]
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == ["crystals.db"]


def test_chunks_hold_the_same(database):
    assert [len(part) for part in read_tables([database], chunk_size=3)] == [3, 1]
    assert contents_of(read_tables([database], chunk_size=3)) == contents_of(read_tables([database]))


def test_a_model_can_learn_from_it(database):
    assert read_labelled(database, ["gap"]).y.tolist() == [0, 0.5, 1, 1.5]


def test_rows_that_are_no_crystals_say_why(database):
    change(database, "UPDATE systems SET pbc = 3 WHERE id = 1")
    change(database, "UPDATE systems SET cell = zeroblob(72) WHERE id = 2")
    change(database, "UPDATE systems SET numbers = zeroblob(4 * 1001) WHERE id = 3")
    change(database, "UPDATE systems SET numbers = zeroblob(length(numbers)), key_value_pairs = '{' WHERE id = 4")
    ((_, crystals, values),) = read_ase_database(database)
    reasons = list(map(str, crystals))
    assert all(isinstance(crystal, CrystalError) for crystal in crystals)
    assert "it repeats along ab" in reasons[0]
    assert "a cell with three vectors" in reasons[1]
    assert "has 1001 atoms, at most 1000" in reasons[2]
    assert "no chemical element" in reasons[3]
    assert values[3] == {}
    assert values[0]["kind"] == "x0"
    _, failures = read_structures(read_table(database), start=5)
    assert [failure.index for failure in failures] == [5, 6, 7, 8]


def test_what_is_no_database_of_ase_is_refused_and_not_altered(tmp_path):
    path = tmp_path / "a.db"
    for make in (
        lambda: path.write_bytes(b"no database" * 100),
        lambda: change(path, "CREATE TABLE other (x)"),
        lambda: change(path, "CREATE VIEW systems AS SELECT 1 AS id"),
        lambda: change(path, "CREATE TABLE systems (id)"),
    ):
        path.unlink(missing_ok=True)
        make()
        before = path.read_bytes()
        with pytest.raises(ValueError, match=r"a.db is not read as a database of ASE"):
            list(read_ase_database(path))
        assert path.read_bytes() == before


def test_an_entry_of_any_length_costs_little(database):
    change(database, "UPDATE systems SET data = zeroblob(30000000), key_value_pairs = zeroblob(20000000) WHERE id = 2")
    ((ids, crystals, values),) = read_ase_database(database)
    assert ids == ["1", "2", "3", "4"]
    assert all(isinstance(crystal, dict) for crystal in crystals)
    assert values[1] == {}


def test_what_is_held_at_a_time_is_bounded(database, monkeypatch):
    monkeypatch.setattr(rows, "MAX_CHUNK", 1)
    assert [len(part) for part in read_tables([database])] == [1, 1, 1, 1]


def test_very_many_names_of_values_are_refused(database):
    pairs = json.dumps({f"x{k}": 0 for k in range(10_001)})
    change(database, "UPDATE systems SET key_value_pairs = ? WHERE id = 2", pairs)
    with pytest.raises(ValueError, match="more than 10000 columns"):
        list(read_ase_database(database))


@pytest.mark.parametrize("pbc", ["'abc'", "x'616263'", "7.5", "9e999", "-1", "NULL"])
def test_a_row_of_unknown_periodicity_is_one_failure(database, pbc):
    change(database, f"UPDATE systems SET pbc = {pbc} WHERE id = 2")  # noqa: S608 - six words
    ((_, crystals, _),) = read_ase_database(database)
    assert [isinstance(crystal, CrystalError) for crystal in crystals] == [False, True, False, False]
    assert "does not say along which axes it repeats" in str(crystals[1])


def test_text_that_is_not_encoded_in_utf_8_harms_no_other_row(database):
    change(database, "UPDATE systems SET numbers = CAST(x'fffefffe' AS TEXT) WHERE id = 2")
    change(database, "UPDATE systems SET key_value_pairs = CAST(x'fffe' AS TEXT) WHERE id = 3")
    ((_, crystals, values),) = read_ase_database(database)
    assert [isinstance(crystal, CrystalError) for crystal in crystals] == [False, True, False, False]
    assert [bool(pairs) for pairs in values] == [True, True, False, True]


def test_no_file_is_made_beside_a_database_with_a_journal(database):
    change(database, "PRAGMA journal_mode = WAL")
    before = database.read_bytes()
    assert before[18:20] == b"\2\2"
    assert len(read_table(database)) == 4
    assert [path.name for path in database.parent.iterdir()] == ["crystals.db"]
    assert database.read_bytes() == before


def test_what_another_process_has_in_its_journal_is_read(database):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("DELETE FROM systems WHERE id = 1")
        connection.commit()
        assert read_table(database).ids == ["2", "3", "4"]
