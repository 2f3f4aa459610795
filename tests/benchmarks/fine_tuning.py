"""What a network that has learned band gaps gains on other properties with few crystals, by ways of fine-tuning.

    OMP_NUM_THREADS=1 python tests/benchmarks/fine_tuning.py --folder fine_tuning

Every way is tried with 50, 200 and 800 crystals of each data set, and tested on up to 300 others. Errors are divided by
that of the median. Results are kept in the folder: a run goes on where it was interrupted.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from crystals import DATA, read_records
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor

from sitenet_sklearn import SiteNetRegressor, load_pretrained
from sitenet_sklearn.cli.baselines import magpie_features
from sitenet_sklearn.pretrained import pretrained_file

SETS = {
    "experimental gap": ("experimental_gap_300", "experimental_band_gap_eV", lambda y: y),
    "refractive index": ("dielectric_petousis2017", "refractive_index_n", np.log10),
    "bulk modulus": ("elastic_dejong2015", "K_VRH_GPa", np.log10),
    "phonon peak": ("matbench_phonons", "last_phdos_peak_per_cm", np.log10),
}
"""File, entry, and what of it is learned."""
SIZES = (50, 200, 800)
N_TEST = 300
BEGUN = {"pretrained": pretrained_file("band_gap"), "new_head": True}
WAYS = {
    "from scratch": {},
    "all layers": BEGUN,
    "all layers, a third of lr": BEGUN | {"lr": 0.0008126 / 3},
    "all layers, a third of lr, 20 epochs": BEGUN | {"lr": 0.0008126 / 3, "max_epochs": 20},
    "embedding and blocks frozen": BEGUN | {"frozen": ("embedding", "site_input", "blocks")},
}


def read_set(name):
    """Structures and targets that are known, in random order."""
    file, entry, scale = SETS[name]
    records = [record for record in read_records(DATA / f"{file}.jsonl.gz") if record.get(entry) is not None]
    with np.errstate(invalid="ignore", divide="ignore"):
        y = scale(np.array([record[entry] for record in records], dtype=float))
    order = [k for k in np.random.RandomState(0).permutation(len(records)) if np.isfinite(y[k])]
    order = [k for k in order if len(records[k]["structure"]) <= 100]
    return [records[k]["structure"] for k in order], y[order]


def errors_on(name, options):
    """Yield size, way, seed and relative error of all trainings that are not done yet."""
    structures, y = read_set(name)
    n_test = min(N_TEST, len(y) // 4)
    X = load_pretrained("band_gap")[0].transform(structures)
    features = magpie_features([structure.composition for structure in structures])
    test = slice(0, n_test)
    for size in (size for size in SIZES if size <= len(y) - n_test):
        train = slice(n_test, n_test + size)
        median = DummyRegressor(strategy="median").fit(features[train], y[train]).predict(features[test])
        unit = np.abs(median - y[test]).mean()
        boosted = HistGradientBoostingRegressor(random_state=0).fit(features[train], y[train]).predict(features[test])
        yield size, "gradient boosting, Magpie", 0, np.abs(boosted - y[test]).mean() / unit
        for way, parameters in WAYS.items():
            for seed in range(options.seeds if size < 800 else 1):
                model = SiteNetRegressor(**{"clamp": False, "random_state": seed} | parameters)
                predicted = model.fit(X[train], y[train]).predict(X[test])
                yield size, way, seed, np.abs(predicted - y[test]).mean() / unit


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("fine_tuning"))
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    for name in options.sets:
        path = options.folder / f"{name.replace(' ', '_')}.jsonl"
        if path.is_file():
            continue
        begin, rows = time.perf_counter(), []
        for row in errors_on(name, options):
            rows.append(json.dumps([name, *row]))
            print(rows[-1], flush=True)
        path.write_text("\n".join(rows) + "\n")
        print(f"{name}: {time.perf_counter() - begin:.0f} s")
    print_table(options.folder)


def print_table(folder):
    rows = [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    cases = list(dict.fromkeys((name, size) for name, size, *_ in rows))
    print("| way | " + " | ".join(f"{name}, {size}" for name, size in cases) + " |")
    print("|---" * (len(cases) + 1) + "|")
    for way in dict.fromkeys(row[2] for row in rows):
        found = [[row[4] for row in rows if tuple(row[:2]) == case and row[2] == way] for case in cases]
        print(f"| {way} | " + " | ".join(f"{np.mean(errors):.3f}" for errors in found) + " |")


if __name__ == "__main__":
    main()
