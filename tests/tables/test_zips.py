"""Archives are read without extracting anything, and what is in them is bounded."""

import io
import struct
import zipfile

import pytest

from sitenet_sklearn.exceptions import CrystalError
from sitenet_sklearn.tables import rows, zips
from sitenet_sklearn.tables.contents import contents_of
from sitenet_sklearn.tables.reading import files_read, is_table, read_structures, read_table, read_tables
from sitenet_sklearn.tables.zips import read_zip


def archive_of(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def archive(tmp_path, crystals):
    texts = {"NaCl/POSCAR": crystals["NaCl"].to(fmt="poscar"), "b.CIF": crystals["CsCl"].to(fmt="cif")}
    return archive_of(tmp_path / "a.zip", texts | {"c.json": crystals["Po"].to(fmt="json"), "notes.txt": "x"})


def test_crystals_come_from_the_archive(archive, crystals, tmp_path):
    assert is_table(archive)
    with pytest.warns(
        UserWarning, match=r"not read, as their names are of no CIF, POSCAR or JSON files: .*a.zip/notes.txt$"
    ):
        table = read_table(archive)
    assert table.ids == ["NaCl/POSCAR", "b.CIF", "c.json"]
    structures, failures = read_structures(table)
    assert not failures
    for structure, name in zip(structures, ("NaCl", "CsCl", "Po"), strict=True):
        assert structure.matches(crystals[name])
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
    assert list(files_read(archive)) == [archive]


@pytest.mark.filterwarnings("ignore:.*not read")
def test_chunks_hold_the_same(archive):
    parts = list(read_tables([archive], chunk_size=2))
    assert [len(part) for part in parts] == [2, 1]
    assert contents_of(parts) == contents_of(read_tables([archive]))


def test_a_name_or_text_is_never_a_path(tmp_path, crystals):
    secret = tmp_path / "secret.cif"
    crystals["NaCl"].to(filename=str(secret))
    path = archive_of(tmp_path / "a.zip", {"../../x.cif": str(secret), "/etc/POSCAR": "/etc/passwd"})
    structures, failures = read_structures(read_table(path))
    assert structures == [None, None]
    assert all("text is not read as a crystal" in failure.reason for failure in failures)


def test_empty_members_are_rows_with_a_reason(tmp_path):
    path = archive_of(tmp_path / "a.zip", {"a.cif": "", "b/POSCAR": " \n"})
    ((_, errors),) = read_zip(path)
    assert list(map(str, errors)) == ["the file is empty"] * 2


def test_what_is_left_out_of_folders_is_left_out_of_archives(tmp_path):
    names = ["a.cif", "./b.cif", "../c.cif"]
    path = archive_of(
        tmp_path / "a.zip", dict.fromkeys([*names, ".git/d.cif", "x/__MACOSX/e.cif", "f.partial/POSCAR"], "x")
    )
    ((found, _),) = read_zip(path)
    assert found == names


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_cannot_be_read_are_rows_with_a_reason(tmp_path, compression):
    path = archive_of(tmp_path / "a.zip", {"a.cif": "data_x\n"}, compression)
    ((_, (error,)),) = read_zip(path)
    assert isinstance(error, CrystalError)
    assert "another method than deflate" in str(error)


def test_damaged_and_encrypted_members_are_rows_with_a_reason(tmp_path):
    path = archive_of(tmp_path / "a.zip", {"a.cif": "data_x\n" * 100, "b.cif": "data_y\n"})
    content = bytearray(path.read_bytes())
    content[45] ^= 0xFF  # inside the compressed text of the first
    path.write_bytes(content)
    ((_, (damaged, good)),) = read_zip(path)
    assert "the member is damaged" in str(damaged)
    assert good == "data_y\n\n"
    flags = content.rfind(b"PK\x01\x02") + 8
    content[flags] |= 1
    path.write_bytes(content)
    ((_, (_, encrypted)),) = read_zip(path)
    assert "encrypted: pack it without a password" in str(encrypted)


def test_bombs_are_refused(tmp_path, monkeypatch):
    path = archive_of(tmp_path / "long.zip", {"a.cif": b" " * 2**26})
    ((_, (error,)),) = read_zip(path)
    assert "holds more than 4096 KiB of text" in str(error)
    path = archive_of(tmp_path / "ratio.zip", {"a.cif": b" " * 2**20})
    ((_, (error,)),) = read_zip(path)
    assert "KiB of text: keep only the crystal" in str(error)
    monkeypatch.setattr(zips, "MAX_RATIO", 1)
    path = archive_of(tmp_path / "sum.zip", {f"{k}.cif": b" " * 2**16 for k in range(4)})
    with pytest.raises(
        ValueError, match=r"sum.zip is not read as a zip archive: its members expand to more than 1 times"
    ):
        list(read_zip(path, 1))


def test_what_is_held_at_a_time_is_bounded(tmp_path, monkeypatch):
    path = archive_of(tmp_path / "a.zip", {f"{k}.cif": b" " * 2**16 for k in range(5)}, zipfile.ZIP_STORED)
    monkeypatch.setattr(rows, "MAX_CHUNK", 2**17)
    assert [len(part) for part in read_tables([path])] == [2, 2, 1]


def test_members_that_expand_too_far_are_refused_before_the_next_is_read(tmp_path, monkeypatch):
    path = archive_of(tmp_path / "a.zip", {f"{k}.cif": b" " * 2**16 for k in range(9)})
    read = []
    monkeypatch.setattr(zips, "MAX_RATIO", 1)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: read.append(1) or io.BytesIO(b" " * 2**16))
    with pytest.raises(ValueError, match="its members expand to more than 1 times"):
        list(read_zip(path))
    assert len(read) == 2


@pytest.mark.parametrize("other", [0, 45])
def test_members_that_overlap_are_refused(tmp_path, other):
    path = archive_of(tmp_path / "a.zip", {"a.cif": b"a" * 100, "b.cif": b"b"}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    offset = content.rfind(b"PK\x01\x02") + 42
    content[offset : offset + 4] = struct.pack("<L", other)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its members overlap: pack it anew"):
        list(read_zip(path))


def test_a_long_list_of_members_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = archive_of(tmp_path / "a.zip", {f"{k}.cif": "x" for k in range(20)})
    monkeypatch.setattr(zips, "MAX_MEMBERS", 19)
    with pytest.raises(ValueError, match="it lists 20 members, at most 19 are expected: split it"):
        list(read_zip(path))
    monkeypatch.setattr(zips, "MAX_MEMBERS", 10**6)
    content = path.read_bytes()
    end = content.rfind(b"PK\x05\x06")
    record = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 2**40, 2**40, 2**50, 0)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, end, 1)
    last = bytearray(content[end:])
    last[8:16] = b"\xff" * 8
    path.write_bytes(content[:end] + record + locator + last)
    with pytest.raises(ValueError, match=f"it lists {2**40} members"):
        list(read_zip(path))


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"no archive" * 10, b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not read as a zip archive"):
        list(read_zip(path))


def test_an_archive_without_crystals_is_refused(tmp_path):
    path = archive_of(tmp_path / "a.zip", {"notes.txt": "x"})
    with pytest.raises(ValueError, match=r"a.zip holds no crystals in CIF, POSCAR or JSON, but notes.txt$"):
        read_table(path)
