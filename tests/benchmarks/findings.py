"""What the paper found in its attention weights (Figs. 6 and 7), looked for in networks trained here.

    OMP_NUM_THREADS=2 python tests/benchmarks/findings.py --folder findings

Two networks are trained on the same 1,000 crystals of Matbench's mp_gap, one for the band gap and one for the formation
energy, and looked into on 500 others. The folder keeps models and figures; an interrupted run goes on. With `--model`
one that accuracy.py trained is looked into instead.
"""

import argparse
import json
import resource
from pathlib import Path

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
from crystals import DATA, MATBENCH, read_records
from scipy.stats import spearmanr

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, load_model, save_model
from sitenet_sklearn.analysis import attention_histogram, attention_range, complexity, long_range_coefficients
from sitenet_sklearn.displays import AttentionHistogramDisplay, LongRangeDisplay

TARGETS = {"band gap": "band_gap_eV", "formation energy": "formation_energy_eV_per_atom"}


def prepare(options):
    """Crystals to train on with a table of their targets, crystals to look into with a table of their measures."""
    path = options.folder / f"crystals_{options.max_atoms}.joblib"
    if not path.is_file():
        splits = json.loads((DATA / "splits.json").read_text())
        train, test = (
            list(read_records(MATBENCH, ids=set(splits[name][:n])))
            for name, n in (("train_1000", None), ("validation_2000", 500))
        )
        featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=options.max_atoms, site_features="elements")
        X, X_test = (featurizer.transform([r["structure"] for r in part]) for part in (train, test))
        measures = pd.DataFrame(
            {
                "configurational complexity (bits per primitive cell)": [
                    complexity(r["structure"]).total for r in test
                ],
                "cube root of the primitive volume (Å)": [
                    r["structure"].get_primitive_structure(0.01).volume ** (1 / 3) for r in test
                ],
            }
        )
        joblib.dump((X, pd.DataFrame(train), X_test, pd.DataFrame(test), measures), path)
    return joblib.load(path)


def trained(target, X, y, options):
    """The network for a target, from the folder or trained."""
    path = options.folder / f"{target}_{options.max_atoms}.safetensors"
    if not path.is_file():
        model = SiteNetRegressor.from_preset(
            "paper",
            batch_size="auto",
            early_stopping=False,
            train_oversized=True,
            max_epochs=options.max_epochs,
            clamp=target == "band gap",
            checkpoint_dir=options.folder,
            random_state=0,
            verbose=1,
        )
        save_model(model.fit(X, y), path)
    return load_model(path)


def ranges(model, X):
    """Distances that every head attends to, and whether nearer sites get more than an equal share."""
    table = attention_range(model, X)
    shares, distances, equal = [], [], []
    for crystal, record in zip(X, model.attention(X), strict=True):
        number = np.bincount(crystal.pair_site, record.count)[crystal.pair_site]
        shares.append(record.weights / record.count[:, None, None] * number[:, None, None])
        distances.append(record.distance)
        equal.append(record.count * record.multiplicity / number)
    share, distance, equal = map(np.concatenate, (shares, distances, equal))
    table["mean if equal"] = np.average(distance, weights=equal)
    rank = [spearmanr(distance, share[:, row.block - 1, row.head - 1]).statistic for row in table.itertuples()]
    spread = [np.log10(share[:, row.block - 1, row.head - 1]).std() for row in table.itertuples()]
    return table.assign(**{"rank correlation": rank, "decades": spread})


def look_into(target, model, X, measures, folder):
    """Print and draw what a network attends to; return the long-range coefficients of the crystals."""
    print(f"\n## {target}\n\n{ranges(model, X).round(2).to_string(index=False)}")
    histogram = attention_histogram(model, X)
    AttentionHistogramDisplay(histogram).plot().figure_.savefig(folder / f"histogram_{target}.png", dpi=80)
    coefficient = long_range_coefficients(model, X)[:, 1].sum(axis=1)
    for name, measure in measures.items():
        display = LongRangeDisplay(measure, coefficient, measure_name=name).plot()
        display.figure_.savefig(folder / f"long_range_{target}_{name.split()[0]}.png", dpi=80)
        print(f"rank correlation of the long-range coefficient with {name}: {display.rank_correlation_:.2f}")
    print(f"mean long-range coefficient {coefficient.mean():.3f} Å, median {np.median(coefficient):.3f} Å")
    print(f"pairs of sites counted: {histogram.counts[0, 0].sum():,.0f}")
    return coefficient


def main():
    """Train, look, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max-atoms", type=int, default=100)
    parser.add_argument("--max-epochs", type=int, default=20)
    parser.add_argument("--largest", type=int, default=100, help="largest primitive cell that is trained on")
    parser.add_argument("--model", type=Path, help="model of accuracy.py for band gaps, to look into nothing else")
    parser.add_argument("--folder", type=Path, default=Path("findings"))
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    mpl.use("agg")
    X, train, X_test, test, measures = prepare(options)
    if options.model:
        look_into("band gap", load_model(options.model), X_test, measures, options.folder)
        return
    small = X.primitive_sizes <= options.largest
    coefficients = {}
    for target, column in TARGETS.items():
        chosen = np.flatnonzero(small & train[column].notna())
        model = trained(target, X[chosen], train[column].to_numpy()[chosen], options)
        error = np.abs(model.predict(X_test) - test[column]).mean()
        coefficients[target] = look_into(target, model, X_test, measures, options.folder)
        print(f"trained on {len(chosen)} crystals, mean absolute error on {len(test)} others: {error:.3f}")
    gap, energy = coefficients.values()
    print(f"\nThe coefficient is lower for the formation energy in {np.mean(energy < gap):.0%} of the crystals.")
    print(f"Largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


if __name__ == "__main__":
    main()
