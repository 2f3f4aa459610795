"""
Save and share a model
======================

A fitted pipeline as one file of numbers and words, which is safe to open wherever it comes from.
"""

# %%
# A small pipeline.
import json
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from safetensors import safe_open
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, load_model, save_model
from sitenet_sklearn.datasets import load_dielectric

structures, band_gap = load_dielectric(return_X_y=True)
pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), SiteNetRegressor(max_epochs=3, random_state=0))
pipeline.fit(structures[:100], band_gap[:100])

# %%
# Saved and loaded, it predicts the same, to the last bit.
folder = Path(tempfile.mkdtemp())
save_model(pipeline, folder / "gap.safetensors")
again = load_model(folder / "gap.safetensors")
bool((again.predict(structures[100:110]) == pipeline.predict(structures[100:110])).all())

# %%
# The file has a header in JSON: versions, parameters of every step, the shape of the network, the losses of training.
# It names no class that this library does not know, and holds no code.
with safe_open(folder / "gap.safetensors", "numpy") as file:
    header = json.loads(next(value for value in file.metadata().values() if value.startswith("{")))
    shapes = pd.Series({name: tuple(file.get_slice(name).get_shape()) for name in file.keys()})  # noqa: SIM118
header["versions"], [step[1]["class"] for step in header["model"]["steps"]]

# %%
# Behind it are the weights. Most numbers are those of the blocks and of the layers after pooling.
numbers = shapes.map(lambda shape: int(np.prod(shape)))
parts = numbers.groupby(shapes.index.str.split("[/.]", regex=True).str[1]).sum().sort_values()
figure, ax = plt.subplots(layout="constrained")
ax.barh(parts.index, parts)
ax.set(xlabel="numbers", title=f"{numbers.sum():,} numbers, {(folder / 'gap.safetensors').stat().st_size:,} bytes")

# %%
# A file that was altered or cut off is refused.
content = bytearray((folder / "gap.safetensors").read_bytes())
content[-1] ^= 1
(folder / "altered.safetensors").write_bytes(content)
try:
    load_model(folder / "altered.safetensors")
except ValueError as error:
    message = str(error).replace(str(folder), "...")
message

# %%
# ``joblib.dump`` keeps everything, also callbacks and steps of other packages. But such a file can run code when it is
# opened: take it from those you trust alone.
joblib.dump(pipeline, folder / "gap.joblib", compress=3)
{path.name: path.stat().st_size for path in sorted(folder.iterdir())}
