"""Training on more crystals than memory holds: time, memory, and two processes.

    OMP_NUM_THREADS=1 python tests/benchmarks/beyond_memory.py --n-crystals 1000000 --folder million

Makes a store of crystals: the bundled ones with the paper's features, each strained by up to 3 % many times, with every
second in other elements (sites keep their kinds, so that records stay what compression would give). Then it measures

- an epoch on crystals drawn at random from the store, through memory maps, against the same crystals in memory: with
  pages that the system keeps in its cache, and with pages that it has to read from the disk, one for every crystal and
  field;
- the memory of the process itself, without pages of files, while it trains one epoch, or for some minutes, on a tenth
  of the store, and on all of it;
- the losses of one process and of two that share every batch.
"""

import argparse
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import torch
from crystals import bundled

from sitenet_sklearn import RaggedCrystals, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.crystals import Crystal
from sitenet_sklearn.crystals.site_features import describe_sites
from sitenet_sklearn.crystals.store import concatenate_stores

MAX_ATOMS = 20
SMALL = {"site_dim": 8, "attention_hidden_layers": (16,), "post_pool_layers": (32,)}
"""A network that computes little for a crystal, so that reading counts as much as it can."""


def strained(X, seed):
    """Copy crystals with other distances, and every second with elements of the periodic table's next row or period."""
    rng = np.random.default_rng(seed)
    fields = {name: X.field(name) for name in Crystal._fields}
    stretch = rng.uniform(0.97, 1.03, len(X))
    fields["pair_distance"] = (fields["pair_distance"] * np.repeat(stretch, X.pair_sizes)).astype(np.float32)
    other = np.repeat(rng.random(len(X)) < 0.5, X.site_sizes)
    numbers = fields["atomic_numbers"] + np.where(other, rng.integers(0, 2), 0)
    fields["atomic_numbers"] = numbers.clip(1, 83).astype(np.int16)
    oxidation = fields["site_features"][:, X.site_feature_names.index("OxidationState")]
    described, _ = describe_sites(X.site_feature_names, fields["atomic_numbers"], oxidation)
    fields["site_features"] = described.astype(np.float32)
    offsets = [np.append(0, np.cumsum(sizes)) for sizes in (X.site_sizes, X.pair_sizes)]
    return RaggedCrystals(fields, *offsets, **X.metadata)


def make_store(path, n):
    """Write a store of about n crystals, unless it is there."""
    if path.is_dir():
        return
    X = SupercellFeaturizer.from_preset("paper", max_atoms=MAX_ATOMS, n_jobs=2).transform(bundled())
    folders = []
    for seed in range(-(-n // len(X))):
        folders.append(path.with_name(f"{path.name}.part{seed}"))
        if not folders[-1].is_dir():
            strained(X, seed).save(folders[-1])
    concatenate_stores(path, folders)


def target_of(X):
    """Make a target of every crystal: the number of its sites, with noise."""
    return X.primitive_sizes + np.random.default_rng(0).normal(0, 0.1, len(X))


def drop_pages(path):
    """Ask the system to forget what it keeps of files."""
    for file in path.glob("*.npy"):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def own_memory(pid):
    """MiB of a process without pages of files, 0 when it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def own_memory_while_training(path, rows, seconds):
    """Largest own memory, in MiB, of a process that trains on some rows for so long, and what became of its epoch."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=measure, args=(path, rows, "disk", SMALL, results))
    process.start()
    largest, end = 0.0, time.monotonic() + seconds
    while process.is_alive() and time.monotonic() < end:
        largest = max(largest, own_memory(process.pid))
        time.sleep(0.2)
    ended = not process.is_alive()
    process.kill()
    process.join()
    return largest, f"an epoch in {results.get()[0]:.0f} s" if ended else f"stopped after {seconds:.0f} s"


def measure(path, rows, where, parameters, results):
    """Train one epoch on some rows of the store, after a short one that warms up, and say how long it takes."""
    torch.set_num_threads(1)
    X = RaggedCrystals.open(path, verify=False)
    y = target_of(X)[rows]
    X = X[rows].compact() if where == "memory" else X[rows]
    model = SiteNetRegressor(max_epochs=1, batch_size=256, random_state=0, **parameters)
    model.fit(X[:2000], y[:2000])
    if where == "cache":
        X.compact()  # every page was read before
    else:
        drop_pages(path)
    start = time.perf_counter()
    model.fit(X, y)
    results.put((time.perf_counter() - start,))


def share(rank, n_processes, rendezvous, path, rows, results):
    """Train as one of several processes that share every batch."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=n_processes)
    X = RaggedCrystals.open(path, verify=False)
    y = target_of(X)[rows]
    start = time.perf_counter()
    model = SiteNetRegressor(max_epochs=5, batch_size=256, dropout=0.0, random_state=0).fit(X[rows], y)
    results.put((rank, model.history_[:, "train_loss"], time.perf_counter() - start))
    torch.distributed.destroy_process_group()


def in_process(function, *arguments, n=1):
    """Run a function in n new processes and return what they found, in order."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    ranks = [(rank, n) for rank in range(n)] if function is share else [()]
    processes = [context.Process(target=function, args=(*rank, *arguments, results)) for rank in ranks]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-crystals", type=int, default=1_000_000)
    parser.add_argument("--n-epoch", type=int, default=50_000, help="crystals of the epochs that are compared")
    parser.add_argument("--n-shared", type=int, default=2000, help="crystals of the processes that share batches")
    parser.add_argument("--seconds", type=float, default=180, help="how long to watch the memory")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--default-network", action="store_true", help="for the epochs, instead of a small one")
    parser.add_argument("--folder", type=Path, default=Path("million"))
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    path = options.folder / f"{options.n_crystals}.store"
    make_store(path, options.n_crystals)
    size = sum(file.stat().st_size for file in path.iterdir()) / 2**20
    X = RaggedCrystals.open(path, verify=False)
    print(f"{len(X):,} crystals, {size:.0f} MiB on the disk", flush=True)
    rows = np.random.default_rng(0).choice(len(X), min(options.n_epoch, len(X)), replace=False)
    times = {"memory": [], "cache": [], "disk": []}
    for _ in range(options.repeat):
        for where in times:
            times[where] += in_process(measure, path, rows, where, {} if options.default_network else SMALL)[0]
    print(f"epoch of {len(rows):,} random crystals:", flush=True)
    for where, seconds in times.items():
        print(f"{where:<8}{min(seconds):6.1f} s {min(seconds) / min(times['memory']) - 1:+.1%}", flush=True)
    for part in (slice(0, len(X) // 10), slice(0, len(X))):
        some = np.arange(len(X))[part]
        own, outcome = own_memory_while_training(path, some, options.seconds)
        print(f"training on {len(some):,} crystals: at most {own:.0f} MiB of its own, {outcome}", flush=True)
    few = rows[: options.n_shared]
    (_, one, alone), *_ = in_process(share, f"file://{options.folder.resolve()}/one", path, few)
    (_, two, together), *_ = in_process(share, f"file://{options.folder.resolve()}/two", path, few, n=2)
    for name, losses, seconds in (("one process", one, alone), ("two processes", two, together)):
        print(f"{name:<14}{seconds:6.1f} s, losses " + " ".join(f"{loss:.6f}" for loss in losses))
    for name in ("one", "two"):
        (options.folder / name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
