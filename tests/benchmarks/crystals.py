"""Crystals to measure with: the bundled ones, or JSON lines with `id` and `poscar`."""

import gzip
import json
from itertools import islice
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from sitenet_sklearn.datasets import load_dielectric

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MATBENCH = DATA / "matbench_mp_gap_train.jsonl.gz"


def read_records(path, n=None, ids=None):
    """Yield records of gzipped JSON lines, the first n of them or those of some ids, with a `structure` each."""
    with gzip.open(path) as lines:
        for line in islice(lines, n):
            record = json.loads(line)
            if ids is None or record["id"] in ids:
                yield record | {"structure": Structure.from_str(record["poscar"], fmt="poscar")}


def read_structures(path, n=None):
    """Yield Structures from gzipped JSON lines, the first n of them."""
    return (record["structure"] for record in read_records(path, n))


def samples(n_matbench):
    """Yield (name, structures): the dielectric set, and a random sample of Matbench where its file is present."""
    yield "dielectric", load_dielectric().data
    if MATBENCH.is_file():
        with gzip.open(MATBENCH) as lines:
            total = sum(1 for _ in lines)
        chosen = set(np.random.default_rng(0).choice(total, n_matbench, replace=False).tolist())
        with gzip.open(MATBENCH) as lines:
            texts = [json.loads(line)["poscar"] for k, line in enumerate(lines) if k in chosen]
        yield "Matbench", [Structure.from_str(text, fmt="poscar") for text in texts]
