import pytest

from sitenet_sklearn import load_model
from sitenet_sklearn.screening.work_folder import WorkFolder


def test_a_folder_is_of_one_job_and_goes_at_the_end(tmp_path, candidate_model, structures):
    output, job = tmp_path / "gaps.csv", {"sources": "a"}
    work = WorkFolder(output, candidate_model, job)
    assert load_model(work.model_file.path).predict(structures[:2]).shape == (2,)
    with pytest.raises(FileExistsError, match="written by another process"):
        WorkFolder(output, candidate_model, job)
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
