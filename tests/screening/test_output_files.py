import importlib.util
import os

import pytest

from sitenet_sklearn.screening.ledger import Ledger
from sitenet_sklearn.screening.output_files import check_outputs, checksum_of, files_of, sole_writer


def test_tables_that_share_a_file_are_not_written_at_once(tmp_path):
    table, other = files_of(tmp_path / "gaps.csv"), files_of(tmp_path / "gaps.parquet")
    with sole_writer(table):
        with (
            pytest.raises(FileExistsError, match=r"gaps-top\.csv is being written by another process"),
            sole_writer(other),
        ):
            pass
        with sole_writer(files_of(tmp_path / "others.csv")):
            pass
    with sole_writer(other):
        pass
    assert list(tmp_path.iterdir()) == []


def test_only_what_this_screening_wrote_is_replaced(tmp_path):
    files = files_of(tmp_path / "gaps.csv")
    (tmp_path / "gaps.csv.partial").mkdir()
    Ledger(tmp_path / "gaps.csv.partial" / "ledger.sqlite", {"sources": "a"}).close()
    for path in files:
        path.write_text("of somebody else")
        with pytest.raises(FileExistsError, match=f"{path.name} exists: choose another output, or replace it"):
            check_outputs(files, [], overwrite=False)
        check_outputs(files, [], overwrite=True)
        path.unlink()
    for path in files:
        path.write_text("own")
    ledger = Ledger(tmp_path / "gaps.csv.partial" / "ledger.sqlite", {"sources": "a"})
    ledger.sign({path.name: checksum_of(path) for path in files})
    ledger.close()
    check_outputs(files, [], overwrite=False)
    files[1].write_text("altered")
    with pytest.raises(FileExistsError, match=r"gaps-top\.csv exists"):
        check_outputs(files, [], overwrite=False)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_folders_and_links_to_nothing_are_refused(tmp_path, number):
    files = files_of(tmp_path / "gaps.csv")
    files[number].symlink_to(tmp_path / "nothing")
    with pytest.raises(FileExistsError, match="exists: choose another output"):
        check_outputs(files, [], overwrite=False)
    files[number].unlink()
    files[number].mkdir()
    with pytest.raises(FileExistsError, match="is a folder: choose another output"):
        check_outputs(files, [], overwrite=True)


@pytest.mark.parametrize("name", ["pyarrow", "matplotlib", "jinja2"])
def test_missing_packages_are_told_before_any_work(tmp_path, monkeypatch, name):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == name else real(wanted))
    with pytest.raises(ModuleNotFoundError, match=f"{name}: pip install {name}") as told:
        files_of(tmp_path / "gaps.parquet")
    assert told.value.name == name


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("overwrite", [True, False])
def test_pipes_are_never_replaced(tmp_path, number, overwrite):
    files = files_of(tmp_path / "gaps.csv")
    os.mkfifo(files[number])
    with pytest.raises(FileExistsError, match=f"{files[number].name} is a device or pipe, which is never replaced"):
        check_outputs(files, [], overwrite=overwrite)
    files[number].rename(tmp_path / "pipe")
    files[number].symlink_to(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="is a device or pipe"):
        check_outputs(files, [], overwrite=overwrite)


def test_a_name_that_is_no_utf8_is_refused(tmp_path):
    with pytest.raises(ValueError, match="output must have a name in UTF-8, got "):
        files_of(tmp_path / "x\udcff.csv")
