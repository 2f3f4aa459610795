import errno
import os

import numpy as np
import pytest
import torch
from filelock import FileLock

from sitenet_sklearn._files import PartialFile, lock_of, plain, unlock, written_whole


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), written_whole(path) as temporary:
        temporary.with_name("none").rename(temporary)
    assert path.read_text() == "old"
    with written_whole(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_file_goes_on_after_its_last_finished_step(tmp_path):
    path = tmp_path / "a.csv"
    PartialFile(path, "x").append("é\n", 1)
    with (tmp_path / "a.csv.partial").open("a") as file:
        file.write("half of a li")
    again = PartialFile(path, "x")
    assert again.rows == 1
    again.append("b\n", 2)
    assert again.rows == 3
    assert not path.exists()
    again.finish()
    assert path.read_text(encoding="utf-8") == "é\nb\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("sidecar", "partial", "message"),
    [
        ('{"fingerprint": "y", "rows": 1, "bytes": 2}', "a\n", "was begun with another model, other data or options"),
        ("{", "a\n", "is damaged: remove"),
        ("{}", "a\n", "is damaged: remove"),
        ('{"fingerprint": "x", "rows": 1, "bytes": 2}', "a", "is shorter than the 2 bytes that were finished"),
        ('{"fingerprint": "x", "rows": 1, "bytes": 2}', None, "is shorter than the 2 bytes that were finished"),
    ],
)
def test_what_cannot_go_on_says_so(tmp_path, sidecar, partial, message):
    (tmp_path / "a.csv.partial.json").write_text(sidecar)
    if partial is not None:
        (tmp_path / "a.csv.partial").write_text(partial)
    with pytest.raises(ValueError, match=message):
        PartialFile(tmp_path / "a.csv", "x")


def test_what_json_holds_is_made_plain():
    values = (np.float32(0.5), np.int64(3), torch.tensor(2), np.bool_(True), None, "a", (1, [np.int8(2)]))
    assert plain(values) == [0.5, 3, 2, True, None, "a", [1, [2]]]
    assert [type(value) for value in plain(values)] == [float, int, int, bool, type(None), str, list]
    with pytest.raises(TypeError, match="numbers, text and lists of them, got dict"):
        plain([{}])


def test_ctrl_c_while_a_lock_is_taken_leaves_none(tmp_path, monkeypatch):
    class Interrupted(FileLock):
        def acquire(self, *args, **kwargs):
            super().acquire(*args, **kwargs)
            raise KeyboardInterrupt

    monkeypatch.setattr("sitenet_sklearn._files.FileLock", Interrupted)
    with pytest.raises(KeyboardInterrupt) as kept:  # and with it the lock, as in an exception that is shown later
        lock_of(tmp_path / "a")
    monkeypatch.undo()
    lock = lock_of(tmp_path / "a")
    assert lock is not None, kept
    unlock(lock)


@pytest.mark.parametrize("make", [lambda path: path.write_text("mine"), os.mkfifo, lambda path: path.mkdir()])
def test_what_is_no_lock_is_not_taken_for_one_and_stays(tmp_path, make):
    make(tmp_path / ".a.csv.lock")
    before = (tmp_path / ".a.csv.lock").lstat()
    with pytest.raises(FileExistsError, match=r"\.a\.csv\.lock is named like a lock, but no empty file: move it away"):
        lock_of(tmp_path / "a.csv")
    assert (tmp_path / ".a.csv.lock").lstat().st_ino == before.st_ino
    assert (tmp_path / ".a.csv.lock").lstat().st_size == before.st_size


def test_what_somebody_writes_into_a_lock_stays(tmp_path):
    lock = lock_of(tmp_path / "a.csv")
    (tmp_path / ".a.csv.lock").write_text("mine")
    unlock(lock)
    assert (tmp_path / ".a.csv.lock").read_text() == "mine"


def test_a_lock_that_a_kill_left_is_taken(tmp_path):
    (tmp_path / ".a.csv.lock").touch()
    unlock(lock_of(tmp_path / "a.csv"))
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_made_names_the_file(tmp_path):
    path = tmp_path / f"{'a' * 250}.csv"
    with pytest.raises(OSError, match="cannot be written") as error:
        lock_of(path)
    assert error.value.filename == str(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_errors_of_a_full_disk_name_the_file(tmp_path, number):
    with pytest.raises(OSError, match=r"a\.csv") as error, written_whole(tmp_path / "a.csv"):
        raise OSError(number, os.strerror(number))
    assert (error.value.errno, error.value.filename) == (number, str(tmp_path / "a.csv"))
    with pytest.raises(ConnectionError, match="gone") as other, written_whole(tmp_path / "a.csv"):
        raise ConnectionResetError(errno.ECONNRESET, "gone")
    assert other.value.filename is None
    assert list(tmp_path.iterdir()) == []


def test_another_name_may_be_given(tmp_path):
    (tmp_path / "work").mkdir()
    with written_whole(tmp_path / "a.csv", temporary=tmp_path / "work" / "half") as temporary:
        temporary.write_text("new")
        assert [path.name for path in tmp_path.iterdir()] == ["work"]
    assert (tmp_path / "a.csv").read_text() == "new"
    assert list((tmp_path / "work").iterdir()) == []
