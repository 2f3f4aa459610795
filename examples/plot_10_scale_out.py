"""
More crystals than memory holds
===============================

Featurize straight to disk, train from a memory map, predict chunk by chunk, and share the work among processes.
"""

# %%
# A store is a folder of flat arrays, written chunk by chunk. If the process is killed, the same call resumes. Here 500
# crystals stand in for millions.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import (
    RaggedCrystals,
    SiteNetRegressor,
    SupercellFeaturizer,
    featurize_to_store,
    predict_in_chunks,
)
from sitenet_sklearn.datasets import load_dielectric

structures, band_gap = load_dielectric(return_X_y=True)
structures, band_gap = structures[:500], band_gap[:500]
path = Path(tempfile.mkdtemp()) / "crystals.store"
featurizer = SupercellFeaturizer(max_atoms=50)
featurize_to_store(featurizer, (structure for structure in structures), path, chunk_size=100)

# %%
# An opened store needs almost no memory: arrays stay on disk until they are read. Checksums are verified on opening.
crystals = RaggedCrystals.open(path)
type(crystals.field("pair_distance").base).__name__, crystals

# %%
# Pairs take most of the space on disk, so ``max_atoms`` decides the size.
sizes = pd.Series({file.stem: file.stat().st_size / len(crystals) for file in path.glob("*.npy")}).sort_values()
figure, ax = plt.subplots(layout="constrained")
ax.barh(sizes.index, sizes)
ax.set(xlabel="bytes a crystal")

# %%
# Rows of the store are views. Training reads the batches it needs.
half = np.arange(len(crystals)) % 2 == 0
model = SiteNetRegressor(max_epochs=6, random_state=0).fit(crystals[half], band_gap[half])

# %%
# ``predict_in_chunks`` takes a store, or for a pipeline a generator of structures. It keeps one chunk in memory.
of_store = predict_in_chunks(model, crystals[~half], chunk_size=100)
pipeline = make_pipeline(featurizer, model)
others = (structure for structure, known in zip(structures, half, strict=True) if not known)
of_generator = predict_in_chunks(pipeline, others, chunk_size=100)
figure, ax = plt.subplots(layout="constrained")
ax.plot(band_gap[~half], of_store, ".")
ax.axline((0, 0), slope=1, color="gray")
ax.set(xlabel="band gap (eV)", ylabel="predicted (eV)")
ax.set_title(f"largest difference between the two ways {np.abs(of_store - of_generator).max():.1e} eV")

# %%
# To use several processes, set ``n_jobs``. Chunks are then featurized in parallel through joblib, on this machine or on
# the active backend, for example a Dask cluster::
#
#     from dask.distributed import Client
#
#     with Client("scheduler:8786"), joblib.parallel_config(backend="dask"):
#         crystals = SupercellFeaturizer(n_jobs=-1).transform(structures)
#         scores = cross_val_score(model, crystals, y, n_jobs=5)
#
# ``sitenet_sklearn.tuning.launch_workers`` starts one process per GPU.
