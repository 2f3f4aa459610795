"""
Choose what to compute next
===========================

You have many candidates and can compute a few. Let the model choose, learn from the results, and choose again.
"""

# %%
# Band gaps of 300 bundled crystals are held back, as if they had not been computed yet; 20 are known at the start, and
# 120 others test the model.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import mean_absolute_error

from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.screening import suggest

structures, band_gap = load_dielectric(return_X_y=True)
order = np.random.default_rng(0).permutation(len(band_gap))[:440]
crystals = SupercellFeaturizer(max_atoms=20).transform([structures[k] for k in order])
band_gap = band_gap[order]
test, start, pool = np.split(np.arange(len(order)), [120, 140])


# %%
# Two networks that begin with other random numbers are enough to see where they disagree. ``partial_fit`` goes on
# training for one epoch, here on all that is known so far.
def train(ensemble, known, n_epochs):
    """Go on training every network on the known crystals."""
    for network in ensemble.estimators_:
        for _ in range(n_epochs):
            network.partial_fit(crystals[known], band_gap[known])


# %%
# The loop: choose 20 crystals, look up their gaps, train. ``suggest`` returns rows of the pool.
def run(strategy):
    """Known crystals, error, and the largest gap known, after every round."""
    known, unknown = start, pool
    ensemble = SiteNetEnsemble()
    ensemble.estimators_ = [SiteNetRegressor(random_state=seed) for seed in (0, 1)]
    train(ensemble, known, 15)
    rows = []
    for _ in range(4):
        error = mean_absolute_error(band_gap[test], ensemble.predict(crystals[test]))
        rows.append({"known": len(known), "MAE (eV)": error, "largest gap (eV)": band_gap[known].max()})
        options = {"best": band_gap[known].max(), "labelled": crystals[known], "random_state": 0}
        chosen = suggest(ensemble, crystals[unknown], 20, strategy, **options)
        known, unknown = np.append(known, unknown[chosen]), np.delete(unknown, chosen)
        train(ensemble, known, 6)
    return pd.DataFrame(rows).set_index("known")


curves = {strategy: run(strategy) for strategy in ("random", "uncertainty", "diversity", "expected_improvement")}

# %%
# "uncertainty" asks where the networks disagree, "diversity" for crystals unlike the known ones: both want a model that
# is right everywhere. "expected_improvement" wants the largest gap, and asks where one may be.
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for ax, column in zip(axes, ("MAE (eV)", "largest gap (eV)"), strict=True):
    for strategy, curve in curves.items():
        ax.plot(curve.index, curve[column], "o-", label=strategy.replace("_", " "))
    ax.set(xlabel="crystals with a known gap", ylabel=column)
axes[0].legend()

# %%
# One run says little: it depends on the crystals at the start. ``tests/benchmarks/active_learning.py`` repeats a longer
# one with five seeds; its curves are on the page about what to compute next.
pd.concat(curves, axis=1).xs("largest gap (eV)", axis=1, level=1)
