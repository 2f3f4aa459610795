import pytest

from sitenet_sklearn import load_model
from sitenet_sklearn.screening.work_folder import WorkFolder, work_folder_of


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
        (work.path / "mine.txt").write_text("precious")
        (work.path / ".model.safetensors.0123456789ab.tmp").write_text("half a model")
    assert [path.name for path in work.path.iterdir()] == ["mine.txt"]
    assert [path.name for path in tmp_path.iterdir()] == [work.path.name]
