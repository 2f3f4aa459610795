"""Crystals as files hold many of them: tables in CSV, lines of JSON, folders, zips, databases of ASE, single files."""

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed

from sitenet_sklearn.crystals.structures import as_structure, is_file, is_missing, is_path
from sitenet_sklearn.exceptions import CrystalError, Failure

from .containers import PROPERTIES, Unread, holds_crystals, read_container, some
from .folders import crystals_in
from .plain_text import printable
from .rows import csv_frames, is_array, json_frames

CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
TABLES = (*CSV, ".jsonl", ".jsonl.gz", ".zip", ".db")
"""Endings of files that hold a table; every other file is one crystal, but for arrays in .json."""

CRYSTAL_COLUMNS = ("structure", "cif", "poscar", "file", "path", "cif_file")
ID_COLUMNS = ("id", "material_id")


@dataclass(frozen=True)
class CrystalTable:
    """Crystals as they stand in a table, not read yet.

    Attributes
    ----------
    ids : list of str
        Column `id` or `material_id`, else the path of the file, else the number of the row, from 0; printable. Where
        there are several sources, paths in folders and zips and numbers in databases begin with the source.
    crystals : list
        Paths, texts in CIF or POSCAR or JSON, dicts, or a CrystalError where there is none.
    properties : pandas.DataFrame
        All other columns, as text or as JSON has them.
    """

    ids: list[str]
    crystals: list
    properties: pd.DataFrame

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, rows):
        """Take a slice of the rows."""
        return CrystalTable(self.ids[rows], self.crystals[rows], self.properties[rows].reset_index(drop=True))


def is_table(path):
    """Whether a path is a table or a folder of crystals, and not the file of one crystal."""
    path = Path(path)
    name = path.name.lower()
    return path.is_dir() or name.endswith(TABLES) or (name.endswith((".json", ".json.gz")) and is_array(path))


def read_tables(paths, *, structure_column=None, chunk_size=1024, tell_unread=True):
    """Read tables and files of crystals in chunks.

    Parameters
    ----------
    paths : list of path-like
        CSV files (.csv, .tsv, with commas, semicolons or tabs), lines of JSON (.jsonl) or an array (.json), all also as
        .gz; folders of CIF files with CGCNN's `id_prop.csv` (id, values, with names of columns or without), or of
        crystals alone, also in folders inside; zip archives of crystals (.zip); databases of ASE (.db); files of one
        crystal each. Names of columns may be written in capitals.
    structure_column : str, default=None
        Column of crystals; None for the only one of `CRYSTAL_COLUMNS`.
    chunk_size : int, default=1024
        Most rows to hold in memory at a time; fewer where they are long.
    tell_unread : bool, default=True
        Whether to warn, after the last table, of files in folders and zips that are not read.

    Yields
    ------
    CrystalTable
        None of them empty.

    Raises
    ------
    FileNotFoundError
        If there is no such table, or nothing in a folder.
    ValueError
        If a table is empty or damaged, has two columns of one name, more than 10,000 columns or a row of more than 16
        MiB, or if it is not clear which column holds the crystals.
    """
    paths, unread = list(map(Path, paths)), Unread()
    for of_tables, group in groupby(paths, is_table):
        if of_tables:
            for path in group:
                source = f"{path}/" if len(paths) > 1 else ""
                yield from _table_in_chunks(path, structure_column, chunk_size, unread, source)
        else:
            while files := list(islice(group, chunk_size)):
                yield CrystalTable(
                    [printable(str(path)) for path in files], files, pd.DataFrame(index=range(len(files)))
                )
    if tell_unread:
        unread.tell()


def read_table(path, *, structure_column=None):
    r"""Read a whole table.

    Parameters
    ----------
    path : path-like
        A table or folder, as in `read_tables`.
    structure_column : str, default=None
        Column of crystals; None for the only one of `CRYSTAL_COLUMNS`.

    Returns
    -------
    CrystalTable

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "gaps.csv"
    ...     _ = path.write_text("id,file,band_gap\nmp-1,a.cif,0.5\n")
    ...     table = read_table(path)
    >>> table.ids, table.crystals[0].name, table.properties["band_gap"].tolist()
    (['mp-1'], 'a.cif', ['0.5'])
    """
    if Path(path).is_file() and not is_table(path):
        raise ValueError(f"{path} is not a table: expected a folder, or a file whose name ends in {', '.join(TABLES)}")
    unread = Unread()
    (table,) = _table_in_chunks(Path(path), structure_column, None, unread)
    unread.tell()
    return table


def files_read(path):
    """Name every file that reading a path would open, as far as it can be read.

    Parameters
    ----------
    path : path-like
        A file, table or folder, as in `read_tables`.

    Yields
    ------
    Path
        The path itself, the crystals in it, and every file that its columns name; all files in a folder with
        `id_prop.csv`.
    """
    path = Path(path)
    yield path
    base = path if path.is_dir() else path.parent
    if path.is_dir():
        yield from map(path.joinpath, crystals_in(path)[0]) if holds_crystals(path) else path.iterdir()
    with suppress(ValueError, FileNotFoundError):  # a damaged table: whoever reads it says so
        for frame in _frames(path, 1024) if is_table(path) and not holds_crystals(path) else ():
            for column in frame:
                yield from filter(is_file, (base / entry for entry in frame[column] if _is_path(entry)))


def read_structures(table, *, start=0, n_jobs=None):
    """Read the crystals of a table.

    Parameters
    ----------
    table : CrystalTable
        n rows.
    start : int, default=0
        Index of its first row in failures.
    n_jobs : int, default=None
        Number of parallel jobs of joblib.

    Returns
    -------
    structures : list of (pymatgen.core.Structure or None)
        None where a crystal cannot be read.
    failures : list of Failure
        Those rows, with their ids, and why. Warnings about the others are given once a kind, with their ids.
    """
    found = Parallel(n_jobs=n_jobs)(delayed(_read_with_warnings)(crystal) for crystal in table.crystals)
    read = [crystal for crystal, _ in found]
    _warn_once_a_kind(table.ids, [[] if isinstance(crystal, str) else messages for crystal, messages in found])
    failures = [
        Failure(start + k, table.ids[k], "?", printable(" ".join(reason.split())))
        for k, reason in enumerate(read)
        if isinstance(reason, str)
    ]
    return [None if isinstance(found, str) else found for found in read], failures


def _read_with_warnings(crystal):
    """Read a crystal, or say why not; and what its reader warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = _read_or_reason(crystal)
    told = [warning.message for warning in caught if issubclass(warning.category, UserWarning)]
    return found, [" ".join(str(message).split()) for message in told]


def _warn_once_a_kind(ids, messages):
    """Warn of equal messages about several crystals together; numbers in them make no other kind."""
    kinds = {}
    for name, of_one in zip(ids, messages, strict=True):
        for message in of_one:
            kinds.setdefault(re.sub(r"\d+", "#", message), {}).setdefault(name, message)
    for names in kinds.values():
        first, *others = names
        warnings.warn(f"{names[first]} ({some([first, *others], 4)})", stacklevel=3)


def _read_or_reason(crystal):
    if isinstance(crystal, CrystalError):
        return str(crystal)
    try:
        return as_structure(crystal)
    except CrystalError as error:
        missing = isinstance(crystal, Path) and str(error) == "no such file"
        return f"{error}: {crystal}" if missing else str(error)


def _table_in_chunks(path, structure_column, chunk_size, unread, source=""):
    """Yield parts of a table; the source begins names of files and numbers of rows of what has no columns."""
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    start = 0
    if holds_crystals(path):
        tables = (_named(source, *part) for part in read_container(path, chunk_size, unread))
    else:
        frames = _frames(path, chunk_size)
        tables = (_as_crystals(frame, path, structure_column, start) for frame in frames)
    for table in tables:
        yield table
        start += len(table)
    if not start:
        raise ValueError(f"{path} holds no crystals: at least one row is expected")


def _named(source, names, crystals, values):
    ids = [printable(f"{source}{name}") for name in names]
    return CrystalTable(ids, crystals, pd.DataFrame(values, index=range(len(ids))))


def _frames(path, chunk_size):
    """Yield parts of a table as data frames of what stands there."""
    if path.is_dir():
        yield from _folder_of_cgcnn(path, chunk_size)
    elif path.name.lower().endswith(CSV):
        yield from csv_frames(path, chunk_size)
    else:
        yield from json_frames(path, chunk_size)


def _folder_of_cgcnn(path, chunk_size):
    has_header = _has_header(path)
    for frame in csv_frames(path / PROPERTIES, chunk_size, has_header=has_header):
        names = frame.columns[1:] if has_header else map(str, range(1, frame.shape[1]))
        named = frame.set_axis(["id", *names], axis=1)
        yield named.assign(file=named["id"] + ".cif")


def _has_header(folder):
    """Whether the first row of CGCNN's table names columns: no crystal is called so, and no entry is a number."""
    first = next(csv_frames(folder / PROPERTIES, 1, has_header=False)).iloc[0]
    return not (folder / f"{first[0]}.cif").is_file() and pd.to_numeric(first[1:], errors="coerce").isna().all()


def _as_crystals(frame, path, structure_column, start):
    """Tell ids, crystals and values of a data frame apart."""
    column = _crystal_column(frame, path, structure_column)
    id_column = next(filter(None, (find_column(frame, name) for name in ID_COLUMNS)), None)
    base = path if path.is_dir() else path.parent
    crystals = [base / entry if _is_path(entry) else entry for entry in frame[column]]
    ids = _ids(frame, id_column or column, crystals, start, named=id_column is not None)
    values = frame.drop(columns=[column, *(found for name in ID_COLUMNS if (found := find_column(frame, name)))])
    return CrystalTable(ids, crystals, values.reset_index(drop=True))


def _crystal_column(frame, path, structure_column):
    if structure_column is not None:
        found = find_column(frame, structure_column)
        if found is None:
            raise ValueError(f"{path} has no column {structure_column!r}, only {_listed(frame)}")
        return found
    found = list(filter(None, (find_column(frame, name) for name in CRYSTAL_COLUMNS)))
    if len(found) != 1:
        trouble = "columns of crystals " + " and ".join(found) if found else "no column of crystals"
        raise ValueError(
            f"{path} has {trouble}, expected one of {', '.join(CRYSTAL_COLUMNS)}: name it with --structure-column; "
            f"its columns are {_listed(frame)}"
        )
    return found[0]


def find_column(frame, name):
    """Find a column by its name, written so or with other capitals; None where there is none, or more than one."""
    if name in frame:
        return name
    alike = [column for column in frame if str(column).strip().casefold() == str(name).strip().casefold()]
    return alike[0] if len(alike) == 1 else None


def _ids(frame, column, crystals, start, *, named):
    if named or all(isinstance(crystal, Path) for crystal in crystals):
        entries = enumerate(frame[column], start)
        return [str(row) if is_missing(entry) or entry == "" else printable(str(entry)) for row, entry in entries]
    return [str(start + k) for k in range(len(frame))]


def _is_path(entry):
    return isinstance(entry, str) and bool(entry.strip()) and is_path(entry)


def _listed(frame):
    return ", ".join(map(str, frame.columns[:20]))
