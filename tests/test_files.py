import pytest

from sitenet_sklearn._files import written_whole


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
