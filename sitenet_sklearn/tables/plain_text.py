"""Text from files of others, made fit to be shown and written."""


def printable(text):
    r"""Replace the characters that cannot be shown or written: controls, changes of direction, halves of characters.

    Parameters
    ----------
    text : str
        Such as an id.

    Returns
    -------
    str

    Examples
    --------
    >>> printable("mp-1\x1b[0m") == "mp-1\N{REPLACEMENT CHARACTER}[0m"
    True
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def is_utf8(path):
    r"""Whether a path is text in UTF-8; others have bytes that cannot be written into files.

    Examples
    --------
    >>> is_utf8("gaps.csv"), is_utf8("gaps\udcff.csv")
    (True, False)
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
