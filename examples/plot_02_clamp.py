"""
Why predictions are clamped
===========================

A band gap is never negative, and a metal has exactly 0. ``clamp=True`` makes the network say so: what it computes below
zero counts as zero, in the loss as in predictions.
"""

# %%
# A clamp that is an ordinary ``max(x, 0)`` has no gradient below zero: an output that once is negative stays there. The
# clamp of Site-Net passes the gradient unchanged ("straight through"). One number, trained towards 1 from -1:
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.metrics import mean_absolute_error

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.network.layers import straight_through_clamp

figure, ax = plt.subplots(layout="constrained")
for name, clamp in (("max(x, 0)", torch.relu), ("straight through", straight_through_clamp)):
    x, path = torch.tensor(-1.0, requires_grad=True), []
    optimizer = torch.optim.SGD([x], lr=0.05)
    for _ in range(60):
        path.append(clamp(x).item())
        optimizer.zero_grad()
        (clamp(x) - 1).abs().backward()
        optimizer.step()
    ax.plot(path, label=name)
ax.axhline(1, color="gray", linestyle=":")
ax.set(xlabel="step", ylabel="prediction, target 1")
ax.legend()

# %%
# The bundled crystals are insulators. To have crystals without a gap, 3 eV are taken off every gap here: a target made
# for this example.
structures, band_gap = load_dielectric(return_X_y=True)
crystals = SupercellFeaturizer(max_atoms=20).transform(structures[:360])
target = np.maximum(band_gap[:360] - 3, 0)
train, test = np.arange(360) % 2 == 0, np.arange(360) % 2 == 1
models = {
    clamp: SiteNetRegressor(clamp=clamp, max_epochs=12, random_state=0).fit(crystals[train], target[train])
    for clamp in (True, False)
}

# %%
# With the clamp, predictions of exactly 0 are possible. ``predict_raw`` has the numbers before it: they may be anything
# below zero, as nothing pulls them up.
figure, axes = plt.subplots(1, 2, sharex=True, sharey=True, layout="constrained", figsize=(8, 3.5))
for ax, (clamp, model) in zip(axes, models.items(), strict=True):
    ax.plot(target[test], model.predict_raw(crystals[test]), ".", label="predict_raw")
    ax.plot(target[test], model.predict(crystals[test]), ".", label="predict")
    ax.set(title=f"clamp={clamp}", xlabel="target (eV)")
axes[0].set_ylabel("predicted (eV)")
axes[0].legend()

# %%
# Errors of both, on all crystals and on those without a gap. The last row cuts off the predictions of the network that
# was trained without a clamp.
zero = target[test] == 0
predictions = {
    "clamp=True": models[True].predict(crystals[test]),
    "clamp=False": models[False].predict(crystals[test]),
    "clamp=False, cut off after training": np.maximum(models[False].predict(crystals[test]), 0),
}
pd.DataFrame(
    {
        "MAE (eV)": {name: mean_absolute_error(target[test], y) for name, y in predictions.items()},
        "MAE without gap (eV)": {name: np.abs(y[zero]).mean() for name, y in predictions.items()},
        "exactly 0": {name: f"{(y[zero] == 0).mean():.0%}" for name, y in predictions.items()},
    }
).round(2)

# %%
# A target that can be negative, such as a formation energy, needs ``clamp=False``: ``fit`` refuses it otherwise.
try:
    SiteNetRegressor().fit(crystals[train], target[train] - 1)
except ValueError as error:
    message = str(error)
message
