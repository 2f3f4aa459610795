"""Try what must not happen, thousands of times: crashes, hangs, lost work, memory that grows.

    python tests/benchmarks/soak.py fuzz --cases 2000
    python tests/benchmarks/soak.py kills --kills 20
    python tests/benchmarks/soak.py interrupts --kills 100
    python tests/benchmarks/soak.py bombs
    python tests/benchmarks/soak.py memory

`fuzz` hands in random crystals, damaged files, stores, models and command lines, each case in a process with limited
memory and time, and lists the seed of every case that ends in anything but a result or a documented error; `--only
KIND --seed N --cases 1` repeats it. `kills` ends processes with SIGKILL at random moments, starts them again and
compares with work that nobody disturbed, a search trial by trial; `interrupts` does the same with Ctrl-C, which must
never pass for success. `bombs` opens small files that state or hold too much, each in a process of its own, and
measures what their refusal costs. `memory` trains and predicts again and again. The exit code is 0 if nothing was
found.
"""

import argparse
import contextlib
import multiprocessing
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import optuna
import torch
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bombs import BOMBS, MEBIBYTES
from bombs import SECONDS as BOMB_SECONDS
from fuzzing import KINDS, make_material, run_case

from sitenet_sklearn import (
    SiteNetRegressor,
    SupercellFeaturizer,
    featurize_to_store,
    load_model,
    predict_in_chunks,
    save_model,
)
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.tuning import tune
from sitenet_sklearn.tuning.studies import as_storage

CONTEXT = multiprocessing.get_context("fork")
SECONDS = 300
MEMORY = 4 * 2**30
TINY = {"site_dim": 3, "attention_hidden_layers": (4,), "random_state": 0, "device": "cpu"}


def memory_of(name):
    """A figure of this process in MiB: VmRSS now, VmHWM at most."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def forget_peak():
    """Begin to measure the peak of memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def silence():
    """Let nothing that this process writes be seen, whoever writes it."""
    warnings.simplefilter("ignore")
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)


def try_cases(kind, seeds, material, pipe):
    """Run cases one after the other and say before and after each what happens; ends in a process of its own."""
    os.chdir(material.folder)
    silence()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for seed in seeds:
        pipe.send(("begin", seed))
        forget_peak()
        before, start = memory_of("VmRSS"), time.process_time()
        try:
            outcome = run_case(kind, seed, material)
        except BaseException as error:  # noqa: BLE001 - that is what we look for
            where = traceback.extract_tb(error.__traceback__)[-1]
            outcome = f"{type(error).__name__}: {error!s:.150} ({Path(where.filename).name}:{where.lineno})"
        pipe.send(("end", outcome, time.process_time() - start, memory_of("VmHWM") - before))


def fuzz_kind(kind, first, n, material):
    """Try n cases of a kind and print what came of them; return the number of crashes and hangs."""
    outcomes, crashes, slowest, largest = Counter(), {}, (0.0, first), (0.0, first)
    seed, stop = first, first + n
    while seed < stop:
        ours, theirs = CONTEXT.Pipe(duplex=False)
        child = CONTEXT.Process(target=try_cases, args=(kind, range(seed, stop), material, theirs))
        child.start()
        theirs.close()
        with contextlib.suppress(EOFError):
            while seed < stop:
                ours.recv()
                if not ours.poll(SECONDS):
                    crashes[seed] = f"no end after {SECONDS} s"
                    break
                _, outcome, seconds, memory = ours.recv()
                outcomes[outcome if outcome in {"result", "refused"} else "crash"] += 1
                if outcome not in {"result", "refused"}:
                    crashes[seed] = outcome
                slowest, largest, seed = max(slowest, (seconds, seed)), max(largest, (memory, seed)), seed + 1
        child.kill()
        child.join()
        if seed < stop:  # the child died, or was killed
            crashes.setdefault(seed, f"the process ended with {child.exitcode}")
            seed += 1
    print(
        f"{kind:<11} {n:6} cases {outcomes['result']:6} results {outcomes['refused']:6} refused {len(crashes):3} "
        f"crashes  slowest {slowest[0]:5.1f} s of CPU ({slowest[1]})  most memory {largest[0]:5.0f} MiB ({largest[1]})",
        flush=True,
    )
    for number, reason in crashes.items():
        print(f"    seed {number}: {reason}", flush=True)
    return len(crashes)


def fuzz(options):
    """Try all kinds."""
    with tempfile.TemporaryDirectory() as folder:
        material = make_material(Path(folder))
        return sum(fuzz_kind(kind, options.seed, options.cases, material) for kind in options.only or KINDS)


def open_bomb(name, folder, pipe):
    """Open a bomb, and say what it ended in, after how many seconds of CPU time and with how much more memory."""
    make, message = BOMBS[name]
    open_it = make(Path(folder))
    silence()
    forget_peak()
    before, start = memory_of("VmRSS"), time.process_time()
    try:
        open_it()
    except Exception as error:  # noqa: BLE001 - the message tells
        outcome = "refused" if re.search(message, str(error)) else f"{type(error).__name__}: {error!s:.100}"
    else:
        outcome = "opened"
    pipe.send((outcome, time.process_time() - start, memory_of("VmHWM") - before))


def bombs(_):
    """Open every bomb; return the number of those that were not refused in time."""
    found, slowest, largest = [], (0.0, ""), (0.0, "")
    for name in BOMBS:
        ours, theirs = CONTEXT.Pipe(duplex=False)
        with tempfile.TemporaryDirectory() as folder:
            child = CONTEXT.Process(target=open_bomb, args=(name, folder, theirs))
            child.start()
            theirs.close()
            try:
                outcome, seconds, memory = ours.recv() if ours.poll(SECONDS) else ("no end", SECONDS, 0.0)
            except EOFError:
                outcome, seconds, memory = "the process ended", 0.0, 0.0
            child.kill()
            child.join()
        slowest, largest = max(slowest, (seconds, name)), max(largest, (memory, name))
        if outcome != "refused" or seconds > BOMB_SECONDS or memory > MEBIBYTES:
            found.append(f"    {name}: {outcome} after {seconds:.1f} s and {memory:.0f} MiB")
    print(
        f"bombs       {len(BOMBS):6} cases {len(found):3} beyond {BOMB_SECONDS} s or {MEBIBYTES} MiB  slowest "
        f"{slowest[0]:5.1f} s of CPU ({slowest[1]})  most memory {largest[0]:5.0f} MiB ({largest[1]})",
        *found,
        sep="\n",
        flush=True,
    )
    return len(found)


def contents(folder):
    """Names and bytes of the files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class StoreJob:
    """Featurize to a store."""

    def __init__(self, data):
        self.structures = data.data[:200]

    def run(self, folder):
        """Do the work."""
        featurize_to_store(SupercellFeaturizer(max_atoms=60), self.structures, folder / "store", chunk_size=10)

    def result(self, folder):
        """Look at what came out."""
        return contents(folder / "store")


class TrainingJob:
    """Fit with checkpoints."""

    def __init__(self, data):
        self.X, self.y = SupercellFeaturizer(max_atoms=20).transform(data.data[:60]), data.target[:60]

    def run(self, folder):
        """Do the work."""
        model = SiteNetRegressor(**TINY, max_epochs=40, checkpoint_dir=folder / "checkpoints").fit(self.X, self.y)
        np.save(folder / "result.npy", model.predict(self.X))

    def result(self, folder):
        """Look at what came out."""
        return [*np.load(folder / "result.npy").round(4), *(folder / "checkpoints").glob("*.ckpt")]


class TuningJob(TrainingJob):
    """Tune with a journal."""

    def run(self, folder):
        """Do the work."""
        model, space = SiteNetRegressor(**TINY, max_epochs=2), {"lr": FloatDistribution(1e-4, 1e-2, log=True)}
        options = {"storage": folder / "journal", "cv": 2, "n_trials": 6, "random_state": 0}
        tune(model, self.X, self.y, space, **options)

    def result(self, folder):
        """Look at what came out."""
        study = optuna.load_study(study_name="sitenet", storage=as_storage(folder / "journal"))
        trials = [trial for trial in study.trials if trial.state != TrialState.FAIL]
        return [(trial.state.name, trial.params, trial.value and round(trial.value, 4)) for trial in trials]


class SavingJob(TrainingJob):
    """Save over a file that is there."""

    def __init__(self, data):
        super().__init__(data)
        self.models = [SiteNetRegressor(**TINY, max_epochs=k).fit(self.X, self.y) for k in (1, 2)]

    def run(self, folder):
        """Do the work."""
        for k in range(100):
            save_model(self.models[k % 2], folder / "model.safetensors")

    def result(self, folder):
        """Look at what came out, and whether it is one of the two."""
        found = load_model(folder / "model.safetensors", device="cpu").predict(self.X)
        return any(np.array_equal(found, model.predict(self.X)) for model in self.models)


def run_quietly(job, folder):
    """Work in a process of its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    silence()
    job.run(folder)


def start(job, folder):
    """Start the work; return the process."""
    process = CONTEXT.Process(target=run_quietly, args=(job, folder))
    process.start()
    return process


def disturb(job, folder, seconds, expected, number):
    """Send a signal to the work at some moment; return what is wrong then, and whether it ended before its time."""
    process = start(job, folder)
    process.join(seconds)
    if process.is_alive():
        os.kill(process.pid, number)
    process.join()
    wrong = []
    if process.exitcode == 0 and job.result(folder) != expected:
        wrong.append("it was stopped, and passed for success")
    if (folder / "model.safetensors").exists() and not job.result(folder):
        wrong.append("a file is neither the old nor the new one")
    if (folder / "store").exists() and job.result(folder) != expected:
        wrong.append("a store is there that is not whole")
    return wrong, process.exitcode != 0


def finish(job, folder, expected):
    """Start the work again; return what is wrong when it has ended."""
    if not (folder / "store").exists():
        process = start(job, folder)
        process.join()
        if process.exitcode:
            return [f"started again, it ended with {process.exitcode}"]
    return [] if job.result(folder) == expected else ["the result is another one"]


def kill_job(job, n, rng, number):
    """Disturb the work until it was stopped n times, and print the losses; return their number."""
    losses, killed, rounds, again = [], 0, 0, 0.0
    with tempfile.TemporaryDirectory() as parent:
        whole = Path(parent) / "whole"
        whole.mkdir()
        began = time.perf_counter()
        finish(job, whole, None)
        latest, expected = time.perf_counter() - began, job.result(whole)
        while killed < n and rounds < 10 * n:
            rounds += 1
            folder = Path(parent) / str(rounds)
            folder.mkdir()
            for _ in range(rng.integers(1, 4)):
                wrong, was_killed = disturb(job, folder, rng.uniform(0, latest), expected, number)
                losses += [f"round {rounds}: {reason}" for reason in wrong]
                killed += was_killed
                latest *= 1.0 if was_killed else 0.95
            began = time.perf_counter()
            losses += [f"round {rounds}: {reason}" for reason in finish(job, folder, expected)]
            again = max(again, time.perf_counter() - began)
    name = type(job).__doc__.rstrip(".").lower()
    print(f"{name:<28} {rounds:3} rounds {killed:3} kills {len(losses):3} losses  to the end at most {again:.1f} s")
    for loss in losses:
        print(f"    {loss}")
    sys.stdout.flush()
    return len(losses)


def kills(options, number=signal.SIGKILL):
    """Kill every kind of work."""
    rng, data = np.random.default_rng(options.seed), load_dielectric()
    jobs = (StoreJob, TrainingJob, TuningJob, SavingJob)
    return sum(kill_job(kind(data), options.kills, rng, number) for kind in jobs)


def interrupts(options):
    """Press Ctrl-C in every kind of work."""
    return kills(options, signal.SIGINT)


def memory(options):
    """Train and predict again and again; growth beyond 100 MiB counts as a leak."""
    data = load_dielectric()
    X, y = SupercellFeaturizer(max_atoms=20).transform(data.data[:100]), data.target[:100]
    sizes = []
    for _ in range(options.fits):
        model = SiteNetRegressor(**TINY, max_epochs=2).fit(X, y)
        sizes.append(memory_of("VmRSS"))
    trained = sizes[-1] - sizes[min(9, len(sizes) - 1)]
    print(f"{options.fits} fits: {sizes[0]:.0f} MiB after the first, {trained:+.0f} between the tenth and the last")
    predict_in_chunks(model, X[np.arange(2000) % 100])
    before = memory_of("VmRSS")
    n = len(predict_in_chunks(model, X[np.arange(options.predictions) % 100]))
    predicted = memory_of("VmRSS") - before
    print(f"{n} predictions: {before:.0f} MiB before, {predicted:+.0f} after")
    return int(trained > 100) + int(predicted > 100)


PARTS = {"fuzz": fuzz, "kills": kills, "interrupts": interrupts, "bombs": bombs, "memory": memory}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=list(PARTS))
    parser.add_argument("--cases", type=int, default=2000, help="of every kind")
    parser.add_argument("--only", action="append", choices=list(KINDS), help="a kind of cases")
    parser.add_argument("--kills", type=int, default=20, help="of every kind of work")
    parser.add_argument("--fits", type=int, default=50)
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = sum(PARTS[what](options) for what in options.what or PARTS)
    sys.exit(min(found, 1))
