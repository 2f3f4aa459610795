"""Zip archives of crystals, read member by member.

Nothing is extracted to a path, and what a member may hold is bounded. The limits are far beyond crystals. A name in the
archive is an id, and never a path.
"""

import re
import struct
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path

from sitenet_sklearn.crystals.crystal_files import EMPTY, MAX_BYTES
from sitenet_sklearn.exceptions import CrystalError

from .folders import is_left_out
from .rows import parts

MAX_MEMBERS = 1_000_000
"""Most members of an archive; each takes memory as long as the archive is open."""

MAX_DIRECTORY = 2**27
"""Longest list of members, in bytes."""

MAX_MEMBER = MAX_BYTES["cif"]
"""Longest text of a crystal, in bytes after decompression."""

MAX_RATIO = 100
"""Most bytes that one byte may stand for, in a member of more than 64 KiB and in all of them together."""

_CRYSTALS = re.compile(r"(^|/)([^/]*\.(m?cif|vasp|json)|(POSCAR|CONTCAR)[^/]*)$", re.IGNORECASE)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SMALL = 2**16
_HEADER = 30
"""Least bytes before the content of a member."""

_TAIL = 22 + 2**16
"""Bytes at the end of an archive where the record of its end must be: the record and the longest comment."""


def read_zip(path, chunk_size=None):
    """Read the crystals of an archive in chunks.

    Parameters
    ----------
    path : Path
        A zip archive of files in CIF, POSCAR or JSON, in any folders.
    chunk_size : int, default=None
        Most crystals to hold in memory at a time, fewer where they are long; None for all.

    Yields
    ------
    names : list of str
        Names of members.
    crystals : list of (str or CrystalError)
        Their texts, or why there is none: too long, damaged, or encrypted.

    Raises
    ------
    ValueError
        If it is no archive, is damaged, has more than 1,000,000 members or some that overlap, or expands to more than
        100 times its size.
    """
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            _check_overlaps(archive)
            for part in parts(_texts(archive, MAX_RATIO * path.stat().st_size + _SMALL), chunk_size):
                names, crystals = zip(*part, strict=True)
                yield list(names), list(crystals)
    except (zipfile.BadZipFile, NotImplementedError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not read as a zip archive: {error!s:.200}") from error


def is_crystal(name):
    """Whether the name of a member is that of a crystal.

    Examples
    --------
    >>> [is_crystal(name) for name in ("a/b.cif", "POSCAR", "__MACOSX/a/._b.cif", "notes.txt", "a/")]
    [True, True, False, False, False]
    """
    return _CRYSTALS.search(name) is not None and not is_left_out(name)


def other_members(path):
    """List members that are no folders, and whose names are of no crystal, without those that are left out."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not is_left_out(name)]
    return [name for name in names if not is_crystal(name)]


def _texts(archive, left):
    """Yield pairs of a name and a text, or of a name and why there is none, and the sizes of the texts."""
    for member in archive.infolist():
        if is_crystal(member.filename):
            text = _text_of(archive, member)
            size = len(text) if isinstance(text, str) else 0
            left -= size
            if left < 0:
                raise zipfile.BadZipFile(f"its members expand to more than {MAX_RATIO} times its size")
            is_empty = isinstance(text, str) and not text.strip()
            yield (member.filename, CrystalError(EMPTY) if is_empty else text), size


def _text_of(archive, member):
    """Read a member as text of at least two lines, so that it is never taken for a path."""
    if member.flag_bits & 1:
        return CrystalError("the member is encrypted: pack it without a password")
    if member.compress_type not in _METHODS:
        return CrystalError("the member is compressed by another method than deflate: pack it with zip")
    bound = min(MAX_MEMBER, max(_SMALL, MAX_RATIO * member.compress_size))
    try:
        with archive.open(member) as file:
            content = file.read(bound + 1)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        return CrystalError(f"the member is damaged: {error!s:.100}")
    if len(content) > bound:
        return CrystalError(f"the member holds more than {bound >> 10} KiB of text: keep only the crystal")
    return content.decode("utf-8", errors="replace") + "\n"


def _check_overlaps(archive):
    """Refuse members that share bytes, which a small archive can name again and again."""
    places = sorted((member.header_offset, member.compress_size) for member in archive.infolist())
    for (start, size), (following, _) in pairwise(places):
        if start + _HEADER + size > following:
            raise zipfile.BadZipFile("its members overlap: pack it anew")


def _check_directory(path):
    """Refuse a list of members that would fill the memory, before it is read."""
    with Path(path).open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0:
        raise zipfile.BadZipFile("it has no end record")
    n_members, n_bytes = struct.unpack("<HL", tail[end + 10 : end + 16])
    large = tail.rfind(b"PK\x06\x06", 0, end)
    if large >= 0 and 0xFFFF_FFFF in (n_members | 0xFFFF_0000, n_bytes):
        n_members, n_bytes = struct.unpack("<QQ", tail[large + 32 : large + 48])
    if n_members > MAX_MEMBERS or n_bytes > MAX_DIRECTORY:
        raise zipfile.BadZipFile(f"it lists {n_members} members, at most {MAX_MEMBERS} are expected: split it")
