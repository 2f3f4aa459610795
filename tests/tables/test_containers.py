"""Folders, zips and databases: what they are called among several sources, and what is said of files not read."""

import sqlite3
import warnings
import zipfile
from contextlib import closing

import pytest

from sitenet_sklearn.tables.reading import files_read, read_structures, read_table, read_tables


@pytest.fixture
def sources(tmp_path, monkeypatch, crystals):
    """Run folders as of VASP, a zip, a database, tables, a folder in CGCNN's form, and a crystal."""
    monkeypatch.chdir(tmp_path)
    for name in ("vasp/run_001", "vasp/run_002", "cgcnn"):
        (tmp_path / name).mkdir(parents=True)
    poscar = crystals["NaCl"].to(fmt="poscar")
    for name in ("vasp/run_001/POSCAR", "vasp/run_002/POSCAR", "my.vasp"):
        (tmp_path / name).write_text(poscar)
    with zipfile.ZipFile("crystals.zip", "w") as archive:
        archive.writestr("deep/b.vasp", poscar)
    with closing(sqlite3.connect("pool.db")) as connection:
        columns = "id INTEGER PRIMARY KEY, numbers BLOB, positions BLOB, cell BLOB, pbc INTEGER, key_value_pairs TEXT"
        connection.execute(f"CREATE TABLE systems ({columns})")
        connection.execute("INSERT INTO systems (id) VALUES (44)")
        connection.commit()
    (tmp_path / "cgcnn" / "id_prop.csv").write_text("mp-1,0.5\n")
    (tmp_path / "ids.csv").write_text("id,file\nmine,vasp/run_001/POSCAR\n")
    (tmp_path / "paths.csv").write_text("file\nvasp/run_001/POSCAR\n")
    return tmp_path


def ids_of(*paths):
    return [name for table in read_tables(paths) for name in table.ids]


@pytest.mark.usefixtures("sources")
def test_of_one_source_ids_are_relative(crystals):
    assert ids_of("vasp") == ["run_001/POSCAR", "run_002/POSCAR"]
    assert ids_of("crystals.zip") == ["deep/b.vasp"]
    assert ids_of("pool.db") == ["44"]
    structures, failures = read_structures(read_table("vasp"))
    assert not failures
    assert all(structure.matches(crystals["NaCl"]) for structure in structures)


@pytest.mark.usefixtures("sources")
def test_of_several_sources_ids_begin_with_the_source_as_it_was_given():
    assert ids_of("vasp/run_001/", "vasp/run_002") == ["vasp/run_001/POSCAR", "vasp/run_002/POSCAR"]
    several = ["pool.db", "crystals.zip", "vasp", "my.vasp"]
    names = ["pool.db/44", "crystals.zip/deep/b.vasp", "vasp/run_001/POSCAR", "vasp/run_002/POSCAR", "my.vasp"]
    assert ids_of(*several) == names


@pytest.mark.usefixtures("sources")
def test_ids_of_tables_are_those_of_the_user():
    assert ids_of("ids.csv", "paths.csv", "cgcnn") == ["mine", "vasp/run_001/POSCAR", "mp-1"]


def test_crystals_of_a_folder_come_in_chunks_and_are_known_as_read(sources):
    parts = list(read_tables(["vasp"], chunk_size=1))
    assert [part.ids for part in parts] == [["run_001/POSCAR"], ["run_002/POSCAR"]]
    assert [str(path) for path in files_read("vasp")] == ["vasp", "vasp/run_001/POSCAR", "vasp/run_002/POSCAR"]
    (sources / "vasp" / "id_prop.csv").write_text("a,1\n")  # as it always was: CGCNN's table, and no folders inside
    assert read_table("vasp").ids == ["a"]


def test_files_that_are_not_read_are_told_once_for_all_sources(sources):
    for k in range(4):
        for run in ("run_001", "run_002"):
            (sources / "vasp" / run / f"OUT{k}").touch()
    (sources / "vasp" / "run_001" / "more").symlink_to(sources)
    with zipfile.ZipFile("crystals.zip", "a") as archive:
        archive.writestr("README.md", "x")
        archive.writestr("__MACOSX/._b.vasp", "x")
    with pytest.warns(UserWarning, match="not read") as told:
        ids_of("vasp/run_001", "vasp/run_002", "crystals.zip")
    names = ", ".join([f"vasp/run_001/OUT{k}" for k in range(4)])
    assert [str(warning.message) for warning in told] == [
        f"not read, as their names are of no CIF, POSCAR or XYZ files: {names}, vasp/run_002/OUT0 and 3 more",
        "not read, as links to folders are not followed: vasp/run_001/more",
        "not read, as their names are of no CIF, POSCAR or JSON files: crystals.zip/README.md",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(read_tables(["vasp", "crystals.zip"], tell_unread=False))) == 2


def test_a_folder_without_crystals_says_what_it_holds(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"those inside hold neither .* XYZ files, but in/a.txt$"):
        read_table(tmp_path)


def test_a_link_to_no_file_is_a_failed_row(tmp_path):
    (tmp_path / "a.cif").symlink_to(tmp_path / "gone.cif")
    table = read_table(tmp_path)
    assert table.ids == ["a.cif"]
    _, (failure,) = read_structures(table)
    assert "no such file" in failure.reason
