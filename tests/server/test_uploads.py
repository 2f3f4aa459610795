import io
import tracemalloc
import zipfile

import pytest

from sitenet_sklearn.server.uploads import (
    MAX_EXPANDED,
    MAX_FILE,
    MAX_FILES,
    MAX_NAME,
    MAX_UPLOAD,
    crystal_files,
    shown_name,
)


def the_reason(name, content):
    (file,) = crystal_files(name, content)
    assert file.content == b""
    return file.reason


def test_a_file_is_itself():
    (file,) = crystal_files("folder/POSCAR", b"abc")
    assert file == ("folder/POSCAR", b"abc", None)
    assert file.last_name == "POSCAR"
    assert "larger than 8 MiB" in the_reason("a.cif", b" " * (MAX_FILE + 1))


def test_a_zip_is_its_files(make_zip):
    found = list(crystal_files("A.ZIP", make_zip({"a.cif": b"1", "f/": b"", "f/POSCAR": b"2"})))
    assert [(file.name, file.last_name, file.content) for file in found] == [
        ("A.ZIP/a.cif", "a.cif", b"1"),
        ("A.ZIP/f/POSCAR", "POSCAR", b"2"),
    ]


def test_a_file_without_a_name_is_a_file():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in (("", b"1"), ("a.cif", b"2")):
            with archive.open(zipfile.ZipInfo(name), "w") as member:
                member.write(content)
    first, second = crystal_files("a.zip", stream.getvalue())
    assert (first.name, first.content) == ("a.zip/", b"1")
    assert (second.name, second.content) == ("a.zip/a.cif", b"2")


def test_paths_in_a_zip_are_names_only(make_zip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["../../evil.cif", "/etc/passwd.cif", "C:\\x\\y.cif", "~/z.cif"]
    found = list(crystal_files("a.zip", make_zip(dict.fromkeys(names, b"1"))))
    assert [file.last_name for file in found] == ["evil.cif", "passwd.cif", "y.cif", "z.cif"]
    assert list(tmp_path.rglob("*")) == []


def test_what_macos_adds_is_one_row(make_zip):
    members = {"a.cif": b"1", "__MACOSX/._a.cif": b"x", ".DS_Store": b"x", "f/.DS_Store": b"x"}
    first, last = crystal_files("a.zip", make_zip(members))
    assert first.name == "a.zip/a.cif"
    assert last.reason == "not read: what macOS added to the zip (3)"


def test_zips_that_cannot_be_used(make_zip):
    assert "not read as a zip" in the_reason("a.zip", b"no zip")
    assert "not read as a zip" in the_reason("a.zip", b"")
    assert the_reason("a.zip", make_zip({})) == "the zip holds no files"
    assert "a zip inside a zip is not opened" in the_reason("a.zip", make_zip({"b.ZIP": make_zip({"a.cif": b"1"})}))
    assert "holds more than 2,000 files" in the_reason("a.zip", make_zip(dict.fromkeys(map(str, range(2001)), b"")))
    assert len(list(crystal_files("a.zip", make_zip(dict.fromkeys(map(str, range(MAX_FILES)), b""))))) == MAX_FILES


def test_damaged_members_do_not_harm_others(make_zip):
    content = bytearray(make_zip({"a.cif": b"a" * 1000, "b.cif": b"b" * 1000}))
    content[content.index(b"a.cif") + 6] ^= 0xFF
    first, second = crystal_files("a.zip", bytes(content))
    assert "not read from the zip" in first.reason
    assert second.content == b"b" * 1000


def test_encrypted_members_are_refused(make_zip):
    content = bytearray(make_zip({"a.cif": b"1"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    content[content.index(b"PK\x03\x04") + 6] |= 1
    assert "encrypted" in the_reason("a.zip", bytes(content))


def test_unknown_compression_is_refused(make_zip):
    content = bytearray(make_zip({"a.cif": b"1"}))
    for start, at in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        content[content.index(start) + at] = 97
    assert "compressed in an unusual way" in the_reason("a.zip", bytes(content))


def overlapping():
    """Many entries that are all the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.cif", b"0" * 10**6)
        archive.filelist *= 1900
    return stream.getvalue()


def understating(compression=zipfile.ZIP_DEFLATED):
    """An entry that says it is short and expands to more."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("a.cif", b"0" * 2 * 10**8)
    content = bytearray(stream.getvalue())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = b"\x10\0\0\0"
    return bytes(content)


def understating_in_bzip2():
    return understating(zipfile.ZIP_BZIP2)


def understating_in_lzma():
    return understating(zipfile.ZIP_LZMA)


def many_entries():
    """As many entries in the list as the largest upload can hold."""
    return b"PK\x01\x02".ljust(46, b"\0") * (MAX_UPLOAD // 46)


@pytest.mark.parametrize("bomb", [overlapping, understating, understating_in_bzip2, understating_in_lzma, many_entries])
def test_bombs_cost_little(bomb):
    content = bomb()
    tracemalloc.start()
    assert all(file.reason for file in crystal_files("a.zip", content))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 * MAX_FILE


def test_a_large_member_and_a_large_sum_are_refused(make_zip):
    (large,) = crystal_files("a.zip", make_zip({"a.cif": b" " * (MAX_FILE + 1)}))
    assert "larger than 8 MiB" in large.reason
    members = {str(k): b" " * MAX_FILE for k in range(MAX_EXPANDED // MAX_FILE + 1)}
    assert "holds more than 256 MiB when unpacked" in the_reason("a.zip", make_zip(members))


def test_names_show_what_they_are():
    assert shown_name("a\u202efic.exe\n\x1b[0m.cif") == "a\ufffdfic.exe\ufffd\ufffd[0m.cif"
    assert shown_name("<b>=1+1.cif") == "<b>=1+1.cif"
    assert shown_name("Größe\\ä.cif") == "Größe/ä.cif"
    long = shown_name("x" * 1000 + ".cif")
    assert len(long) == MAX_NAME
    assert long.endswith("x.cif")
