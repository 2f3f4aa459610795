"""
Fine-tuning
===========

Begin from a network that was fitted to other crystals, or to another property. It helps where the property wanted is
known for few crystals only.
"""

# %%
# A parent that has seen band gaps of every kind of crystal but oxides.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import mean_absolute_error

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, save_model
from sitenet_sklearn.datasets import load_dielectric

structures, band_gap = load_dielectric(return_X_y=True)
crystals = SupercellFeaturizer(max_atoms=20).transform(structures)
oxide = np.array(["O" in structure.composition for structure in structures])
others = np.flatnonzero(~oxide)[::2]
parent = SiteNetRegressor(max_epochs=8, random_state=0).fit(crystals[others], band_gap[others])
file = Path(tempfile.mkdtemp()) / "no_oxides.safetensors"
save_model(parent, file)
len(others), oxide.sum()

# %%
# Few oxides to learn from, and 100 others to test on. ``frozen`` leaves parts of the network as they are.
oxides, gaps = crystals[oxide], band_gap[oxide]
pool, test = np.split(np.random.default_rng(0).permutation(len(gaps)), [-100])
ways = {
    "random weights": {},
    "fine-tuned": {"pretrained": file},
    "fine-tuned, blocks frozen": {"pretrained": file, "frozen": ("embedding", "site_input", "blocks")},
}
rows = []
for n in (10, 30, 90):
    for name, parameters in ways.items():
        for seed in (0, 1):
            train = np.random.default_rng(seed).choice(pool, n, replace=False)
            model = SiteNetRegressor(max_epochs=8, random_state=seed, **parameters).fit(oxides[train], gaps[train])
            error = mean_absolute_error(gaps[test], model.predict(oxides[test]))
            rows.append({"oxides": n, "from": name, "MAE (eV)": error})
errors = pd.DataFrame(rows).pivot_table("MAE (eV)", "oxides", "from")[list(ways)]
errors.round(3)

# %%
# The same as a picture, beside the parent as it is.
figure, ax = plt.subplots(layout="constrained")
for name in ways:
    ax.plot(errors.index, errors[name], "o-", label=name)
ax.axhline(mean_absolute_error(gaps[test], parent.predict(oxides[test])), color="gray", linestyle=":", label="parent")
ax.set_xscale("log")
ax.set_xticks(errors.index, errors.index)
ax.minorticks_off()
ax.set(xlabel="oxides to learn from", ylabel="test MAE of oxides (eV)")
ax.legend()

# %%
# For another property add ``new_head=True``: the output begins anew, and the target is standardised anew. In a search
# or in cross-validation scikit-learn clones its estimators, which unfits a model given as ``pretrained``. A path stays
# what it is; ``FrozenEstimator(parent)`` of scikit-learn does too.
SiteNetRegressor(pretrained=file, new_head=True, clamp=False).get_params()["pretrained"].name
