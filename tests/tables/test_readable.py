"""What cannot hold crystals is refused before any work, all of it in one error."""

import os

import pytest

from sitenet_sklearn.tables.readable import check_sources


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("a.cif", "POSCAR_1", "vasprun.xml", "a.db", "a.tsv.gz", "a.JSON", "gaps.parquet", "a.html"):
        (tmp_path / name).write_text("")
    os.mkfifo("pipe.cif")


def test_what_may_hold_crystals_is_taken_even_if_it_is_damaged():
    check_sources(["folder", "a.cif", "POSCAR_1", "vasprun.xml", "a.db", "a.tsv.gz", "a.JSON"])
    check_sources([])


def test_everything_wrong_is_listed_with_what_is_expected():
    with pytest.raises(FileNotFoundError) as told:
        check_sources(["a.cif", "train.cv", "gaps.parquet", "/dev/null", "a.html", "pipe.cif", "no/"])
    first, *listed, expected = str(told.value).splitlines()
    assert first == "6 of 7 sources cannot be read:"
    assert [line.strip() for line in listed] == [
        "train.cv: there is no such file or folder",
        "gaps.parquet: its name tells no format",
        "/dev/null: it is a device or pipe",
        "a.html: its name tells no format",
        "pipe.cif: it is a device or pipe",
        "no: there is no such file or folder",
    ]
    assert "expected are tables (.csv" in expected


def test_what_exists_and_is_no_source_is_no_missing_file():
    with pytest.raises(ValueError, match=r"1 of 1 sources cannot be read:\n  a.html: its name tells no format\n"):
        check_sources(["a.html"])
