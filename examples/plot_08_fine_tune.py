"""
Fine-tuning
===========

If you know a property for few crystals only, start from a model that was fitted to other crystals or to another
property.
"""

# %%
# Many PBE band gaps are known, but few from better methods. None of these are bundled, so this example imitates them:
# 1.3 times the PBE gap plus 0.7 eV, with a scatter of 0.2 eV.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import mean_absolute_error

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, save_model
from sitenet_sklearn.datasets import load_dielectric

structures, pbe = load_dielectric(return_X_y=True)
crystals = SupercellFeaturizer(max_atoms=20).transform(structures)
random = np.random.default_rng(0)
better = 1.3 * pbe + 0.7 + random.normal(0, 0.2, len(pbe))
many, few, test = np.split(random.permutation(len(pbe))[:700], [500, 600])

# %%
# Train the parent on the PBE gaps of 500 crystals and save it with ``save_model``.
parent = SiteNetRegressor(max_epochs=10, random_state=0).fit(crystals[many], pbe[many])
file = Path(tempfile.mkdtemp()) / "pbe.safetensors"
save_model(parent, file)

# %%
# Train models for the better gaps on up to 90 other crystals, and test them on 100 that no model has seen. The target
# differs, so ``new_head=True`` starts the output layer and its standardisation afresh; ``frozen`` keeps parts fixed.
ways = {
    "random weights": {},
    "fine-tuned": {"pretrained": file, "new_head": True},
    "fine-tuned, blocks frozen": {
        "pretrained": file,
        "new_head": True,
        "frozen": ("embedding", "site_input", "blocks"),
    },
}
rows = []
for n in (10, 30, 90):
    for name, parameters in ways.items():
        for seed in (0, 1):
            train = np.random.default_rng(seed).choice(few, n, replace=False)
            model = SiteNetRegressor(max_epochs=8, random_state=seed, **parameters).fit(crystals[train], better[train])
            error = mean_absolute_error(better[test], model.predict(crystals[test]))
            rows.append({"crystals": n, "from": name, "MAE (eV)": error})
errors = pd.DataFrame(rows).pivot_table("MAE (eV)", "crystals", "from")[list(ways)]
errors.round(3)

# %%
# Plot the errors, averaged over two draws of the training crystals.
figure, ax = plt.subplots(layout="constrained")
for name in ways:
    ax.plot(errors.index, errors[name], "o-", label=name)
ax.set_xscale("log")
ax.set_xticks(errors.index, errors.index)
ax.minorticks_off()
ax.set(xlabel="crystals with a known better gap", ylabel="test MAE (eV)")
ax.legend()

# %%
# A parent trained on a less related property, or on other kinds of crystals, can help less or even harm. Always compare
# with random weights.
#
# In a search or in cross-validation, scikit-learn clones its estimators, and a clone of a model given as ``pretrained``
# is not fitted. Pass a path instead, or scikit-learn's ``FrozenEstimator(parent)``.
SiteNetRegressor(pretrained=file, new_head=True).get_params()["pretrained"].name
