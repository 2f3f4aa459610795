import pytest
import typer

from sitenet_sklearn._files import lock_of, unlock
from sitenet_sklearn.cli import study_files
from sitenet_sklearn.cli.study_files import StudyFiles


@pytest.fixture
def output(tmp_path):
    return tmp_path / "best.safetensors"


def write(files, text="model"):
    with files.writing():
        files.output.write_text(text)
        files.table.write_text(text)


def test_those_that_share_a_study_write_one_after_the_other(output):
    first, second = (StudyFiles(output, "gap", overwrite=False) for _ in range(2))
    with first.claimed(), second.claimed():
        write(first)
        write(second, "better")
    assert output.read_text() == "better"
    assert {path.name for path in output.parent.iterdir()} == {"best.safetensors", "best-trials.csv", "best-study.json"}


def test_another_study_is_refused_at_once(output):
    with StudyFiles(output, "gap", overwrite=False).claimed():
        for name in (output, output.with_suffix(".joblib")):  # one table for both
            other = StudyFiles(name, "volume", overwrite=False)
            with pytest.raises(typer.BadParameter, match=r"is of the study gap \(.*best-study.json\): .* --overwrite"):
                other.claimed().__enter__()


def test_a_study_whose_files_another_took_over_does_not_write(output):
    first, second = StudyFiles(output, "gap", overwrite=False), StudyFiles(output, "volume", overwrite=True)
    with first.claimed(), second.claimed():
        write(second)
        with pytest.raises(FileExistsError, match="is of the study volume"):
            write(first)
    assert output.read_text() == "model"


@pytest.mark.parametrize("name", ["best.safetensors", "best-trials.csv"])
def test_what_another_command_wrote_meanwhile_stays(output, name):
    files = StudyFiles(output, "gap", overwrite=False)
    with files.claimed():
        (output.parent / name).write_text("of fit")
        with pytest.raises(FileExistsError, match=rf"{name} was written by another command: choose another name"):
            write(files)
    assert (output.parent / name).read_text() == "of fit"


def test_what_another_command_is_writing_is_not_written(output, monkeypatch):
    monkeypatch.setattr(study_files, "PATIENCE", 0.0)
    lock = lock_of(output)
    with pytest.raises(typer.BadParameter, match="is being written by another command"):
        StudyFiles(output, "gap", overwrite=False).claimed().__enter__()
    unlock(lock)


def interrupted(files, *, written):
    with files.claimed():
        if written:
            write(files)
        raise KeyboardInterrupt


@pytest.mark.parametrize("written", [False, True])
def test_after_an_error_other_studies_may_come_unless_something_was_written(output, written):
    files = StudyFiles(output, "gap", overwrite=False)
    with pytest.raises(KeyboardInterrupt):
        interrupted(files, written=written)
    assert files.record.exists() == written
    assert not list(output.parent.glob(".*"))


def test_a_users_file_is_no_record(output):
    record = output.with_name("best-study.json")
    record.write_text('{"mine": 1}')
    with pytest.raises(ValueError, match=r"best-study.json exists and is no record of a study: remove it"):
        StudyFiles(output, "gap", overwrite=True).claimed().__enter__()
    assert record.read_text() == '{"mine": 1}'
