"""What a browser sends: a file of a crystal, or a zip of such files, taken apart in bounded time and memory.

Names are for people and tell formats. No file is written, and no path in a zip is ever opened.
"""

import io
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import NamedTuple

from sitenet_sklearn.tables.plain_text import printable

MAX_FILE = 2**23
"""Largest file of one crystal, in bytes, also inside a zip."""

MAX_UPLOAD = 2**25
"""Largest zip, in bytes, and so the most that is read of any request."""

MAX_EXPANDED = 2**28
"""Largest sum of the sizes that the files in a zip state, in bytes."""

MAX_FILES = 2000
"""Most entries of a zip, its folders included, and most files that the page takes."""

MAX_NAME = 200
"""Characters of a name that are kept."""

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways in which a zip may hold a file: zipfile unpacks all others at once, however large they become."""

_ENTRY = b"PK\x01\x02"
"""How every entry begins in the list at the end of a zip."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, LookupError)


class CrystalFile(NamedTuple):
    """A file that may hold a crystal.

    Attributes
    ----------
    name : str
        What to call it: printable characters only.
    content : bytes
        What it holds; empty where there is a reason.
    reason : str or None
        Why it cannot be used; None if it was read.
    """

    name: str
    content: bytes
    reason: str | None = None

    @property
    def last_name(self):
        """Name without the folders and the zip that it lies in."""
        return PurePosixPath(self.name).name


def crystal_files(name, content):
    """Yield the files of an upload.

    Parameters
    ----------
    name : str
        What the browser calls the file.
    content : bytes
        All of it.

    Yields
    ------
    CrystalFile
        The file itself, or every file in a zip; what cannot be used has a reason.
    """
    name = shown_name(name)
    if name.lower().endswith(".zip"):
        yield from _files_in_zip(name, content)
    elif len(content) > MAX_FILE:
        yield CrystalFile(name, b"", too_large(MAX_FILE))
    else:
        yield CrystalFile(name, content)


def shown_name(name):
    """Shorten a name of a file and make it printable, so that it shows what it is."""
    shown = printable(name.replace("\\", "/"))
    return shown if len(shown) <= MAX_NAME else f"\N{HORIZONTAL ELLIPSIS}{shown[1 - MAX_NAME :]}"


def too_large(limit):
    """Say that a file is larger than a limit in bytes."""
    return f"the file is larger than {limit >> 20} MiB: keep only the crystal, or divide the zip"


def _files_in_zip(name, content):
    if content.count(_ENTRY) > MAX_FILES:  # before zipfile makes an object of each
        yield CrystalFile(name, b"", f"the zip holds more than {MAX_FILES:,} files: divide it")
        return
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (*_DAMAGE, NotImplementedError) as error:
        yield CrystalFile(name, b"", f"the file is not read as a zip ({error!s:.80})")
        return
    entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    added = [entry for entry in entries if _is_of_macos(entry.filename)]
    if sum(entry.file_size for entry in entries) > MAX_EXPANDED:
        yield CrystalFile(name, b"", f"the zip holds more than {MAX_EXPANDED >> 20} MiB when unpacked: divide it")
        return
    if len(entries) == len(added):
        yield CrystalFile(name, b"", "the zip holds no files")
    for entry in entries:
        if entry not in added:
            yield _read_entry(archive, entry, shown_name(f"{name}/{entry.filename}"))
    if added:
        yield CrystalFile(name, b"", f"not read: what macOS added to the zip ({len(added)})")


def _is_of_macos(path):
    return path.startswith("__MACOSX/") or PurePosixPath(path).name == ".DS_Store"


def _read_entry(archive, entry, name):
    if name.lower().endswith(".zip"):
        return CrystalFile(name, b"", "a zip inside a zip is not opened: unpack it first")
    if entry.flag_bits & 1:
        return CrystalFile(name, b"", "the file is encrypted: unpack the zip first")
    if entry.compress_type not in _COMPRESSIONS:
        return CrystalFile(name, b"", "it is compressed in an unusual way: zip it anew with Deflate")
    if entry.file_size > MAX_FILE:
        return CrystalFile(name, b"", too_large(MAX_FILE))
    try:
        with archive.open(entry) as stream:
            return CrystalFile(name, stream.read(MAX_FILE))
    except (*_DAMAGE, NotImplementedError) as error:
        return CrystalFile(name, b"", f"the file is not read from the zip ({error!s:.80})")
