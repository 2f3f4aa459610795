"""Pages in HTML that need nothing else: tables, figures inside the page, one style for all."""

import base64
import io
from datetime import datetime
from importlib.resources import files

from sitenet_sklearn._files import written_whole
from sitenet_sklearn._pipelines import steps_of
from sitenet_sklearn._versions import versions
from sitenet_sklearn.analysis.summary import changed_parameters

DPI = 170


def write_page(path, template, *, model, data, name=None, **values):
    """Write a page, under another name first.

    Parameters
    ----------
    path : path-like
        HTML file.
    template : str
        Name of a template of this room that extends ``page.html``.
    model : estimator, Pipeline or None
        What predicted.
    data : str
        What it predicted for.
    name : str, default=None
        What the page calls the model; None is the classes of its steps.
    **values
        What else the template takes.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files(__package__)
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(
        model=name or classes_of(model),
        data=data,
        date=f"{datetime.now().astimezone():%d %B %Y, %H:%M %Z}",
        parameters=_parameters(model),
        versions=versions(),
        **values,
    )
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def classes_of(model):
    """Name the classes of the steps of a model, in words; None is only predictions."""
    return "Predictions" if model is None else " and ".join(type(step).__name__ for step in steps_of(model))


def figure(draw, caption, *, size=(4.8, 4.0), dpi=DPI):
    """Draw and encode a figure. A ``$`` in a label, title or legend is a plain character.

    Parameters
    ----------
    draw : callable
        Draws on the axes that it is given.
    caption : str
        What one sees.
    size : pair of float, default=(4.8, 4.0)
        Width and height in inches; a figure of more than 8 inches takes the width of the page.
    dpi : int, default=170
        Dots an inch.

    Returns
    -------
    dict
        For the template.
    """
    from matplotlib.figure import Figure

    drawn = Figure(figsize=size, layout="constrained")
    draw(drawn.add_subplot())
    for ax in drawn.axes:
        for text in _texts_of(ax):
            text.set_parse_math(False)
    buffer = io.BytesIO()
    drawn.savefig(buffer, dpi=dpi, metadata={"Software": None})
    return {
        "png": base64.b64encode(buffer.getvalue()).decode(),
        "width": round(size[0] * dpi),
        "height": round(size[1] * dpi),
        "wide": size[0] > 8,
        "alt": caption,
        "caption": caption,
    }


def _texts_of(ax):
    """Texts of axes but those at the ticks, which matplotlib writes as mathematics."""
    yield from (ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts)
    if ax.get_legend() is not None:
        yield from ax.get_legend().get_texts()


def table(caption, columns, rows, numbers=(), widths=None):
    """Make a table for the template.

    Parameters
    ----------
    caption : str
        What it lists.
    columns : list of str
        Heads of n columns.
    rows : list of list of str
        Cells.
    numbers : sequence of int, default=()
        Columns that hold numbers.
    widths : sequence of float, default=None
        Widths of the columns in proportion to each other: the table is as wide as the page, and long words are broken.
        None lets the cells decide.

    Returns
    -------
    dict
    """
    shares = [f"{100 * width / sum(widths):.1f}%" for width in widths or ()]
    return {"caption": caption, "columns": columns, "rows": rows, "numbers": list(numbers), "widths": shares}


def _parameters(model):
    changed = {} if model is None else changed_parameters(model)
    rows = [[name, repr(value)] for name, value in changed.items()] or [["all", "defaults, or not known"]]
    return table("Parameters that differ from the defaults", ["parameter", "value"], rows)
