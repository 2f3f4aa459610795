"""Rows of CSV and of lines of JSON, as data frames, in bounded memory however well a file compresses."""

import gzip
import io
import json
import re
import zlib
from collections import Counter
from itertools import chain

import pandas as pd

MAX_RECORD = 2**24
"""Longest row, in bytes after decompression: four times the longest crystal that is read as text."""

MAX_LINES = 250_000
"""Most lines of a row of CSV."""

MAX_CHUNK = 2**26
"""Bytes after which a part of a table ends, however few rows it has."""

MAX_COLUMNS = 10_000
"""Most columns of a table."""

TOO_LONG = (
    f"a row has more than {MAX_RECORD >> 20} MiB or {MAX_LINES} lines: keep only the crystal and its values, and close "
    "quotation marks"
)
TOO_MANY = f"it has more than {MAX_COLUMNS} columns: keep only those that are used"

SEPARATORS = ",;\t"
"""What may stand between the entries of a row: the first that the first row has."""


def csv_frames(path, chunk_size=None, *, has_header=True):
    """Read a CSV file part by part, with commas, semicolons or tabs between entries.

    Parameters
    ----------
    path : Path
        File; compressed if its name ends in .gz.
    chunk_size : int, default=None
        Most rows of a part, which may have fewer where they are long; None for all rows at once.
    has_header : bool, default=True
        Whether the first row has the names of the columns; otherwise they are numbered from 0.

    Yields
    ------
    pandas.DataFrame
        Text only; none of them empty.

    Raises
    ------
    ValueError
        If it is damaged, if two columns have one name, if it has more than 10,000 columns, or a row of more than 16
        MiB.
    """
    start = 0
    try:
        with _opened(path) as file:
            separator, lines = _separator(file)
            records = _csv_records(lines, separator)
            first = next(records, (b"", 0))
            _check_width(first[0], separator)
            header, names = (first[0], _names(first[0], separator)) if has_header else (b"", None)
            for part in parts(records if has_header else chain([first], records), chunk_size):
                frame = _parse(header + b"".join(part), separator)
                yield frame if names is None else frame[1:].set_axis(names, axis=1).reset_index(drop=True)
                start += len(part)
    except (ValueError, OSError, EOFError, zlib.error) as error:  # pandas' errors of parsing are ValueErrors
        where = f", from row {start} on" if start else ""
        reason = f"{error!s:.200}"
        if isinstance(error, UnicodeDecodeError):
            reason = "it is not encoded in UTF-8: save it again, in Excel as CSV UTF-8"
        raise ValueError(f"{path} is not read as CSV{where}: {reason}") from error


def json_frames(path, chunk_size=None):
    """Read a file with an object of JSON on every line, or an array of objects, part by part.

    Parameters
    ----------
    path : Path
        File; compressed if its name ends in .gz.
    chunk_size : int, default=None
        As in `csv_frames`.

    Yields
    ------
    pandas.DataFrame
        Numbers and texts as they are written, NaN where an object has no such name; none of them empty.

    Raises
    ------
    ValueError
        As in `csv_frames`; the message names the line.
    """
    for part in parts(_json_records(path), chunk_size):
        if len(set().union(*part)) > MAX_COLUMNS:
            raise ValueError(f"{path} is not read as JSON: {TOO_MANY}")
        yield pd.DataFrame(part, dtype=object)  # another type would round large integers beside empty entries


def parts(records, chunk_size):
    """Divide records into parts that fit into memory.

    Parameters
    ----------
    records : iterable of (object, int)
        Records and their sizes in bytes.
    chunk_size : int or None
        Most records of a part, which ends earlier after 64 MiB; None for one part of all.

    Yields
    ------
    list
        Records, at least one.
    """
    part, n_bytes = [], 0
    for record, size in records:
        part.append(record)
        n_bytes += size
        if chunk_size is not None and (len(part) >= chunk_size or n_bytes >= MAX_CHUNK):
            yield part
            part, n_bytes = [], 0
    if part:
        yield part


def _opened(path):
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")


def _line(file):
    line = file.readline(MAX_RECORD + 1)
    if len(line) > MAX_RECORD:
        raise ValueError(TOO_LONG)
    return line


def _separator(file):
    """Tell what separates entries, and give all lines, of which one is read."""
    lines = iter(lambda: _line(file), b"")
    first = next((line for line in lines if not line.isspace()), b"")
    found = [mark for mark in SEPARATORS if mark.encode() in re.sub(rb'"[^"]*"', b"", first)]
    return (found or SEPARATORS)[0], chain([first] if first else [], lines)


def _csv_records(lines_of_file, separator):
    """Yield the rows, which are several lines where an entry in quotation marks is, and their sizes."""
    start = rb"(^|[%b\r])" % separator.encode()
    quoted, opening = re.compile(start + rb'"[^"]*+(?:""[^"]*+)*+"'), re.compile(start + b'"')
    lines, size, is_open = [], 0, False
    for line in lines_of_file:
        if not is_open and line.isspace():
            continue
        lines.append(line)
        size += len(line)
        if size > MAX_RECORD or len(lines) > MAX_LINES:
            raise ValueError(TOO_LONG)
        if b'"' in line:  # marks count where they begin an entry, or where they close it
            rest = quoted.sub(separator.encode(), b'"' + line if is_open else line)
            is_open = opening.search(rest) is not None
        if not is_open:
            yield b"".join(lines), size
            lines, size = [], 0
    if lines:
        raise ValueError("the last row has a quotation mark that is not closed")


def _check_width(row, separator):
    if not row:
        raise ValueError("it holds nothing, not even the names of columns")
    if row.count(separator.encode()) >= MAX_COLUMNS:
        raise ValueError(TOO_MANY)


def _names(header, separator):
    """Names of the columns; a column without one is called as pandas calls it."""
    names = [name or f"Unnamed: {k}" for k, name in enumerate(_parse(header, separator).iloc[0])]
    (name, times), *_ = Counter(names).most_common(1)
    if times > 1:
        raise ValueError(f"{times} columns are called {name!r}: give every column a name of its own")
    return names


def _parse(text, separator):
    return pd.read_csv(io.BytesIO(text), sep=separator, header=None, dtype=str, keep_default_na=False)


def _json_records(path):
    """Yield the objects and the sizes of their lines."""
    number = 1
    try:
        with _opened(path) as file:
            if is_array(path):
                yield from _array(file)
                return
            while line := _line(file):
                if line.strip():
                    yield _record(line), len(line)
                number += 1
    except (ValueError, OSError, EOFError, RecursionError, zlib.error) as error:
        raise ValueError(f"{path} is not read as JSON, line {number}: {error!s:.200}") from error


def is_array(path):
    """Whether a file begins as an array of JSON."""
    try:
        with _opened(path) as file:
            return file.read(1024).lstrip().startswith(b"[{")
    except (OSError, EOFError, zlib.error):
        return False


def _array(file):
    """Yield the objects of an array and their sizes, about."""
    content = file.read(MAX_CHUNK + 1)
    if len(content) > MAX_CHUNK:
        raise ValueError(f"the array is longer than {MAX_CHUNK >> 20} MiB: write an object on each line, as .jsonl")
    records = json.loads(content, object_pairs_hook=_object)
    for record in records:
        yield _checked(record), len(content) // len(records)


def _record(line):
    return _checked(json.loads(line, object_pairs_hook=_object))


def _checked(record):
    if not isinstance(record, dict):
        raise ValueError(f"expected an object, got {json.dumps(record):.40}")  # noqa: TRY004
    return record


def _object(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{max(names, key=names.count)!r} is named twice in one object")
    return found
