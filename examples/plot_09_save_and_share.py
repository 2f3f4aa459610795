"""
Save and share a model
======================

Save a fitted pipeline in one file of numbers and text, which is safe to open wherever it comes from.
"""

# %%
# Train a small pipeline.
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
# After saving and loading, predictions are the same to the last bit.
folder = Path(tempfile.mkdtemp())
save_model(pipeline, folder / "gap.safetensors")
again = load_model(folder / "gap.safetensors")
bool((again.predict(structures[100:110]) == pipeline.predict(structures[100:110])).all())

# %%
# The file begins with a JSON header: versions, the parameters of every step, the architecture of the network and the
# training losses. It names only classes of this library and scikit-learn's ``Pipeline``, and contains no code.
with safe_open(folder / "gap.safetensors", "numpy") as file:
    header = json.loads(next(value for value in file.metadata().values() if value.startswith("{")))
    shapes = pd.Series({name: tuple(file.get_slice(name).get_shape()) for name in file.keys()})  # noqa: SIM118
header["versions"], [step[1]["class"] for step in header["model"]["steps"]]

# %%
# The weights follow. Most of them belong to the blocks and to the layers after pooling.
numbers = shapes.map(lambda shape: int(np.prod(shape)))
parts = numbers.groupby(shapes.index.str.split("[/.]", regex=True).str[1]).sum().sort_values()
figure, ax = plt.subplots(layout="constrained")
ax.barh(parts.index, parts)
ax.set(xlabel="numbers", title=f"{numbers.sum():,} numbers, {(folder / 'gap.safetensors').stat().st_size:,} bytes")

# %%
# A file that was altered or cut off is rejected.
content = bytearray((folder / "gap.safetensors").read_bytes())
content[-1] ^= 1
(folder / "altered.safetensors").write_bytes(content)
try:
    load_model(folder / "altered.safetensors")
except ValueError as error:
    message = str(error).replace(str(folder), "...")
message

# %%
# ``joblib.dump`` saves everything, including callbacks and steps from other packages. But a joblib file can run code
# when you open it, so open only files from people you trust.
joblib.dump(pipeline, folder / "gap.joblib", compress=3)
{path.name: path.stat().st_size for path in sorted(folder.iterdir())}
