"""How fast crystals go from files to predictions, stage by stage.

    python tests/benchmarks/screening.py --n-crystals 20000 --jobs 2 --folder cifs

Writes CIF files of Matbench's crystals (of the bundled ones where it is missing), then reads, featurizes and predicts
them in chunks, as `sitenet predict` does, with the band-gap model of the library. The share of a stage is that of the
time in all; the first chunk warms up and does not count. Last comes `screen`, whose processes do all of it at a time:
from starting them to the report.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from crystals import MATBENCH, read_structures
from pymatgen.io.cif import CifParser

from sitenet_sklearn import load_pretrained
from sitenet_sklearn.crystals.plain_cif import read_plain_cif
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.estimators import prediction_columns
from sitenet_sklearn.screening import screen
from sitenet_sklearn.tables.reading import CrystalTable
from sitenet_sklearn.tables.reading import read_structures as read_crystals

STAGES = ("read", "featurize", "predict")


def write_files(folder, n):
    """Write CIF files, unless they are there: list of Path."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{k}.cif" for k in range(n)]
    if all(path.is_file() for path in paths):
        return paths
    structures = read_structures(MATBENCH, n) if MATBENCH.is_file() else load_dielectric().data[:n]
    written = []
    for path, structure in zip(paths, structures, strict=False):
        structure.to(filename=str(path))
        written.append(path)
    return written


def seconds_of(paths, pipeline, jobs):
    """Seconds of every stage for one chunk."""
    times = [time.perf_counter()]
    table = CrystalTable([path.name for path in paths], paths, pd.DataFrame(index=range(len(paths))))
    structures, _ = read_crystals(table, n_jobs=jobs)
    times.append(time.perf_counter())
    X = pipeline[0].set_params(n_jobs=jobs, on_error="mask").transform([found or {} for found in structures])
    times.append(time.perf_counter())
    prediction_columns(pipeline[-1], X)
    return np.diff([*times, time.perf_counter()])


def print_readers(paths):
    """Milliseconds that gemmi and pymatgen take for a plain CIF file."""
    texts = [path.read_text() for path in paths]
    readers = {
        "gemmi": read_plain_cif,
        "pymatgen": lambda text: CifParser.from_str(text).parse_structures(primitive=False),
    }
    for name, reader in readers.items():
        start = time.perf_counter()
        for text in texts:
            reader(text)
        print(f"{name}: {(time.perf_counter() - start) / len(texts) * 1e3:.2f} ms a file, {len(texts)} files")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-crystals", type=int, default=2048)
    parser.add_argument("--chunk-size", type=int, default=1024)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1])
    parser.add_argument("--folder", type=Path, default=Path("cifs"))
    options = parser.parse_args()
    paths = write_files(options.folder, options.n_crystals)
    print_readers(paths[:500])
    pipeline, size = load_pretrained("band_gap", device="cpu"), options.chunk_size
    print("processes  crystals/s" + "".join(f"{stage:>14}" for stage in STAGES) + "   shares")
    for jobs in options.jobs:
        seconds_of(paths[:size], pipeline, jobs)
        total = sum(seconds_of(paths[k : k + size], pipeline, jobs) for k in range(0, len(paths), size))
        rates = "".join(f"{len(paths) / t:12.0f}/s" for t in total)
        shares = ", ".join(f"{share:.0%}" for share in total / total.sum())
        print(f"{jobs:9d} {len(paths) / total.sum():11.0f}{rates}   {shares}", flush=True)
    for jobs in options.jobs:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            found = screen(pipeline, paths, Path(folder) / "gaps.csv", n_jobs=jobs)
            rate = found.n_rows / (time.perf_counter() - start)
        print(
            f"{jobs:9d} {rate:11.0f}   screen, {found.n_rows} rows, {found.n_crystals} different crystals", flush=True
        )


if __name__ == "__main__":
    main()
