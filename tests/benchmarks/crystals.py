"""Crystals to measure with: the bundled ones, JSON lines with `id` and `poscar`, or many made of the bundled ones."""

import gzip
import json
import sys
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from pymatgen.core import Element, Structure

from sitenet_sklearn.datasets import load_dielectric, load_formation_energy

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from redescribe import redescribe

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


@cache
def bundled():
    """All bundled crystals, in a list."""
    return [*load_dielectric().data, *load_formation_energy().data]


def variant(k, share_again=0.0):
    """Make crystal k of any number: a bundled one, strained by up to 3 %, every second with another element.

    A share of them, chosen at random, is an earlier one described by another cell, origin, orientation and order.
    """
    rng = np.random.default_rng(k)
    if k and rng.random() < share_again:
        return redescribe(variant(int(rng.integers(k)), share_again), rng)
    base = bundled()[k % len(bundled())]
    structure = base.apply_strain(rng.uniform(-0.03, 0.03, 3), inplace=False)
    if rng.random() < 0.5:
        old = structure.composition.elements[0]
        group = [element for element in Element if element.group == old.group and element.Z <= 83]
        structure.replace_species({old: group[rng.integers(len(group))]})
    return structure


def variant_lines(start, stop, share_again):
    """Lines of JSON of some variants."""
    made = ((k, variant(k, share_again).to(fmt="poscar")) for k in range(start, stop))
    return "".join(json.dumps({"id": f"v{k}", "poscar": text}) + "\n" for k, text in made)


def write_variants(path, n, *, share_again=0.0, n_jobs=2, step=1000):
    """Write n variants as lines of JSON, unless the file is there."""
    if path.is_file():
        return
    parts = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(variant_lines)(k, min(k + step, n), share_again) for k in range(0, n, step)
    )
    with path.open("w", encoding="utf-8") as file:
        file.writelines(parts)
