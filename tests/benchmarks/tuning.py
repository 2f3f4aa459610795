"""What tuning gains, and what pruning saves.

    OMP_NUM_THREADS=2 python tests/benchmarks/tuning.py

Two studies try the same parameters in the same order on the bundled band gaps, with and without pruning. Printed are
the best score of each, the epochs that each trained, the time, and the score of the defaults on the same fold; batches
have 128 sites.
"""

import argparse
import time

import numpy as np
from optuna.samplers import RandomSampler
from sklearn.model_selection import ShuffleSplit, cross_val_score

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.tuning import tune


def search(X, y, model, folds, options, pruner):
    """Epochs trained and best score of one study."""
    start = time.perf_counter()
    limits = {"n_trials": options.n_trials, "pruner": pruner, "sampler": RandomSampler(seed=0), "random_state": 0}
    study = tune(model, X, y, cv=folds, verbose=1, **limits).study
    epochs = sum(trial.user_attrs["epochs"] for trial in study.trials)
    minutes = (time.perf_counter() - start) / 60
    pruned = sum(trial.state.name == "PRUNED" for trial in study.trials)
    print(
        f"{pruner:<8}: best MAE {-study.best_value:.3f} eV, {epochs} epochs, {pruned} pruned, {minutes:.1f} minutes, "
        f"refit included; best parameters {study.best_params}"
    )
    return epochs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-trials", type=int, default=30)
    parser.add_argument("--max-epochs", type=int, default=12)
    parser.add_argument("--max-atoms", type=int, default=30)
    parser.add_argument("--pruner", default="halving")
    options = parser.parse_args()
    structures, band_gap = load_dielectric(return_X_y=True)
    X = SupercellFeaturizer.from_preset("paper", max_atoms=options.max_atoms).transform(structures)
    model = SiteNetRegressor.from_preset(
        "paper", early_stopping=False, max_epochs=options.max_epochs, batch_size=128, random_state=0
    )
    folds = ShuffleSplit(1, test_size=0.25, random_state=0)
    default = cross_val_score(model, X, band_gap, cv=folds, scoring="neg_mean_absolute_error")
    print(f"defaults: MAE {-np.mean(default):.3f} eV")
    some, every = (search(X, band_gap, model, folds, options, pruner) for pruner in (options.pruner, "none"))
    print(f"pruning saved {1 - some / every:.0%} of the epochs")
