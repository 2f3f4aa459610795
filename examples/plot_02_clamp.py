"""
Why predictions are clamped
===========================

A band gap is never negative, and that of a metal is exactly 0. With ``clamp=True`` negative outputs of the network
become zero, both in the loss and in predictions.
"""

# %%
# An ordinary clamp, ``max(x, 0)``, has no gradient below zero, so a negative output stays negative. The clamp of
# Site-Net passes the gradient through unchanged ("straight through"). Train one number from -1 towards 1:
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
# The bundled crystals are insulators. To get crystals without a gap, subtract 3 eV from every gap and set negative
# values to 0. This target is made up for the example.
structures, band_gap = load_dielectric(return_X_y=True)
crystals = SupercellFeaturizer(max_atoms=20).transform(structures[:360])
target = np.maximum(band_gap[:360] - 3, 0)
train, test = np.arange(360) % 2 == 0, np.arange(360) % 2 == 1
models = {
    clamp: SiteNetRegressor(clamp=clamp, max_epochs=12, random_state=0).fit(crystals[train], target[train])
    for clamp in (True, False)
}

# %%
# With the clamp, predictions can be exactly 0. ``predict_raw`` gives the outputs before the clamp, which can lie
# anywhere below zero because nothing pulls them up.
figure, axes = plt.subplots(1, 2, sharex=True, sharey=True, layout="constrained", figsize=(8, 3.5))
for ax, (clamp, model) in zip(axes, models.items(), strict=True):
    ax.plot(target[test], model.predict_raw(crystals[test]), ".", label="predict_raw")
    ax.plot(target[test], model.predict(crystals[test]), ".", label="predict")
    ax.set(title=f"clamp={clamp}", xlabel="target (eV)")
axes[0].set_ylabel("predicted (eV)")
axes[0].legend()

# %%
# Compare the errors on all crystals and on those without a gap. The last row clips the predictions of the model trained
# without a clamp.
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
# For targets that can be negative, such as formation energies, set ``clamp=False``; otherwise ``fit`` raises an error.
try:
    SiteNetRegressor().fit(crystals[train], target[train] - 1)
except ValueError as error:
    message = str(error)
message
