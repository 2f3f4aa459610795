"""
Predict, and know when to trust it
==================================

A model that comes with the library predicts band gaps at once. Beside each prediction stand an interval, reasons to
doubt, and the nearest crystals that it learned from.
"""

# %%
# Some crystals: silicon, table salt, and a compound of an element that few training crystals have.
import numpy as np
from pymatgen.core import Lattice, Structure

from sitenet_sklearn import load_pretrained, predict_table
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.displays import IntervalDisplay


def cubic(group, a, species, positions):
    """Make a cubic crystal; a in angstrom."""
    return Structure.from_spacegroup(group, Lattice.cubic(a), species, positions)


crystals = [
    cubic("Fd-3m", 5.47, ["Si"], [[0, 0, 0]]),
    cubic("Fm-3m", 5.69, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    cubic("Fm-3m", 4.9, ["Es", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
]
model = load_pretrained("band_gap")
table = predict_table(model, crystals, level=0.9)
table

# %%
# Einsteinium nitride has a flag: no crystal in training had the element. Do not believe such a row.
table[["formula", "flags", "nearest"]]

# %%
# Intervals of 90 % on bundled band gaps. Many of these crystals, or their relatives, were in training, so that
# more than 90 % lie inside. The measured share on crystals never seen is on the card: ``sitenet info band_gap``.
structures, band_gap = load_dielectric(return_X_y=True)
table = predict_table(model, structures[:100])
IntervalDisplay.from_predictions(band_gap[:100], table["prediction"], table["lower"], table["upper"])

# %%
# Wide intervals go with large errors.
error, width = (table["prediction"] - band_gap[:100]).abs(), table["upper"] - table["lower"]
np.corrcoef(error.rank(), width.rank())[0, 1]
