"""What a crystal costs by the number of atoms and of crystals in a batch.

    OMP_NUM_THREADS=2 python tests/benchmarks/scaling.py docs/images/scaling.png

Random dielectric crystals. A row for every size: pairs a crystal, milliseconds a crystal to train and to predict; then
for batches of 1 to 64 crystals at 100 atoms. Both are drawn into the file.
"""

import argparse
import time

import matplotlib.pyplot as plt
import numpy as np
import torch

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.network import SiteNet, collate

ATOMS = (50, 100, 200, 500, 1000, 2000)
CRYSTALS = (1, 2, 4, 8, 16, 32, 64)


def milliseconds(network, batches, *, train):
    """Shortest of three times of a crystal."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        for batch in batches:
            if train:
                network(batch).sum().backward()
            else:
                with torch.inference_mode():
                    network(batch)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times) / sum(len(batch) for batch in batches)


def measure(X, n_in_batch):
    network = SiteNet()
    batches = [collate(X[k : k + n_in_batch]) for k in range(0, len(X), n_in_batch)]
    pairs = sum(len(batch.pair_site) for batch in batches) / len(X)
    return pairs, *(milliseconds(network, batches, train=train) for train in (True, False))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure")
    parser.add_argument("--n-crystals", type=int, default=64)
    options = parser.parse_args()
    chosen = np.random.default_rng(0).choice(1056, options.n_crystals, replace=False)
    structures = [load_dielectric().data[k] for k in chosen]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=False, layout="constrained")
    print("atoms  pairs a crystal  train ms  predict ms")
    rows = []
    for max_atoms in ATOMS:
        rows.append(measure(SupercellFeaturizer.from_preset("paper", max_atoms=max_atoms).transform(structures), 16))
        print(f"{max_atoms:5d} {rows[-1][0]:16.0f} {rows[-1][1]:9.2f} {rows[-1][2]:11.2f}", flush=True)
    for k, name in ((1, "training"), (2, "prediction")):
        axes[0].loglog(ATOMS, [row[k] for row in rows], "o-", label=name)
    axes[0].set(xlabel="atoms in the supercell (max_atoms)", ylabel="time a crystal (ms)")
    axes[0].legend()
    print("crystals in a batch  train ms  predict ms")
    X, rows = SupercellFeaturizer.from_preset("paper", max_atoms=100).transform(structures), []
    for n_in_batch in CRYSTALS:
        rows.append(measure(X, n_in_batch))
        print(f"{n_in_batch:19d} {rows[-1][1]:9.2f} {rows[-1][2]:11.2f}", flush=True)
    for k, name in ((1, "training"), (2, "prediction")):
        axes[1].loglog(CRYSTALS, [row[k] for row in rows], "o-", label=name)
    axes[1].set(xlabel="crystals in a batch (100 atoms)", ylabel="time a crystal (ms)")
    figure.savefig(options.figure, dpi=110)


if __name__ == "__main__":
    main()
