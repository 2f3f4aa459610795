import pytest

from sitenet_sklearn._partial_file import PartialFile


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
