"""
Disordered crystals
===================

Sites that two elements share have no band gap of their own: ordered arrangements of whole atoms have. Predictions are
averaged over them, and converge as more of them are drawn.
"""

# %%
# A model of ordered crystals. `FrozenEstimator` keeps it as it is.
import matplotlib.pyplot as plt
import pandas as pd
from pymatgen.core import Lattice, Structure
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.estimators.disorder import DisorderedRegressor

structures, band_gap = load_dielectric(return_X_y=True)
pipeline = make_pipeline(SupercellFeaturizer(max_atoms=32), SiteNetRegressor(max_epochs=10, random_state=0))
pipeline.fit(structures[::2], band_gap[::2])

# %%
# Rock salt with sodium and potassium mixed. With a quarter of potassium the smallest cell that has whole atoms has four
# arrangements, all of them equal; in the supercell of 32 sites taken here there are 1,820.


def rock_salt(potassium):
    """Supercell of Na(1-x)K(x)Cl, its edge by Vegard's law."""
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
# The same for every composition, with the spread over arrangements and their number.
model.set_params(n_approximants=8)
compositions = [0.0, 0.25, 0.5, 0.75, 1.0]
model.predict_distribution([rock_salt(x) for x in compositions]).round(3).assign(potassium=compositions)
