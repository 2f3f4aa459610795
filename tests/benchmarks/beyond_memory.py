"""Train from a store that is larger than memory should be: how much memory, and how much slower than from memory.

    OMP_NUM_THREADS=1 python tests/benchmarks/beyond_memory.py STORE --n-crystals 1000000

Makes the store, unless it is there, from the bundled formation energies: featurized once with 20 atoms, then repeated
with all distances strained by up to 5 % and elements exchanged for their neighbours in the periodic table. Then it
trains twice on the same crystals in the same order, chosen at random: from the store, whose files are not in memory
when training begins (where Linux and the permissions allow it), and from a copy in memory. Memory is what belongs to
the process alone; pages of files, which the system may take back at any time, are not part of it.
"""

import argparse
import os
import pickle
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from skorch.callbacks import Callback

from sitenet_sklearn import RaggedCrystals, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.crystals.store import concatenate_stores
from sitenet_sklearn.datasets import load_formation_energy


def changed(X, random):
    """The same crystals strained, with other elements."""
    strain = np.repeat(random.uniform(0.95, 1.05, len(X)).astype(np.float32), X.pair_sizes)
    numbers = X.field("atomic_numbers")
    fields = {name: X.field(name) for name in X[0]._fields}
    fields["pair_distance"] = fields["pair_distance"] * strain
    fields["atomic_numbers"] = np.clip(numbers + random.integers(-1, 2, len(numbers)), 1, 94).astype(numbers.dtype)
    offsets = (np.concatenate([[0], np.cumsum(sizes)]) for sizes in (X.site_sizes, X.pair_sizes))
    return RaggedCrystals(fields, *offsets, **X.metadata)


def make_store(path, n_crystals):
    """Write the store, a part for every repetition."""
    featurizer = SupercellFeaturizer(20, on_error="mask")
    X = featurizer.fit_transform(load_formation_energy().data).compact()
    X, random, parts = X[X.valid].compact(), np.random.default_rng(0), path.with_name(f"{path.name}.parts")
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir()
    folders = [parts / str(k) for k in range(-(-n_crystals // len(X)))]
    for k, folder in enumerate(folders):
        changed(X[: n_crystals - k * len(X)].compact(), random).save(folder)
    concatenate_stores(path, folders)
    shutil.rmtree(parts)


def drop_pages(path):
    """Ask Linux to forget the pages of the files of a store."""
    for file in path.iterdir():
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Memory:
    """Highest memory of this process alone, in MiB, while it is open."""

    def __enter__(self):
        self.peak, self.before, self.ended = 0.0, self.now(), threading.Event()
        self.watch = threading.Thread(target=self.look, daemon=True)
        self.watch.start()
        return self

    def look(self):
        while not self.ended.wait(0.05):
            self.peak = max(self.peak, self.now() - self.before)

    def now(self):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

    def __exit__(self, *_):
        self.ended.set()
        self.watch.join()


class StopAfter(Callback):
    """Ends training after some batches, and keeps the time from the first to the last of them."""

    def __init__(self, n_batches):
        self.n_batches, self.times = n_batches, []

    def on_batch_end(self, _, *, training=False, **__):
        self.times.append(time.perf_counter())
        if training and len(self.times) > self.n_batches:
            raise KeyboardInterrupt


def train(X, y, n_batches):
    """Crystals per second over some batches, and the loss of the last one."""
    stop = StopAfter(n_batches)
    model = SiteNetRegressor(max_epochs=1, clamp=False, random_state=0, callbacks=[("stop", stop)], warm_start=True)
    with suppress(KeyboardInterrupt):
        model.fit(X, y)
    batches = model.net_.history[-1]["batches"][1 : n_batches + 1]
    n = sum(batch["train_batch_size"] for batch in batches)
    return n / (stop.times[n_batches] - stop.times[0]), batches[-1]["train_loss"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--n-crystals", type=int, default=1_000_000)
    parser.add_argument("--n-batches", type=int, default=100)
    parser.add_argument("--n-chosen", type=int, default=20_000, help="crystals of the store to compare memory with")
    options = parser.parse_args()
    if not options.store.is_dir():
        start = time.perf_counter()
        make_store(options.store, options.n_crystals)
        print(f"made in {time.perf_counter() - start:.0f} s")
    size = sum(file.stat().st_size for file in options.store.iterdir()) / 2**30
    with Memory() as memory:
        start = time.perf_counter()
        X = RaggedCrystals.open(options.store)
        print(f"{X}, {size:.1f} GiB, opened in {time.perf_counter() - start:.0f} s, {memory.now():.0f} MiB of its own")
    y = np.random.default_rng(0).normal(size=len(X))
    drop_pages(options.store)
    with Memory() as memory:
        rate, _ = train(X, y, options.n_batches)
    print(f"all of it: {rate:.0f} crystals/s, {memory.peak:.0f} MiB more")
    rows = np.random.default_rng(1).permutation(len(X))[: options.n_chosen]
    drop_pages(options.store)
    with Memory() as memory:
        stored = train(X[rows], y[rows], options.n_batches)
    print(f"{len(rows)} of it, from the store: {stored[0]:.0f} crystals/s, {memory.peak:.0f} MiB more")
    copy = pickle.loads(pickle.dumps(X[rows]))
    held = train(copy, y[rows], options.n_batches)
    print(f"the same from memory: {held[0]:.0f} crystals/s; loss of the last batch {stored[1]:.6f} and {held[1]:.6f}")


if __name__ == "__main__":
    main()
