"""Crystals to measure with: the bundled ones, or JSON lines with `id` and `poscar`."""

import gzip
import json
from itertools import islice
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from sitenet_sklearn.datasets import load_dielectric

MATBENCH = Path(__file__).resolve().parents[3] / "shared" / "data" / "matbench_mp_gap_train.jsonl.gz"


def read_structures(path, n=None):
    """Yield Structures from gzipped JSON lines, the first n of them."""
    with gzip.open(path) as lines:
        for line in islice(lines, n):
            yield Structure.from_str(json.loads(line)["poscar"], fmt="poscar")


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
