"""How fast the network trains and predicts, and how much memory it takes, against the paper's equations as written.

    OMP_NUM_THREADS=2 python tests/benchmarks/network.py

The opponent concatenates bond vectors, compresses nothing and pads rows to one length (`tests/dense.py`). Both work on
the same crystals in the same batches, in turn; the time of a run is the shortest of its repetitions. Memory is what a
process of its own needs at its peak beyond what it holds before the first batch. Then come two floors: the time that
the matrix products of a pair take at the rate of this machine, and that of a single pass over its bond.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch
from crystals import samples

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.network import SiteNet, collate
from sitenet_sklearn.network.batch import SiteBudgetSampler
from sitenet_sklearn.network.tiles import CPU_TILE

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from dense import dense_site_net


def batches_of(structures, max_atoms, options, *, compress):
    """The same crystals in every batch, with or without compression."""
    X = SupercellFeaturizer.from_preset("paper", max_atoms=max_atoms, compress=compress).transform(structures)
    X = X[~X.oversized]
    rows = list(SiteBudgetSampler(X.primitive_sizes, options.batch_size))[: options.n_batches]
    return [collate(X[k]) for k in rows]


PREDICTORS = {
    "dense": lambda network, batch: dense_site_net(network, batch)[0],
    "sitenet_sklearn": lambda network, batch: network.raw(batch),
}


def train(network, name, batches):
    for batch in batches:
        network.zero_grad()
        PREDICTORS[name](network, batch).sum().backward()


def infer(network, name, batches):
    with torch.inference_mode():
        for batch in batches:
            PREDICTORS[name](network, batch)


TASKS = {"train": train, "predict": infer}


def seconds(function, *arguments, **options):
    start = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - start


def compare(batches, options):
    """Crystals per second by task and network."""
    network = SiteNet()
    rates = {}
    for task, run in TASKS.items():
        times = {name: [] for name in batches}
        for _ in range(options.repeats):
            for name in batches:
                times[name].append(seconds(run, network, name, batches[name]))
        n_crystals = sum(len(batch) for batch in batches["dense"])
        rates[task] = {name: n_crystals / min(values) for name, values in times.items()}
    return rates


def peak_memory(data, max_atoms, task, name, options):
    """Megabytes that a process of its own needs for one batch."""
    command = [
        sys.executable,
        __file__,
        "--n-crystals",
        str(options.n_crystals),
        "--batch-size",
        str(options.batch_size),
    ]
    command += ["--memory-of", data, str(max_atoms), task, name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_own_memory(options):
    data, max_atoms, task, name = options.memory_of
    structures = dict(chosen(options))[data]
    batch = batches_of(structures, int(max_atoms), options, compress=name != "dense")[:1]
    network = SiteNet()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again at what is held now
    before = peak_kilobytes()
    TASKS[task](network, name, batch)
    print((peak_kilobytes() - before) / 1024)


def peak_kilobytes():
    """Highest resident memory of this process, on Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def chosen(options):
    for name, structures in samples(options.n_crystals):
        step = max(1, len(structures) // options.n_crystals)
        yield name, structures[::step][: options.n_crystals]


def print_floors():
    """Microseconds a pair and block, of the products and of one pass over the bond."""
    n = CPU_TILE * torch.get_num_threads()
    x, weight, bond, gradient = torch.randn(n, 48), torch.randn(48, 303), torch.randn(n, 303), torch.zeros(303, 48)
    product = min(seconds(torch.mm, x, weight, out=bond) for _ in range(200))
    back = min(seconds(torch.mm, bond, weight.T, out=x) for _ in range(200))
    of_weight = min(seconds(torch.mm, bond.T, x, out=gradient) for _ in range(200))
    one_pass = min(seconds(bond.clamp_, -1.0, 1.0) for _ in range(200))
    for task, total in (("predict", product), ("train", 2 * product + back + of_weight)):
        print(f"floor of a pair and block, {task}: matrix products {total / n * 1e6:.2f} us")
    print(f"matrix rate {2 * n * 48 * 303 / product / 1e9:.0f} GFLOP/s")
    rate = 2 * bond.nbytes / one_pass / 1e9
    print(f"one pass over the bonds of a tile {one_pass / n * 1e6:.3f} us a pair, {rate:.0f} GB/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-crystals", type=int, default=240)
    parser.add_argument("--n-batches", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=1200)
    parser.add_argument("--max-atoms", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-of", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print_own_memory(options)
        return
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    print_floors()
    print(
        "data set    atoms  task      pairs merged   dense /s    ours /s   ratio   us/pair   dense MB   ours MB   ratio"
    )
    for data, structures in chosen(options):
        for max_atoms in options.max_atoms:
            batches = {
                name: batches_of(structures, max_atoms, options, compress=name != "dense") for name in PREDICTORS
            }
            n_pairs = {name: sum(len(batch.pair_site) for batch in batches[name]) for name in batches}
            n_crystals = sum(len(batch) for batch in batches["dense"])
            for task, rates in compare(batches, options).items():
                dense, ours = rates["dense"], rates["sitenet_sklearn"]
                merged = n_pairs["dense"] / n_pairs["sitenet_sklearn"]
                per_pair = n_crystals / ours / n_pairs["sitenet_sklearn"] * 1e6
                memory = [peak_memory(data, max_atoms, task, name, options) for name in rates]
                print(
                    f"{data:10s} {max_atoms:6d}  {task:8s} {merged:13.2f} {dense:10.1f} {ours:10.1f} "
                    f"{ours / dense:7.1f} {per_pair:9.2f} {memory[0]:10.0f} {memory[1]:9.0f} "
                    f"{memory[0] / memory[1]:7.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
