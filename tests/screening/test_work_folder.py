import sqlite3
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path

import pytest

from sitenet_sklearn import load_model
from sitenet_sklearn.screening.work_folder import LEDGER, WorkFolder, work_folder_of


def test_a_folder_is_of_one_job_and_goes_at_the_end(tmp_path, candidate_model, structures):
    output, job = tmp_path / "gaps.csv", {"sources": "a"}
    work = WorkFolder(output, candidate_model, job)
    assert load_model(work.model_file.path).predict(structures[:2]).shape == (2,)
    work.__exit__(RuntimeError, None, None)
    left = sorted(work.path.iterdir())
    assert len(left) == 2
    with pytest.raises(ValueError, match="begun with other sources"):
        WorkFolder(output, candidate_model, {"sources": "b"})
    with pytest.raises(ValueError, match="begun with other model"):
        WorkFolder(output, candidate_model[-1].estimator_, job)
    assert sorted(work.path.iterdir()) == left
    with WorkFolder(output, candidate_model, job):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_saved_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        WorkFolder(tmp_path / "gaps.csv", object(), {})
    assert list(tmp_path.iterdir()) == []


def test_what_a_screening_did_not_write_is_refused_and_stays(tmp_path, candidate_model):
    output, folder = tmp_path / "gaps.csv", tmp_path / "gaps.csv.partial"
    folder.write_text("mine")
    with pytest.raises(FileExistsError, match="is to be the folder of unfinished work, but is none"):
        work_folder_of(output)
    folder.unlink()
    folder.mkdir()
    (folder / "ledger.sqlite").symlink_to(tmp_path / "other.sqlite")
    with pytest.raises(FileExistsError, match=r"ledger\.sqlite was not written by a screening"):
        work_folder_of(output)
    (folder / "ledger.sqlite").unlink()
    (folder / "mine.txt").write_text("precious")
    with pytest.raises(FileExistsError, match=r"mine\.txt was not written by a screening: move it away, or choose"):
        WorkFolder(output, candidate_model, {})
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    moved = folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(moved)
    with pytest.raises(FileExistsError, match="is to be the folder of unfinished work, but is none"):
        work_folder_of(output)


def test_a_file_that_comes_meanwhile_stays(tmp_path, candidate_model):
    with WorkFolder(tmp_path / "gaps.csv", candidate_model, {}) as work:
        for name in ("mine.txt", "0123456789abcdef.safetensors", ".model.safetensors.0123456789ab.tmp"):
            (work.path / name).write_text("precious")
        for path in (work.unfinished(Path("a.csv")), work.path / f".{work.ledger.token}.model.safetensors.012.tmp"):
            path.write_text("half")
    assert sorted(path.name for path in work.path.iterdir()) == [
        ".model.safetensors.0123456789ab.tmp",
        "0123456789abcdef.safetensors",
        "mine.txt",
    ]
    assert [path.name for path in tmp_path.iterdir()] == [work.path.name]


@pytest.mark.parametrize("name", ["0123456789abcdef.safetensors", "ledger.sqlite-journal", ".model.safetensors.0.tmp"])
def test_names_like_its_own_make_no_file_its_own(tmp_path, candidate_model, name):
    path = tmp_path / "gaps.csv.partial" / name
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(FileExistsError, match=f"{name} was not written by a screening: move it away"):
        WorkFolder(tmp_path / "gaps.csv", candidate_model, {})
    assert list(path.parent.iterdir()) == [path]
    assert path.read_text() == "precious"


def test_a_database_of_the_user_stays(tmp_path, candidate_model):
    path = tmp_path / "gaps.csv.partial" / LEDGER
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE accounts (name)")
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"ledger\.sqlite was not written by a screening: move it away"):
        WorkFolder(tmp_path / "gaps.csv", candidate_model, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_lost_its_ledger_is_said_to_be_removed(tmp_path, candidate_model):
    work = WorkFolder(tmp_path / "gaps.csv", candidate_model, {})
    work.ledger.close()
    message = r"model\.safetensors was not written .*; if .*gaps\.csv\.partial is unfinished work that has lost"
    for damage in (lambda path: path.write_bytes(b""), Path.unlink):
        damage(work.path / LEDGER)
        with pytest.raises(FileExistsError, match=message):
            WorkFolder(tmp_path / "gaps.csv", candidate_model, {})


def test_what_a_kill_left_half_written_is_removed_at_the_next_beginning(tmp_path, candidate_model):
    work = WorkFolder(tmp_path / "gaps.csv", candidate_model, {})
    work.__exit__(RuntimeError, None, None)
    before = sorted(work.path.iterdir())
    work.unfinished(Path("gaps.csv")).write_text("half a table")
    (work.path / f".{work.ledger.token}.012345.html.0123456789ab.tmp").write_text("half a report")
    assert len(list(work.path.iterdir())) == 4
    again = WorkFolder(tmp_path / "gaps.csv", candidate_model, {})
    again.ledger.close()
    assert sorted(work.path.iterdir()) == before


def test_the_model_is_written_once_if_it_is_whole(tmp_path, candidate_model, structures):
    work = WorkFolder(tmp_path / "gaps.csv", candidate_model, {})
    work.__exit__(RuntimeError, None, None)
    path = Path(work.model_file.path)
    first = path.stat().st_mtime_ns, path.stat().st_ino
    again = WorkFolder(tmp_path / "gaps.csv", candidate_model, {})
    again.__exit__(RuntimeError, None, None)
    assert again.model_file == work.model_file
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == first
    content = bytearray(path.read_bytes())
    content[-8:] = bytes(8)
    path.write_bytes(content)
    third = WorkFolder(tmp_path / "gaps.csv", candidate_model, {})
    third.__exit__(RuntimeError, None, None)
    assert load_model(path).predict(structures[:2]).shape == (2,)


def test_after_a_killed_process_it_says_what_is_kept(tmp_path, candidate_model):
    message = r"a process of the screening was killed.* finished rows are kept in .*gaps.csv.partial, run the same"
    with pytest.raises(RuntimeError, match=message), WorkFolder(tmp_path / "gaps.csv", candidate_model, {}):
        raise BrokenProcessPool("a worker was terminated")
    with WorkFolder(tmp_path / "gaps.csv", candidate_model, {}):
        pass
    assert list(tmp_path.iterdir()) == []
