"""The periodic table, a number for every element as its colour."""

import numpy as np
from pymatgen.core import Element

_NAMED = 103
"""Largest atomic number of elements that are named although they have no number."""


def draw_periodic_table(ax, values, *, texts, label, norm=None):
    """Draw numbers on the periodic table.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    values : dict of str to float
        Numbers by the symbol of the element.
    texts : dict of str to int or str
        What to write below a symbol.
    label : str
        What the colour bar says.
    norm : matplotlib Normalize, default=None
        From numbers to colours; None is linear.
    """
    table = np.full((9, 18), np.nan)
    for element in Element:
        table[place(element)] = values.get(element.symbol, np.nan)
    image = ax.imshow(table, cmap="cividis_r", norm=norm)
    for element in Element:
        row, column = place(element)
        style = {"ha": "center", "va": "center", "fontsize": 7}
        if element.symbol in values:
            dark = image.norm(table[row, column]) > 0.5
            text = f"{element.symbol}\n{texts[element.symbol]}"
            ax.text(column, row, text, color="white" if dark else "black", **style)
        elif element.Z <= _NAMED:
            ax.text(column, row, element.symbol, color="silver", **style)
    ax.figure.colorbar(image, ax=ax, label=label, shrink=0.7)
    ax.set_axis_off()


def place(element):
    """Row and column of an element on a table with the lanthanoids and actinoids below.

    Examples
    --------
    >>> from pymatgen.core import Element
    >>> place(Element("Na")), place(Element("La"))
    ((2, 0), (7, 2))
    """
    if 57 <= element.Z <= 71:
        return 7, element.Z - 55
    if 89 <= element.Z <= 103:
        return 8, element.Z - 87
    return element.row - 1, element.group - 1
