"""The rows of the sources of a screening: from some row on, or some of them."""

from sitenet_sklearn.tables.contents import contents_of
from sitenet_sklearn.tables.reading import read_tables


def rows_from(sources, start, **options):
    """Read the rows from a number on.

    Parameters
    ----------
    sources : list of path-like
        As `read_tables` takes them.
    start : int
        Number of the first row to read.
    **options
        Of `read_tables`.

    Yields
    ------
    CrystalTable
        None of them empty.
    """
    position = 0
    for table in read_tables(sources, **options):
        rest = table[max(0, start - position) :]
        if len(rest):
            yield rest
        position += len(table)


def pick_rows(sources, numbers, **options):
    """Find the crystals of some rows.

    Parameters
    ----------
    sources : list of path-like
        As `read_tables` takes them.
    numbers : sequence of int
        Numbers of the rows.
    **options
        Of `read_tables`.

    Returns
    -------
    found : dict of int to object
        Crystals as they stand in the sources, by the number of their row.
    contents : Contents
        Of all sources, as they were when these crystals were read.
    """
    found = {}
    return found, contents_of(_picking(read_tables(sources, **options), numbers, found))


def _picking(tables, numbers, found):
    """Pass tables on, and remember the crystals of some rows."""
    wanted, position = sorted(numbers, reverse=True), 0
    for table in tables:
        while wanted and wanted[-1] < position + len(table):
            number = wanted.pop()
            found[number] = table.crystals[number - position]
        position += len(table)
        yield table
