"""
Fine-tuning
===========

Begin from a network that was fitted to other crystals or to another property, where the property wanted is known for
few crystals only.
"""

# %%
# Many PBE band gaps are known, few of a better method. No such gaps are bundled, so they are imitated here: 1.3 times
# the PBE gap plus 0.7 eV, with a scatter of 0.2 eV.
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
# The parent learns PBE gaps of 500 crystals. A file of ``save_model`` keeps it.
parent = SiteNetRegressor(max_epochs=10, random_state=0).fit(crystals[many], pbe[many])
file = Path(tempfile.mkdtemp()) / "pbe.safetensors"
save_model(parent, file)

# %%
# Networks for the better gaps learn from up to 90 other crystals, and are tested on 100 that none has seen. As the
# target is another one, ``new_head=True`` begins the output and its standardisation anew; ``frozen`` leaves parts as
# they are.
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
# The same as a picture: means of two draws of the crystals to learn from.
figure, ax = plt.subplots(layout="constrained")
for name in ways:
    ax.plot(errors.index, errors[name], "o-", label=name)
ax.set_xscale("log")
ax.set_xticks(errors.index, errors.index)
ax.minorticks_off()
ax.set(xlabel="crystals with a known better gap", ylabel="test MAE (eV)")
ax.legend()

# %%
# A parent of a less related property, or of other kinds of crystals, can help less, or harm: compare with random
# weights.
#
# In a search or in cross-validation scikit-learn clones its estimators, which unfits a model given as ``pretrained``. A
# path stays what it is; ``FrozenEstimator(parent)`` of scikit-learn does too.
SiteNetRegressor(pretrained=file, new_head=True).get_params()["pretrained"].name
