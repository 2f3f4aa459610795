"""
Disordered crystals
===================

A band gap can be predicted for ordered arrangements of atoms, not for sites that two elements share. Predictions for a
disordered crystal are averaged over ordered arrangements, and the mean converges as more of them are drawn.
"""

# %%
# Train a model on ordered crystals. `FrozenEstimator` keeps it from being refitted.
import matplotlib.pyplot as plt
import pandas as pd
from pymatgen.core import Lattice, Structure
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import DisorderedRegressor, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric

structures, band_gap = load_dielectric(return_X_y=True)
pipeline = make_pipeline(SupercellFeaturizer(max_atoms=32), SiteNetRegressor(max_epochs=10, random_state=0))
pipeline.fit(structures[::2], band_gap[::2])

# %%
# Mix sodium and potassium in rock salt. With a quarter of potassium, the smallest cell with whole atoms has four
# arrangements, all of them equivalent; the supercell of 32 sites used here has 1,820.


def rock_salt(potassium):
    """Supercell of Na(1-x)K(x)Cl with its edge from Vegard's law."""
    edge = 5.64 + (6.29 - 5.64) * potassium
    cation = {"Na": 1 - potassium, "K": potassium}
    cell = Structure.from_spacegroup("Fm-3m", Lattice.cubic(edge), [cation, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    return cell * (2, 2, 1)


rows = []
for n in (1, 2, 4, 8):
    for seed in range(6):
        model = DisorderedRegressor(FrozenEstimator(pipeline), n_approximants=n, random_state=seed)
        rows.append(model.fit(structures[:1], band_gap[:1]).predict_distribution([rock_salt(0.25)]).iloc[0])
means = pd.DataFrame(rows).groupby("n")["mean"].agg(["mean", "std"])

figure, ax = plt.subplots(layout="constrained")
ax.errorbar(means.index, means["mean"], means["std"], fmt="o-", capsize=4)
ax.set_xscale("log", base=2)
ax.set_xticks(means.index, means.index.astype(int))
ax.set(xlabel="arrangements averaged over", ylabel="predicted band gap (eV)", title="mean and spread over six seeds")

# %%
# Do the same for other compositions. The table gives the spread over arrangements and their number.
model.set_params(n_approximants=8)
compositions = [0.0, 0.25, 0.5, 0.75, 1.0]
model.predict_distribution([rock_salt(x) for x in compositions]).round(3).assign(potassium=compositions)
