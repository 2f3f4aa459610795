"""What choosing crystals gains against drawing them at random: five seeds, curves, a table.

    OMP_NUM_THREADS=1 python tests/benchmarks/active_learning.py --seeds 5 --plot active_learning.png

Of the bundled band gaps, 250 are held out to test with; the others are a pool whose values are held back. Every run
begins with the same 40 crystals of a seed, and every round asks for 40 more. An ensemble of two networks goes on
training with `partial_fit` on all that is known. The table has the mean absolute error on the held-out crystals, and
which share of the 40 largest gaps of the pool (5 %) is known; means over seeds, and their standard errors. Finished
runs are kept in the folder.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from matplotlib.figure import Figure
from sklearn.metrics import mean_absolute_error

from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.screening import suggest
from sitenet_sklearn.screening.suggest import STRATEGIES

N_TEST, N_START, N_BATCH, N_ROUNDS, N_LARGEST = 250, 40, 40, 5, 40
EPOCHS_FIRST, EPOCHS = 25, 6


def train(ensemble, X, y, n_epochs):
    """Go on training every member."""
    for member in ensemble.estimators_:
        for _ in range(n_epochs):
            member.partial_fit(X, y)


def run(X, y, strategy, seed):
    """Known crystals, error and share of the largest gaps known, after every round."""
    order = np.random.default_rng(seed).permutation(len(y))
    test, pool = order[:N_TEST], order[N_TEST:]
    largest = set(pool[np.argsort(-y[pool])[:N_LARGEST]].tolist())
    known, pool = pool[:N_START], pool[N_START:]
    ensemble = SiteNetEnsemble()
    ensemble.estimators_ = [SiteNetRegressor(random_state=10 * seed + k) for k in range(2)]
    train(ensemble, X[known], y[known], EPOCHS_FIRST)
    rows = []
    while True:
        error = mean_absolute_error(y[test], ensemble.predict(X[test]))
        rows.append((len(known), error, len(largest & set(known.tolist())) / N_LARGEST))
        if len(rows) == N_ROUNDS:
            return rows
        options = {"best": y[known].max(), "labelled": X[known], "random_state": seed}
        chosen = suggest(ensemble, X[pool], N_BATCH, strategy, **options)
        known, pool = np.append(known, pool[chosen]), np.delete(pool, chosen)
        train(ensemble, X[known], y[known], EPOCHS)


def draw(path, results):
    """Draw both curves with their standard errors."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    labels = ("MAE on held-out crystals (eV)", f"share of the {N_LARGEST} largest gaps known")
    for column, (ax, label) in enumerate(zip(figure.subplots(1, 2), labels, strict=True), 1):
        for strategy, runs in results.items():
            values = np.array(runs)
            mean, error = values[:, :, column].mean(0), values[:, :, column].std(0, ddof=1) / len(values) ** 0.5
            ax.errorbar(values[0, :, 0], mean, error, label=strategy.replace("_", " "), capsize=2, marker="o", ms=3)
        ax.set(xlabel="crystals with a known band gap", ylabel=label)
    ax.legend()
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--max-atoms", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("active_learning"))
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    structures, y = load_dielectric(return_X_y=True)
    X = SupercellFeaturizer(options.max_atoms).transform(structures)
    paths = {
        (strategy, seed): options.folder / f"{strategy}-{options.max_atoms}-{seed}.json"
        for seed in range(options.seeds)
        for strategy in STRATEGIES
    }
    missing = [what for what, path in paths.items() if not path.is_file()]
    runs = Parallel(n_jobs=options.jobs, return_as="generator")(delayed(run)(X, y, *what) for what in missing)
    for what, rows in zip(missing, runs, strict=True):
        paths[what].write_text(json.dumps(rows))
    results = {}
    for (strategy, _), path in paths.items():
        results.setdefault(strategy, []).append(json.loads(path.read_text()))
    for column, title in ((1, "error (eV)"), (2, "largest known")):
        sizes = "".join(f"{size:>16}" for size, *_ in results["random"][0])
        print(f"{title:<22}{sizes}")
        for strategy, runs in results.items():
            values = np.array(runs)[:, :, column]
            errors = values.std(0, ddof=min(1, len(values) - 1)) / len(values) ** 0.5
            cells = "".join(f"{m:>9.3f} ± {e:.3f}" for m, e in zip(values.mean(0), errors, strict=True))
            print(f"{strategy:<22}{cells}")
    if options.plot:
        draw(options.plot, results)


if __name__ == "__main__":
    main()
