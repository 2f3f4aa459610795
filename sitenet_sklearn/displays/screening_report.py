"""Reports of screenings: the best crystals with pictures, how predictions are distributed, which elements there are."""

import numpy as np

from sitenet_sklearn.analysis.summary import describe_model

from .crystal_pictures import draw_crystal
from .pages import classes_of, figure, table, write_page
from .periodic_table import draw_periodic_table

N_PICTURES = 12
N_BINS = 60
MAX_LISTED = 1000
_PICTURE = (2.6, 2.6)
_WIDE = (11.0, 5.2)
_FEW_DOTS = 110
_COLUMNS = {
    "rank": ("rank", 6),
    "formula": ("formula", 13),
    "id": ("id", 14),
    "prediction": ("prediction{unit}", 12),
    "interval": ("{level:g} % interval{unit}", 16),
    "flags": ("flags: reasons to doubt", 22),
    "novelty": ("novelty (%)", 9),
    "score": ("score{unit}", 11),
}
"""Columns of the table, their heads and widths in proportion; the others are in the table of the best alone."""

_LEFT = {"rank", "formula", "id", "flags"}
_LABELS = {
    "prediction": ("{quantity}{unit}", "Predictions of all crystals{best}."),
    "width": ("width of the interval{unit}", "Widths of the intervals: the wider, the less is known."),
    "novelty": (
        "novelty (%)",
        "Novelty of all crystals{best}: above 95 a crystal has hardly any relatives among the training crystals.",
    ),
}


def write_screening_report(
    path,
    top,
    structures,
    *,
    n_rows,
    n_crystals,
    n_failed,
    values,
    elements,
    n_flagged=0,
    reasons=(),
    ranking="the largest prediction",
    legend="The score is the prediction.",
    shortage="",
    model=None,
    about=None,
    data="the crystals given",
    quantity="prediction",
    unit="",
    level=0.9,
):
    """Write a report of a screening.

    Parameters
    ----------
    path : path-like
        HTML file to write. It holds its figures, loads nothing, and runs no code.
    top : pandas.DataFrame
        The best crystals, the best first: `rank`, `score`, `id`, `formula`, `prediction` and what else is known.
    structures : list of pymatgen.core.Structure
        Their crystals.
    n_rows, n_crystals, n_failed : int
        Rows of the sources, different crystals, and rows that failed.
    values : dict of str to Counter
        Crystals by the value of `prediction`, `width` and `novelty`, as far as they are known.
    elements : dict of str to int
        Number of crystals that hold an element.
    n_flagged : int, default=0
        Crystals with a reason to doubt.
    reasons : sequence of (str, int), default=()
        Why rows failed, and how many did.
    ranking : str, default="the largest prediction"
        What is best.
    legend : str, default="The score is the prediction."
        What scores and ranks mean.
    shortage : str, default=""
        That fewer crystals could be ranked than are wanted, where it is so.
    model : estimator or Pipeline, default=None
        What predicted.
    about : dict of str to str, default=None
        What to say of it: "name", and what else is known.
    data : str, default="the crystals given"
        What the crystals are.
    quantity : str, default="prediction"
        What was predicted.
    unit : str, default=""
        Its unit.
    level : float, default=0.9
        Share of values inside the intervals.
    """
    in_unit, about = f" ({unit})" if unit else "", about or {}
    write_page(
        path,
        "screening.html",
        model=model,
        name=about.get("name"),
        data=f"{data} ({n_rows:,} rows)",
        title=f"Screening: {quantity}",
        cards=_cards(n_rows, n_crystals, n_failed, n_flagged),
        ranking=ranking,
        shortage=shortage,
        pictures=[_picture(row, structure, unit) for row, structure in zip(_records(top), structures, strict=False)],
        best=_best(top, in_unit, level, legend),
        about=_about(model, about),
        figures=[*_histograms(values, top, quantity, in_unit), *_elements(elements, structures)],
        failed=table(
            f"{n_failed:,} rows that failed, by the most frequent reasons",
            ["reason", "rows"],
            [[reason, f"{count:,}"] for reason, count in reasons],
            numbers=(1,),
        ),
    )


def _cards(n_rows, n_crystals, n_failed, n_flagged):
    n_again = n_rows - n_crystals - n_failed
    counts = {"rows": n_rows, "different crystals": n_crystals, "found again": n_again, "failed": n_failed}
    return [(name, f"{count:,}", "") for name, count in (counts | {"with a reason to doubt": n_flagged}).items()]


def _records(top):
    return top.head(N_PICTURES).to_dict("records")


def _picture(row, structure, unit):
    caption = f"{row['rank']}. {row['formula']} ({row['id']}): {row['prediction']:.3f} {unit}".rstrip()
    return figure(lambda ax: draw_crystal(structure, ax), caption, size=_PICTURE, dpi=_FEW_DOTS)


def _best(top, unit, level, legend):
    columns = [name for name in _COLUMNS if name in top or (name == "interval" and "lower" in top)]
    heads = [_COLUMNS[name][0].format(unit=unit, level=100 * level) for name in columns]
    rows = [[_text(name, row) for name in columns] for row in top.head(MAX_LISTED).to_dict("records")]
    count = "best crystal" if len(rows) == 1 else f"{len(rows):,} best crystals"
    numbers = [k for k, name in enumerate(columns) if name not in _LEFT]
    return table(f"The {count}. {legend}", heads, rows, numbers, [_COLUMNS[name][1] for name in columns])


def _text(name, row):
    if name == "interval":
        return f"{row['lower']:.3f} to {row['upper']:.3f}"
    if name == "novelty":
        return f"{row[name]:.1f}"
    return f"{row[name]:.3f}" if isinstance(row[name], float) else str(row[name])


def _about(model, about):
    """Make the table of what is known of the model, or at least how large it is."""
    if not about and model is not None:
        described = describe_model(model)
        known = {"training crystals": "training crystals", "members": "networks", "weights": "weights of a network"}
        about = {word: f"{described[name]:,}" for name, word in known.items() if name in described}
    name = about.get("name") or classes_of(model)
    rows = [[word, str(value)] for word, value in about.items() if word != "name"]
    return table("", ["name", name], rows, widths=(1, 4))


def _histograms(values, top, quantity, unit):
    drawn = []
    for name, counts in values.items():
        if not counts:
            continue
        best = top.get(name, [])
        label, caption = _LABELS[name]
        label = label.format(quantity=quantity, unit=unit)
        caption = caption.format(best=", and in orange those of the best ones" if len(best) else "")
        drawn.append(figure(lambda ax, c=counts, n=label, b=best: _draw_counts(c, n, b, ax), caption))
    return drawn


def _draw_counts(counts, label, best, ax):
    known = np.array(list(counts))
    edges = np.histogram_bin_edges(known, N_BINS)
    ax.hist(known, edges, weights=list(counts.values()), color="tab:blue", alpha=0.7, label="all")
    if len(best):
        ax.hist(best, edges, color="tab:orange", label="best")
        ax.legend()
    ax.set(xlabel=label, ylabel="crystals", yscale="log")


def _elements(elements, structures):
    best = {}
    for structure in structures:
        for element in structure.composition.element_composition:
            best[element.symbol] = best.get(element.symbol, 0) + 1
    parts = ((elements, "Crystals that hold an element."), (best, "The same among the best crystals."))
    return [
        figure(lambda ax, c=counts: _draw_elements(c, ax), caption, size=_WIDE) for counts, caption in parts if counts
    ]


def _draw_elements(counts, ax):
    from matplotlib.colors import LogNorm

    norm = LogNorm(1, max(2, *counts.values()))
    draw_periodic_table(ax, counts, texts=counts, label="crystals", norm=norm)
