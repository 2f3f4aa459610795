"""How fast the network trains and predicts, and how much memory it takes, against the paper's equations as written.

    python tests/benchmarks/network.py
    python tests/benchmarks/network.py --network default --max-atoms 50 --busy 1

The opponent concatenates bond vectors, compresses nothing and pads rows to one length (`tests/dense.py`). Both work on
the same crystals in the same batches, in turn, with one thread and with all; the time of a run is the shortest of its
repetitions. "forward" and "backward" are microseconds for a merged pair and all blocks, "products" the share of them
that matrix products alone take in one thread, "serial" the share outside tiles, where one thread works. Memory is what
a process of its own needs at its peak beyond what it holds before the first batch.
"""

import argparse
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from crystals import samples

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.network import SiteNet, collate, tiles
from sitenet_sklearn.network.batch import SiteBudgetSampler
from sitenet_sklearn.network.threads import threads_for_tiles
from sitenet_sklearn.network.tiles import CPU_TILE

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from dense import dense_site_net


def batches_of(structures, max_atoms, options, *, compress):
    """The same crystals in every batch, with or without compression."""
    X = SupercellFeaturizer.from_preset("paper", max_atoms=max_atoms, compress=compress).transform(structures)
    X = X[~X.oversized]
    rows = list(SiteBudgetSampler(X.primitive_sizes, options.batch_size))[: options.n_batches]
    return [collate(X[k]) for k in rows]


NETWORKS = {"paper": {}, "default": {"attention_hidden_layers": (64,), "coordination_radius": 5.0, "residual": True}}
PREDICTORS = {
    "dense": lambda network, batch: dense_site_net(network, batch)[0],
    "sitenet_sklearn": lambda network, batch: network.raw(batch),
}


def train(network, name, batches):
    """Train on some batches; give the seconds of forward and backward passes."""
    times = np.zeros(2)
    for batch in batches:
        network.zero_grad()
        start = time.perf_counter()
        total = PREDICTORS[name](network, batch).sum()
        between = time.perf_counter()
        total.backward()
        times += between - start, time.perf_counter() - between
    return times


def infer(network, name, batches):
    """Predict some batches; give the seconds of forward passes, and none of others."""
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in batches:
            PREDICTORS[name](network, batch)
    return np.array([time.perf_counter() - start, 0.0])


TASKS = {"train": train, "predict": infer}


class TileClock:
    """Adds up the seconds inside tiles: what `map_in_threads` takes."""

    def __init__(self):
        self.total, self.map_in_threads = 0.0, tiles.map_in_threads
        tiles.map_in_threads = self

    def __call__(self, *arguments):
        start = time.perf_counter()
        try:
            return self.map_in_threads(*arguments)
        finally:
            self.total += time.perf_counter() - start

    def time(self, run, *arguments):
        """Seconds of forward passes, of backward passes, and inside tiles."""
        self.total = 0.0
        return np.array([*run(*arguments), self.total])


CLOCK = TileClock()


def seconds(function, *arguments, **options):
    start = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - start


def compare(batches, n_threads, options):
    """Seconds forward, backward and inside tiles by task and network, from the fastest repetition."""
    network, found = SiteNet(**NETWORKS[options.network]), {}
    for task, run in TASKS.items():
        times = {name: [] for name in batches}
        for _ in range(options.repeats):
            for name in batches:
                torch.set_num_threads(n_threads)
                with nullcontext() if name == "dense" else threads_for_tiles():
                    times[name].append(CLOCK.time(run, network, name, batches[name]))
        found[task] = {name: min(values, key=lambda value: value[:2].sum()) for name, values in times.items()}
    return found


@contextmanager
def busy_processes(number):
    """Keep as many other processes busy."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for other in others:
            other.kill()


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
    command += ["--network", options.network, "--memory-of", data, str(max_atoms), task, name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_own_memory(options):
    data, max_atoms, task, name = options.memory_of
    structures = dict(chosen(options))[data]
    batch = batches_of(structures, int(max_atoms), options, compress=name != "dense")[:1]
    network = SiteNet(**NETWORKS[options.network])
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


def products_of(network):
    """Microseconds that the matrix products of a pair take, in the forward and in the backward pass of all blocks."""
    total = np.zeros(2)
    for block in network.blocks:
        inner, n = block.input_widths[2], CPU_TILE
        outer = sum(block.output_widths)
        x, weight, bond = torch.randn(n, inner), torch.randn(inner, outer), torch.randn(n, outer)
        shapes = (x, weight, bond), (bond, weight.T, x), (bond.T, x, weight.T.contiguous())
        product, back, of_weight = (min(seconds(torch.mm, a, b, out=c) for _ in range(100)) for a, b, c in shapes)
        total += np.array([product, back + of_weight]) / n * 1e6
    return total


def print_rows(data, structures, max_atoms, options):
    batches = {name: batches_of(structures, max_atoms, options, compress=name != "dense") for name in PREDICTORS}
    n_pairs = {name: sum(len(batch.pair_site) for batch in batches[name]) for name in batches}
    n_crystals, merged = sum(len(batch) for batch in batches["dense"]), n_pairs["dense"] / n_pairs["sitenet_sklearn"]
    memory = {task: [peak_memory(data, max_atoms, task, name, options) for name in batches] for task in TASKS}
    torch.set_num_threads(1)
    products = products_of(SiteNet(**NETWORKS[options.network]))
    for n_threads in options.threads:
        with busy_processes(options.busy):
            found = compare(batches, n_threads, options)
        for task, times in found.items():
            dense, ours = (times[name][:2].sum() for name in batches)
            forward, backward, inside = times["sitenet_sklearn"] / n_pairs["sitenet_sklearn"] * 1e6
            share = (products.sum() if task == "train" else products[0]) / (forward + backward)
            print(
                f"{data:10s} {max_atoms:5d} {n_threads:7d} {task:8s} {merged:6.2f} {n_crystals / dense:8.1f} "
                f"{n_crystals / ours:8.1f} {dense / ours:6.1f} {forward:8.2f} {backward:9.2f} {share:8.0%} "
                f"{1 - inside / (forward + backward):6.0%} {memory[task][0]:8.0f} {memory[task][1]:7.0f}",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="paper")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, torch.get_num_threads()}))
    parser.add_argument("--busy", type=int, default=0, help="other processes to keep busy meanwhile")
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
    print(f"network of {options.network}, torch {torch.__version__}, {options.busy} other busy processes")
    print(
        "data set   atoms threads task     merged  dense/s   ours/s  ratio  forward  backward products serial "
        "dense MB ours MB"
    )
    for data, structures in chosen(options):
        for max_atoms in options.max_atoms:
            print_rows(data, structures, max_atoms, options)


if __name__ == "__main__":
    main()
