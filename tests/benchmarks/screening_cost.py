"""What a screening costs, stage by stage, measured on many crystals and extrapolated.

    OMP_NUM_THREADS=1 python tests/benchmarks/screening_cost.py --n-crystals 100000 --jobs 2 --folder screening

Writes crystals made of the bundled ones (strained by up to 3 %, every second with another element, a fifth of the rows
an earlier crystal described otherwise), screens them with a model of the library, and prints

- the wall-clock time of looking at the sources, of the rounds, of writing the table and finding the best crystals in
  the sources, and of writing these and the report;
- how many crystals a process featurizes and predicts in a second, and which share of the time of the rounds processes
  wait, for each other at the end of a round, for their next chunk or for the start of all;
- the memory of the process that drives the others, and the bytes of the files;
- how many of the rows that describe a crystal again were found;
- the same for 10^6, 10^7 and 10^8 rows, in proportion to the rows; the best crystals and the report cost the same for
  any number.
"""

import argparse
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
from crystals import write_variants

from sitenet_sklearn import load_pretrained
from sitenet_sklearn.screening import rounds, screen

SHARE_AGAIN = 0.2
STAGES = {"look": ("contents_of",), "rounds": ("run_rounds",), "table": ("_finish",)}
STAGES |= {"report": ("write_top", "write_screening_report")}
MODULE = sys.modules["sitenet_sklearn.screening.screen"]


def timed(seconds):
    """Let the stages of `screen` note how long they take."""
    for stage, name in ((stage, name) for stage, names in STAGES.items() for name in names):
        function = getattr(MODULE, name)

        def measured(*args, _function=function, _stage=stage, **kwargs):
            start = time.perf_counter()
            try:
                return _function(*args, **kwargs)
            finally:
                seconds[_stage] = seconds.get(_stage, 0) + time.perf_counter() - start

        setattr(MODULE, name, measured)


def busy(name, path):
    """Let a stage of the rounds note in a file how long each of its calls takes, in whatever process."""
    function = getattr(rounds, name)

    def measured(*args):
        start = time.perf_counter()
        found = function(*args)
        with path.open("a") as file:
            file.write(f"{name} {time.perf_counter() - start}\n")
        return found

    setattr(rounds, name, measured)


class Memory(threading.Thread):
    """Resident memory of this process in MiB, every second; and of the ledger on the disk."""

    def __init__(self, ledger):
        super().__init__(daemon=True)
        self.ledger, self.sizes, self.n_bytes = ledger, [], 0

    def run(self):
        """Look until the program ends."""
        page = os.sysconf("SC_PAGE_SIZE")
        while True:
            self.sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * page / 2**20)
            if self.ledger.is_file():
                self.n_bytes = max(self.n_bytes, self.ledger.stat().st_size)
            time.sleep(1)


def found_again(table):
    """Share of the rows that describe an earlier crystal, as they were made, that were found."""
    number = table["id"].str[1:].astype(int)
    made = np.array([k > 0 and np.random.default_rng(k).random() < SHARE_AGAIN for k in number])
    return table["duplicate_of"].notna()[made].mean(), made.sum()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-crystals", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--chunk-size", type=int, default=256)
    parser.add_argument("--model", default="band_gap")
    parser.add_argument("--folder", type=Path, default=Path("screening"))
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    path, output = options.folder / f"{options.n_crystals}.jsonl", options.folder / "screened.parquet"
    write_variants(path, options.n_crystals, share_again=SHARE_AGAIN, n_jobs=options.jobs)
    shutil.rmtree(f"{output}.partial", ignore_errors=True)
    notes = options.folder / "calls.txt"
    notes.unlink(missing_ok=True)
    for name in ("featurize_rows", "predict_crystals"):
        busy(name, notes)
    seconds, memory = {}, Memory(output.with_name(f"{output.name}.partial") / "ledger.sqlite")
    timed(seconds)
    memory.start()
    found = screen(
        load_pretrained(options.model), path, output, n_jobs=options.jobs, chunk_size=options.chunk_size, overwrite=True
    )
    seconds["table"] -= seconds["report"]
    n, total = found.n_rows, sum(seconds.values())
    calls = pd.read_csv(notes, sep=" ", header=None).groupby(0)[1].sum()
    waiting = 1 - calls.sum() / (options.jobs * seconds["rounds"])
    share, made = found_again(pd.read_parquet(output, columns=["id", "duplicate_of"]))
    print(f"{n:,} rows, {found.n_crystals:,} crystals, {found.n_failed:,} failed, {options.jobs} processes")
    rates = n / calls["featurize_rows"], found.n_crystals / calls["predict_crystals"]
    print("a process featurizes {:.0f} and predicts {:.0f} crystals/s".format(*rates))
    for stage, value in seconds.items():
        print(f"{stage:<8}{value:8.1f} s {value / total:6.1%}")
    print(f"processes wait in {waiting:.1%} of the time of the rounds")
    print(f"{n / total:.0f} rows/s; {share:.2%} of the {made:,} crystals described again were found")
    half = len(memory.sizes) // 2
    print(f"memory {max(memory.sizes[:half]):.0f} MiB in the first half, {max(memory.sizes[half:]):.0f} in the second")
    sizes = {"sources": path.stat().st_size, "ledger": memory.n_bytes, "table": output.stat().st_size}
    print("bytes a row: " + ", ".join(f"{name} {size / n:.0f}" for name, size in sizes.items()))
    stages = ("look", "rounds", "table")
    print(f"{'rows':>12}" + "".join(f"{stage:>12}" for stage in stages) + f"{'core-hours':>12}{'disk':>10}")
    for rows in (10**6, 10**7, 10**8):
        hours = [seconds[stage] * rows / n / 3600 for stage in stages]
        disk = sum(sizes.values()) * rows / n / 2**30
        cells = "".join(f"{value:>10.1f} h" for value in hours)
        print(f"{rows:>12,}{cells}{sum(hours) * options.jobs:>12.0f}{disk:>6.0f} GiB")


if __name__ == "__main__":
    main()
