"""What a second process brings to a screening, and what a kill takes.

    OMP_NUM_THREADS=1 python tests/benchmarks/screening_kill.py --n-crystals 20000

Screens crystals made of the bundled ones by the command line: with one process and with two; then with two and
`kill -9` of all processes after a quarter, a half and three quarters of that time, each followed by the same command
again. Prints seconds in all, start of the program included, and says whether every table is the same.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from crystals import write_variants

SHARES = (0.25, 0.5, 0.75)


def command(source, output, jobs):
    """Arguments of a screening."""
    options = ["--output", str(output), "--jobs", str(jobs), "--quiet", "--overwrite"]
    return [sys.executable, "-m", "sitenet_sklearn", "screen", "band_gap", str(source), *options]


def whole(arguments):
    """Run a command and return its seconds."""
    start = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - start


def killed(arguments, seconds):
    """Run a command, kill its processes after some seconds, and say whether they were still at work."""
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as p:
        try:
            p.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            return True
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-crystals", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, default=Path("screening"))
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    source, output = options.folder / f"{options.n_crystals}.jsonl", options.folder / "killed.csv"
    write_variants(source, options.n_crystals, share_again=0.2)
    one = whole(command(source, output, 1))
    table = output.read_bytes()
    two = whole(command(source, output, 2))
    same = [output.read_bytes() == table]
    print(f"{options.n_crystals:,} rows: one process {one:.1f} s, two {two:.1f} s, {one / two:.2f} times as fast")
    for share in SHARES:
        output.unlink()
        if not killed(command(source, output, 2), share * two):
            print(f"ended before {share * two:.1f} s")
            continue
        again = whole(command(source, output, 2))
        same.append(output.read_bytes() == table)
        print(f"killed after {share * two:.1f} s, then {again:.1f} s: {share * two + again - two:.1f} s lost")
    print(f"{sum(same)} of {len(same)} tables are the same as that of one process")


if __name__ == "__main__":
    main()
