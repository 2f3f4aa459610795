"""How far this library is from the published network, on the published weights and inputs.

    python tests/benchmarks/parity.py FOLDER

The folder holds `reference_checkpoint.ckpt` and `reference_io.npz`. A row for every output: its largest difference in
single and double precision, compressed or not, and what is allowed.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from sitenet_sklearn import RaggedCrystals, load_reference_checkpoint
from sitenet_sklearn.network import collate

ALLOWED = {torch.float32: 1e-4, torch.float64: 1e-5}


def outputs(network, batch, cutoff):
    """Every published output of a batch."""
    yield "prediction", network.raw(batch)
    yield "global_vector", network.global_vector(batch)
    for k, weights in enumerate(network.attention(batch)):
        yield f"attention_block{k}", weights
    for block in network.blocks:
        block.cutoff = cutoff
    yield "prediction_cutoff", network.raw(batch)


def main(folder):
    expected = np.load(folder / "reference_io.npz")
    columns = [[expected[f"c{k}_{name}"] for k in range(10)] for name in ("atomic_number", "distance", "images")]
    oxidation = [expected[f"c{k}_oxidation"].ravel() for k in range(10)]
    print("output               precision  compressed  largest difference  allowed")
    for dtype, allowed in ALLOWED.items():
        for compress in (False, True):
            network = load_reference_checkpoint(folder / "reference_checkpoint.ckpt").net_.module_.eval().to(dtype)
            X = RaggedCrystals.from_distances(*columns, oxidation, compress=compress)
            with torch.inference_mode():
                for name, values in outputs(network, collate(X, dtype), float(expected["cutoff"])):
                    if name.startswith("attention"):
                        if compress:
                            continue  # has a row for every merged pair
                        wanted = np.concatenate([expected[f"c{k}_{name}"].reshape(-1, 3) for k in range(10)])
                    else:
                        wanted = expected[name]
                    difference = np.abs(values.numpy() - wanted).max()
                    print(f"{name:20s} {str(dtype)[6:]:10s} {compress!s:11s} {difference:18.1e}  {allowed:.0e}")
                    assert difference < allowed


if __name__ == "__main__":
    main(Path(sys.argv[1]))
