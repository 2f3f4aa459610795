"""The rows of the sources of a screening: from some row on, or some of them."""

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
    dict of int to object
        Crystals as they stand in the sources, by the number of their row.
    """
    wanted, position, found = sorted(numbers, reverse=True), 0, {}
    for table in read_tables(sources, **options):
        if not wanted:
            break
        while wanted and wanted[-1] < position + len(table):
            number = wanted.pop()
            found[number] = table.crystals[number - position]
        position += len(table)
    return found
