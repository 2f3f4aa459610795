"""How accurate the recipe is, on fixed splits of published data, beside other models on the same splits.

    OMP_NUM_THREADS=2 python tests/benchmarks/accuracy.py train_1000 --seeds 5 --folder accuracy
    python tests/benchmarks/accuracy.py train_1000 --model "gradient boosting, Magpie"
    python tests/benchmarks/accuracy.py --table --learning-curve learning_curve.png

Predictions of every model and seed are kept in the folder, networks too: a run goes on where it was interrupted,
a Site-Net even within its training. Started with torchrun, several processes share the training. The table has the
mean absolute error of single models with its spread over seeds, that of the mean of all seeds, and the time that
training took.
"""

import argparse
import json
import time
from pathlib import Path

import joblib
import numpy as np
from crystals import DATA, read_records
from matplotlib.figure import Figure
from peers import PEERS
from sklearn.pipeline import Pipeline
from torch import distributed

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, save_model
from sitenet_sklearn.crystals.interaction_features import INTERACTION_FEATURES
from sitenet_sklearn.training.data_parallel import is_first_process

MATBENCH, GAP, ENERGY = "matbench_mp_gap_train", "band_gap_eV", "formation_energy_eV_per_atom"
FEATURES = {
    "all": {},
    "environment": {"site_features": ("elements", "environment")},
    "symmetry": {"site_features": ("elements", "symmetry")},
    "elements": {"site_features": "elements"},
    "sites": {"site_features": "elements", "interaction_features": INTERACTION_FEATURES},
    "paper": {"site_features": "paper", "interaction_features": INTERACTION_FEATURES},
}
NETWORKS = {
    "default": {},
    "narrow": {"coordination_radius": None, "residual": False},
    "paper": {"attention_hidden_layers": (225,), "coordination_radius": None, "residual": False},
}
"""What differs from the defaults."""
TASKS = {
    "train_100": (MATBENCH, GAP),
    "train_1000": (MATBENCH, GAP),
    "train_10000": (MATBENCH, GAP),
    "matbench": (MATBENCH, GAP),
    "choice": (MATBENCH, GAP),
    "choice_10000": (MATBENCH, GAP),
    "dielectric": ("dielectric_petousis2017", GAP),
    "choice_dielectric": ("dielectric_petousis2017", GAP),
    "formation_energy": ("flla2015_formation_energy", ENERGY),
}
"""File and target of every task.

Those of Matbench are tested on validation_2000, the others on a fifth. Only tasks with "choice" may decide about the
recipe: 1,000 and 2,000 crystals of train_10000 that are not in train_1000, train_10000 split into 8,000 and 2,000, the
training part of the dielectric set, split again.
"""


def load_task(name):
    """Structures and targets to train on, then those to test on."""
    target = TASKS[name][1]
    parts = load_records(name)
    return [([r["structure"] for r in part], np.array([r[target] for r in part])) for part in parts]


def second_target(name):
    """Formation energies of the crystals to train on, NaN where unknown."""
    return np.array([r[ENERGY] for r in load_records(name)[0]], dtype=float)


def load_records(name):
    """Records to train on, then those to test on."""
    file, _ = TASKS[name]
    path, splits = DATA / f"{file}.jsonl.gz", json.loads((DATA / "splits.json").read_text())
    if file != MATBENCH:
        records = list(read_records(path))
        order = np.random.RandomState(0).permutation(len(records))
        order = order[: int(0.8 * len(order))] if name == "choice_dielectric" else order
        n_train = 640 if name == "choice_dielectric" else int(0.8 * len(order))
        parts = [[records[k] for k in rows] for rows in np.split(order, [n_train])]
    else:
        splits["train_100"] = splits["train_1000"][:100]
        test = set(splits["validation_2000"])
        if name == "choice":
            known = set(splits["train_1000"])
            others = np.array([k for k in splits["train_10000"] if k not in known])
            others = np.random.RandomState(0).permutation(others).tolist()
            test, splits[name] = set(others[:2000]), others[2000:3000]
        if name == "choice_10000":
            known = [record["id"] for record in read_records(path, ids=set(splits["train_10000"]))]
            test = {known[k] for k in np.random.RandomState(0).permutation(len(known))[:2000]}
            splits[name] = [k for k in known if k not in test]
        wanted = set(splits[name]) | test if name in splits else None
        records = list(read_records(path, ids=wanted))
        parts = [[r for r in records if r["id"] not in test], [r for r in records if r["id"] in test]]
    return parts


def make_featurizer(options):
    """Featurizer that the options ask for."""
    return SupercellFeaturizer(options.max_atoms, **FEATURES[options.features])


def featurized(name, options):
    """Crystals of a task, kept in the folder, and their targets."""
    path = options.folder / f"{name}_{options.max_atoms}_{options.features}.joblib"
    if not path.is_file():
        featurizer = make_featurizer(options)
        joblib.dump([(featurizer.transform(structures), y) for structures, y in load_task(name)], path)
    return joblib.load(path)


def predict_sitenet(name, seed, options):
    """Predictions of one Site-Net for the test crystals, their targets, epochs and seconds of training."""
    (X, y), (X_test, y_test) = featurized(name, options)
    small, clamp = X.primitive_sizes <= options.largest, TASKS[name][1] == GAP
    if options.two_targets:
        y, clamp = np.column_stack([y, second_target(name)]), (clamp, False)
    parameters = NETWORKS[options.network] | json.loads(options.parameters) | {"clamp": clamp, "random_state": seed}
    model = SiteNetRegressor(**parameters, checkpoint_dir=options.folder, verbose=1).fit(X[small], y[small])
    if is_first_process():
        (options.folder / "models").mkdir(exist_ok=True)
        pipeline = Pipeline([("featurizer", make_featurizer(options)), ("sitenet", model)])
        save_model(pipeline, options.folder / "models" / f"{name}__{options.label}__{seed}.safetensors")
    y_pred = model.predict(X_test).reshape(len(y_test), -1)[:, 0]
    return y_pred, y_test, len(model.history_), sum(model.history_[:, "dur"])


def predict_peer(name, seed, options):
    """The same of another model, which counts no epochs."""
    (train, y), (test, y_test) = load_task(name)
    start = time.perf_counter()
    return PEERS[options.model](train, y, test, seed), y_test, 0, time.perf_counter() - start


def run(name, seed, options):
    """Train and test one model, unless that was done before."""
    path = options.folder / "results" / f"{name}__{options.model.replace('/', '-')}__{options.label}__{seed}.npz"
    if path.is_file():
        return
    predict = predict_sitenet if options.model == "Site-Net" else predict_peer
    y_pred, y_test, epochs, seconds = predict(name, seed, options)
    if not is_first_process():
        return
    path.parent.mkdir(exist_ok=True)
    np.savez(path, y_test=y_test, y_pred=y_pred, epochs=epochs, seconds=seconds)


def read_runs(folder):
    """Results in the folder by task, model and settings."""
    runs = {}
    for path in sorted((folder / "results").glob("*.npz")):
        runs.setdefault(tuple(path.stem.split("__")[:3]), []).append(np.load(path))
    return runs


def print_table(folder):
    """One row for every task and model in the folder."""
    print("| task | model | settings | MAE | spread | seeds | MAE of their mean | epochs | minutes each |")
    print("|---|---|---|---|---|---|---|---|---|")
    for names, results in read_runs(folder).items():
        y = results[0]["y_test"]
        errors = [np.abs(result["y_pred"] - y).mean() for result in results]
        together = np.abs(np.mean([result["y_pred"] for result in results], axis=0) - y).mean()
        minutes = np.mean([result["seconds"] for result in results]) / 60
        spread = f"{np.std(errors):.3f}" if len(errors) > 1 else ""
        print(
            f"| {' | '.join(names)} | {np.mean(errors):.3f} | {spread} | {len(results)} | {together:.3f} "
            f"| {results[0]['epochs']} | {minutes:.1f} |"
        )


def draw_learning_curve(folder, path):
    """Draw the mean error of every model against the number of Matbench's crystals that it learned from."""
    figure = Figure(figsize=(5.5, 4), layout="constrained")
    ax, points = figure.add_subplot(), {}
    for (task, model, _), results in read_runs(folder).items():
        if task.startswith("train_"):
            errors = [np.abs(result["y_pred"] - result["y_test"]).mean() for result in results]
            points.setdefault(model, []).append((int(task.removeprefix("train_")), np.mean(errors), np.std(errors)))
    for (model, values), marker in zip(sorted(points.items()), "osD^v", strict=False):
        ax.errorbar(*zip(*sorted(values), strict=True), fmt=f"{marker}-", capsize=3, label=model)
    ax.set(xscale="log", xlabel="training crystals", ylabel="mean absolute error (eV)")
    ax.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="?", choices=TASKS)
    parser.add_argument("--model", choices=["Site-Net", *PEERS], default="Site-Net")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--max-atoms", type=int, default=50)
    parser.add_argument("--features", choices=FEATURES, default="all", help="what describes sites and pairs")
    parser.add_argument("--network", choices=NETWORKS, default="default", help="parameters of the network")
    parser.add_argument("--largest", type=int, default=100, help="largest primitive cell that Site-Net is trained on")
    parser.add_argument("--parameters", default="{}", help="parameters of SiteNetRegressor, as JSON")
    parser.add_argument("--two-targets", action="store_true", help="train on formation energies as a second target")
    parser.add_argument("--label", default="recipe", help="name of these settings in the table")
    parser.add_argument("--folder", type=Path, default=Path("accuracy"))
    parser.add_argument("--table", action="store_true", help="only print what the folder holds")
    parser.add_argument("--learning-curve", type=Path, help="file for a figure of the tasks train_*")
    options = parser.parse_args()
    if options.two_targets and TASKS[options.task][0] != MATBENCH:
        parser.error(f"{options.task} has no second target: --two-targets is for the tasks of Matbench")
    options.folder.mkdir(exist_ok=True)
    if distributed.is_torchelastic_launched():
        distributed.init_process_group("gloo")
    for seed in [] if options.table else options.seeds:
        run(options.task, seed, options)
    if is_first_process():
        print_table(options.folder)
    if options.learning_curve:
        draw_learning_curve(options.folder, options.learning_curve)
