"""Metal or not: what answers better, the predicted gap or an output of its own?

    OMP_NUM_THREADS=1 python tests/benchmarks/metals.py --task choice_10000 --folder accuracy

Trains on gaps and formation energies, as `accuracy.py --two-targets`; on these and a third target, 1 for crystals with
a gap and 0 for metals; and a `SiteNetClassifier` on that question alone. The answer of a regressor is an isotonic
function of an output, fitted on one half of the test crystals and asked about the other half, in turn.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from accuracy import ENERGY, TASKS, featurized, load_records
from sklearn.isotonic import IsotonicRegression

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor


def share_right(signs, is_gap):
    """Share of right answers from a number that rises with the probability of a gap."""
    halves = np.array_split(np.random.RandomState(0).permutation(len(is_gap)), 2)
    right = []
    for fitted, asked in (halves, halves[::-1]):
        model = IsotonicRegression(out_of_bounds="clip").fit(signs[fitted], is_gap[fitted])
        right.append((model.predict(signs[asked]) > 0.5) == is_gap[asked])
    return np.concatenate(right).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=[name for name in TASKS if "0" in name], default="choice_10000")
    parser.add_argument("--parameters", default='{"max_epochs": 20}', help="of the networks, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("accuracy"))
    options = parser.parse_args()
    options.max_atoms, options.features = 50, "all"
    options.folder.mkdir(exist_ok=True)
    (X, y), (X_test, y_test) = featurized(options.task, options)
    energy = np.array([record[ENERGY] for record in load_records(options.task)[0]], dtype=float)
    small = X.primitive_sizes <= 100
    X, y, energy, is_gap = X[small], y[small], energy[small], y_test > 0
    parameters = json.loads(options.parameters) | {"random_state": options.seed, "verbose": 1}
    print(f"metals among the test crystals: {1 - is_gap.mean():.1%}")
    for name, targets in (("two", [y, energy]), ("three", [y, energy, y > 0])):
        clamp = (True, *[False] * (len(targets) - 1))
        model = SiteNetRegressor(**parameters, clamp=clamp).fit(X, np.column_stack(targets))
        error, raw = np.abs(model.predict(X_test)[:, 0] - y_test).mean(), model.predict_raw(X_test)
        answers = [f"output {k + 1}: {share_right(raw[:, k], is_gap):.1%}" for k in (0, 2)[: len(targets) - 1]]
        print(f"{name} targets: gap {error:.3f} eV; right by {', '.join(answers)}", flush=True)
    shares = SiteNetClassifier(**parameters).fit(X, y > 0).predict_proba(X_test)[:, 1]
    print(f"classifier: right {((shares > 0.5) == is_gap).mean():.1%}; calibrated {share_right(shares, is_gap):.1%}")


if __name__ == "__main__":
    main()
