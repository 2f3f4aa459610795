"""Folders are read with all folders inside, but for what is hidden, of macOS, unfinished, or behind a link."""

import os

import pytest

from sitenet_sklearn.tables.folders import crystals_in, is_left_out


def fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_crystals_of_all_folders_come_in_the_order_of_their_paths(tmp_path):
    names = [
        "b.cif",
        "run_002/POSCAR",
        "run_010/deep/x.vasp",
        "run_001/CONTCAR",
        "run_001/a.xyz",
        "a-b/c.cif.gz",
        "a/c.mcif",
    ]
    fill(tmp_path, *names, "run_001/INCAR", "notes.txt", "a/gaps.csv")
    crystals, others, links = crystals_in(tmp_path)
    assert crystals == sorted(names)
    assert (others, links) == (["a/gaps.csv", "notes.txt", "run_001/INCAR"], [])


def test_hidden_files_those_of_macos_and_unfinished_work_are_left_out(tmp_path):
    names = [".a.cif", ".git/a.cif", "x/.cache/deep/a.cif", "__MACOSX/a.cif", "x/__MACOSX/._a.cif"]
    fill(tmp_path, "x/a.cif", *names, "gaps.csv.partial/a.cif", "POSCAR.csv.partial", "POSCAR.csv.partial.json")
    assert crystals_in(tmp_path) == (["x/a.cif"], [], [])


def test_links_to_folders_are_named_and_not_followed(tmp_path):
    fill(tmp_path, "in/x/a.cif", "elsewhere/b.cif")
    (tmp_path / "in" / "x" / "loop").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in" / "out").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "in" / "b.cif").symlink_to(tmp_path / "elsewhere" / "b.cif")
    (tmp_path / "given").symlink_to(tmp_path / "in", target_is_directory=True)
    for folder in ("in", "given"):
        assert crystals_in(tmp_path / folder) == (["b.cif", "x/a.cif"], [], ["out", "x/loop"])


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path, monkeypatch):
    fill(tmp_path, "a.cif", "locked/b.cif")
    real = os.scandir

    def locked(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(PermissionError, match="locked"):
        crystals_in(tmp_path)


@pytest.mark.parametrize(
    "name", ["a.cif", "./a.cif", "../../a.cif", "partial/a.cif", "a.partial.cif", "MACOSX/a", "a..b/c"]
)
def test_other_names_are_kept(name):
    assert not is_left_out(name)
