"""Reports of screenings: the best crystals with pictures, how predictions are distributed, which elements there are."""

import numpy as np

from .crystal_pictures import draw_crystal
from .pages import figure, table, write_page
from .periodic_table import draw_periodic_table

N_PICTURES = 12
N_BINS = 60
MAX_LISTED = 1000
_PICTURE = (2.6, 2.6)
_WIDE = (11.0, 5.2)
_FEW_DOTS = 110
_NOT_LISTED = {"nearest", "cif"}
_LABELS = {
    "prediction": ("{quantity}{unit}", "Predictions of all crystals, and in orange those of the best ones."),
    "width": ("width of the interval{unit}", "Widths of the intervals: the wider, the less is known."),
    "novelty": ("novelty (%)", "Novelty: above 95 a crystal has hardly any relatives among the training crystals."),
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
    model=None,
    data="the crystals given",
    quantity="prediction",
    unit="",
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
    model : estimator or Pipeline, default=None
        What predicted.
    data : str, default="the crystals given"
        What the crystals are.
    quantity : str, default="prediction"
        What was predicted.
    unit : str, default=""
        Its unit.
    """
    in_unit = f" ({unit})" if unit else ""
    write_page(
        path,
        "screening.html",
        model=model,
        data=f"{data} ({n_rows:,} rows)",
        title=f"Screening: {quantity}",
        cards=_cards(n_rows, n_crystals, n_failed, n_flagged),
        ranking=ranking,
        pictures=[_picture(row, structure) for row, structure in zip(_records(top), structures, strict=False)],
        best=_best(top),
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


def _picture(row, structure):
    caption = f"{row['rank']}. {row['formula']} ({row['id']}): {row['prediction']:.3f}"
    return figure(lambda ax: draw_crystal(structure, ax), caption, size=_PICTURE, dpi=_FEW_DOTS)


def _best(top):
    columns = [name for name in top if name not in _NOT_LISTED]
    rows = [[_text(row[name]) for name in columns] for row in top.head(MAX_LISTED).to_dict("records")]
    caption = f"The {len(rows):,} best crystals"
    numbers = [k for k, name in enumerate(columns) if name not in {"id", "formula", "flags"}]
    return table(caption, columns, rows, numbers)


def _text(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _histograms(values, top, quantity, unit):
    drawn = []
    for name, counts in values.items():
        if not counts:
            continue
        label, caption = _LABELS[name]
        best = top.get(name, [])
        label = label.format(quantity=quantity, unit=unit)
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
