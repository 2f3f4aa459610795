"""Featurize a large data set straight to disk: time, peak memory, size, failures.

    python tests/benchmarks/store.py FILE.jsonl.gz FOLDER --max-atoms 100

Interrupted and started again, it goes on; the checksum printed at the end is that of an uninterrupted run.
"""

import argparse
import hashlib
import resource
import time
import warnings
from pathlib import Path

from crystals import read_structures

from sitenet_sklearn import SupercellFeaturizer, featurize_to_store

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--max-atoms", type=int, default=100)
    parser.add_argument("--n", type=int)
    parser.add_argument("--n-jobs", type=int, default=1)
    options = parser.parse_args()
    featurizer = SupercellFeaturizer.from_preset(
        "paper", max_atoms=options.max_atoms, on_error="mask", n_jobs=options.n_jobs
    )
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        X = featurize_to_store(featurizer, read_structures(options.file, options.n), options.folder)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = sum(file.stat().st_size for file in options.folder.iterdir()) / 2**20
    checksum = hashlib.sha256((options.folder / "index.json").read_bytes()).hexdigest()[:16]
    print(f"{X}\n{(~X.valid).sum()} failed, {X.oversized.sum()} oversized")
    print(
        f"{seconds:.0f} s, {len(X) / seconds:.0f} crystals/s, {memory:.2f} GiB peak, store {size:.0f} MiB, {checksum}"
    )
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            print(warning.message)
