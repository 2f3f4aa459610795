"""Whether models tell polymorphs apart: crystals of one composition, whose differences only the structure explains.

    python tests/benchmarks/accuracy.py train_10000 --features all --seeds 0 1
    python tests/benchmarks/polymorphs.py train_10000

The first command trains and keeps models in its folder; the second tests those of the tasks that are named. It takes
500 compositions of Matbench that occur more than once and are in none of train_10000 and validation_2000, up to four
crystals of each. "Correlation" and "explained" are those of predictions and gaps after the mean of every composition
is taken off both; "spread" is the standard deviation that is left. The last columns are the mean change of a
prediction when the volume grows by 5 %, and when every site moves by 0.1 angstrom in a random direction.
"""

import argparse
import gzip
import json
from pathlib import Path

import joblib
import numpy as np
from crystals import DATA, MATBENCH, read_records
from pymatgen.core import Composition

from sitenet_sklearn import load_model

N_COMPOSITIONS, LARGEST_GROUP = 500, 4


def reduced_formula(record):
    """Reduced composition from the sixth and seventh line of a POSCAR."""
    symbols, counts = (line.split() for line in record["poscar"].splitlines()[5:7])
    return Composition(dict(zip(symbols, map(float, counts), strict=True))).reduced_formula


def choose_polymorphs():
    """Ids of the crystals to test on, and a number for the composition of each."""
    splits = json.loads((DATA / "splits.json").read_text())
    seen = set(splits["train_10000"]) | set(splits["validation_2000"])
    groups, known = {}, set()
    with gzip.open(MATBENCH) as lines:
        for record in map(json.loads, lines):
            formula = reduced_formula(record)
            groups.setdefault(formula, []).append(record["id"])
            if record["id"] in seen:
                known.add(formula)
    several = sorted(formula for formula, ids in groups.items() if len(ids) > 1 and formula not in known)
    rng = np.random.RandomState(0)
    chosen = [several[k] for k in rng.permutation(len(several))[:N_COMPOSITIONS]]
    return {i: k for k, formula in enumerate(chosen) for i in rng.permutation(groups[formula])[:LARGEST_GROUP]}


def load_polymorphs(folder):
    """Structures, band gaps and numbers of compositions; kept in the folder."""
    path = folder / "polymorphs.joblib"
    if not path.is_file():
        group = choose_polymorphs()
        records = list(read_records(MATBENCH, ids=set(group)))
        values = [(record["structure"], record["band_gap_eV"], group[record["id"]]) for record in records]
        structures, gaps, groups = zip(*values, strict=True)
        joblib.dump((list(structures), np.array(gaps), np.array(groups)), path)
    return joblib.load(path)


def strained(structure):
    """The same crystal with 5 % more volume."""
    return structure.copy().scale_lattice(1.05 * structure.volume)


def displaced(structure, rng):
    """The same crystal with every site moved by 0.1 angstrom."""
    structure, steps = structure.copy(), rng.normal(size=(len(structure), 3))
    steps *= 0.1 / np.linalg.norm(steps, axis=1, keepdims=True)
    for k, step in enumerate(steps):
        structure.translate_sites([k], step, frac_coords=False)
    return structure


def featurized(featurizer, folder):
    """Records of the polymorphs, strained and displaced, as a featurizer makes them; kept in the folder."""
    path = folder / f"polymorphs_{joblib.hash(featurizer.get_params())}.joblib"
    if not path.is_file():
        structures, rng = load_polymorphs(folder)[0], np.random.default_rng(0)
        moved = [displaced(structure, rng) for structure in structures]
        joblib.dump([featurizer.transform(x) for x in (structures, map(strained, structures), moved)], path)
    return joblib.load(path)


def differences(values, groups):
    """Values less the mean of their group."""
    return values - (np.bincount(groups, values) / np.bincount(groups))[groups]


def report(name, predictions, y, groups):
    """Print a row of the table from predictions (models, 3, n)."""
    rows = [*predictions, np.mean(predictions, axis=0)] if len(predictions) > 1 else predictions
    for k, (plain, *changed) in enumerate(rows):
        found, true = differences(plain, groups), differences(y, groups)
        explained = 1 - ((found - true) ** 2).sum() / (true**2).sum()
        changes = [np.abs(other - plain).mean() for other in changed]
        label = f"{name}, mean of {k}" if k == len(predictions) else name
        print(
            f"| {label} | {np.abs(plain - y).mean():.3f} | {np.corrcoef(found, true)[0, 1]:.2f} | {explained:.2f} "
            f"| {found.std():.3f} / {true.std():.3f} | {changes[0]:.3f} | {changes[1]:.3f} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", help="train_1000, train_10000: models of all labels in the folder")
    parser.add_argument("--folder", type=Path, default=Path("accuracy"))
    options = parser.parse_args()
    _, y, groups = load_polymorphs(options.folder)
    print("| model | MAE | correlation | explained | spread, predicted / true | 5 % volume | 0.1 angstrom |")
    print("|---|---|---|---|---|---|---|")
    for task in options.tasks:
        paths = sorted((options.folder / "models").glob(f"{task}__*.safetensors"))
        for label in dict.fromkeys(path.name.rpartition("__")[0] for path in paths):
            models = [load_model(path) for path in paths if path.name.rpartition("__")[0] == label]
            X = featurized(models[0]["featurizer"], options.folder)
            gaps = [[model["sitenet"].predict(x).reshape(len(y), -1)[:, 0] for x in X] for model in models]
            report(label, np.array(gaps), y, groups)
