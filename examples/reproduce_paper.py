"""
Reproduce the paper's tables and figures.

    python examples/reproduce_paper.py train --train-size 1000 --max-atoms 50 --seeds 0 1 2
    python examples/reproduce_paper.py train --train-size 1000 --max-atoms 500 --cutoff 5 --minutes 60
    python examples/reproduce_paper.py train --target formation-energy --train-size 1000
    python examples/reproduce_paper.py report
    python examples/reproduce_paper.py submission

Matbench's mp_gap and mp_e_form are downloaded, or read from `--data`: a file as Matbench publishes it, or JSON lines
with `id`, `poscar`, `matbench_fold` and the targets. The folder keeps crystals, models and predictions, so an
interrupted command resumes. `report` writes the results in the folder to report.md, with the figures beside it.
"""

import argparse
import gzip
import hashlib
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import joblib
import matplotlib as mpl
import matplotlib.figure
import numpy as np
import pandas as pd
from pymatgen.core import Structure
from sklearn.metrics import max_error, mean_absolute_error, root_mean_squared_error

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, load_model, save_model
from sitenet_sklearn.analysis import complexity, long_range_coefficients
from sitenet_sklearn.datasets import fetch_matbench
from sitenet_sklearn.displays import AttentionHistogramDisplay, LongRangeDisplay, ParityDisplay

TASKS = {
    "band-gap": ("matbench_mp_gap", "band_gap_eV", "eV"),
    "formation-energy": ("matbench_mp_e_form", "formation_energy_eV_per_atom", "eV/atom"),
}
"""Matbench task, key in JSON lines, and unit of every target."""

PAPER = {
    ("band-gap", None, 500, None): "0.234 (Table 2)",
    ("band-gap", None, 500, 5.0): "0.273 (Table 2)",
    ("band-gap", None, 100, None): "0.246 (Table 2)",
    ("band-gap", None, 50, None): "0.294 (Table 2)",
    ("band-gap", 1000, None, None): "0.74 to 0.78 (Table 3)",
    ("band-gap", 10000, None, None): "0.47 to 0.49 (Table 3)",
}
"""Mean absolute errors in the paper by target, training crystals, atoms and cut-off; None stands for all."""


def load_crystals(options):
    """Table of all crystals of a task: id, structure, target and Matbench's test fold."""
    task, key, _ = TASKS[options.target]
    if options.data and options.data.name.endswith((".jsonl", ".jsonl.gz")):
        opened = gzip.open if options.data.suffix == ".gz" else open
        with opened(options.data, "rt", encoding="utf-8") as lines:
            table = pd.DataFrame([json.loads(line) for line in lines])
        table = table[table[key].notna()].rename(columns={key: "target", "matbench_fold": "fold"})
        return table.assign(structure=None)
    found = fetch_matbench(task, path=options.data)
    fold = np.empty(len(found.data), int)
    for k, (_, test) in enumerate(found.folds):
        fold[test] = k
    return pd.DataFrame({"id": found.ids, "structure": found.data, "target": found.target, "fold": fold})


def split(table, options):
    """Draw the training and test crystals; the same options give the same crystals."""
    fold = table["fold"].min() if options.fold is None else options.fold
    parts = [table[table["fold"] != fold], table[table["fold"] == fold]]
    sizes = options.train_size, options.test_size
    return [
        part if size is None else part.sample(min(size, len(part)), random_state=0)
        for part, size in zip(parts, sizes, strict=True)
    ]


def featurized(part, options):
    """Featurize a part of the table, and keep the result in the folder."""
    name = hashlib.sha256(f"{options.max_atoms} {' '.join(part['id'])}".encode()).hexdigest()[:16]
    path = options.folder / "crystals" / f"{name}.joblib"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        structures = [
            Structure.from_str(row.poscar, fmt="poscar") if row.structure is None else row.structure
            for row in part.itertuples()
        ]
        changes = {"max_atoms": options.max_atoms, "site_features": "elements", "verbose": 1}
        featurizer = SupercellFeaturizer.from_preset("paper", **changes)
        cells = pd.DataFrame(
            {
                "complexity": [complexity(structure).total for structure in structures],
                "edge": [structure.get_primitive_structure(0.01).volume ** (1 / 3) for structure in structures],
            }
        )
        joblib.dump((featurizer.transform(structures), cells), path)
    return joblib.load(path)


def published_network(options, **changes):
    """Build the published network, to be trained with this library's settings of training."""
    ours = {"batch_size": "auto", "early_stopping": False, "train_oversized": True}
    return SiteNetRegressor.from_preset("paper", cutoff=options.cutoff, **ours, **changes)


def affordable_epochs(X, y, options):
    """Estimate how many epochs fit into the minutes allowed, from the time of one epoch on a sample."""
    if options.minutes is None:
        return options.max_epochs
    sample = np.random.RandomState(0).permutation(len(X))[:500]
    model = published_network(options, max_epochs=1, random_state=0)
    start = time.perf_counter()
    model.fit(X[sample], y[sample])
    seconds = (time.perf_counter() - start) * len(X) / len(sample)
    return int(np.clip(60 * options.minutes / seconds, 1, options.max_epochs))


def train(options):
    """Train and test a model for every seed that is not done."""
    paths = {seed: options.folder / "runs" / f"{run_name(options)}_{seed}.json" for seed in options.seeds}
    if all(path.is_file() for path in paths.values()):
        return
    training, test = split(load_crystals(options), options)
    (X, _), (X_test, _) = featurized(training, options), featurized(test, options)
    y, y_test = training["target"].to_numpy(), test["target"].to_numpy()
    small = X.primitive_sizes <= options.largest
    for seed, path in paths.items():
        if path.is_file():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        plan = path.with_suffix(".epochs")  # keep the number when an interrupted training resumes
        if not plan.is_file():
            plan.write_text(str(affordable_epochs(X[small], y[small], options)))
        model = published_network(
            options,
            max_epochs=int(plan.read_text()),
            clamp=options.target == "band-gap",
            checkpoint_dir=options.folder / "checkpoints",
            random_state=seed,
            verbose=1,
        )
        save_model(model.fit(X[small], y[small]), path.with_suffix(".safetensors"))
        result = {name: getattr(options, name) for name in ("target", "train_size", "max_atoms", "cutoff", "fold")}
        result |= {
            "n_train": int(small.sum()),
            "seed": seed,
            "epochs": len(model.history_),
            "seconds": sum(model.history_[:, "dur"]),
        }
        predicted = model.predict(X_test).astype(float)
        result |= {"ids": test["id"].tolist(), "true": y_test.tolist(), "predicted": predicted.tolist()}
        path.write_text(json.dumps(result))


def run_name(options):
    """Name of a setting, without its seed."""
    cutoff = "none" if options.cutoff is None else f"{options.cutoff:g}"
    fold = "" if options.fold is None else f"_fold{options.fold}"
    return f"{options.target}_{options.train_size or 'all'}_{options.max_atoms}_{cutoff}{fold}"


def read_runs(folder):
    """Group the results in the folder by setting, smaller ones first."""
    groups = {}
    for path in sorted((folder / "runs").glob("*.json")):
        groups.setdefault(path.stem.rpartition("_")[0], []).append(json.loads(path.read_text()))

    def size(group):
        target, n_train, atoms, cutoff = (group[1][0][name] for name in ("target", "n_train", "max_atoms", "cutoff"))
        return target, n_train, atoms, cutoff or np.inf

    return dict(sorted(groups.items(), key=size))


def report(options):
    """Write report.md: a row for every setting, and the figures of its first model."""
    rows = [
        "| target | training crystals | atoms | cut-off (Å) | MAE | spread | seeds | epochs | minutes each | paper |"
    ]
    rows.append("|" + "---|" * 10)
    figures = []
    for name, runs in read_runs(options.folder).items():
        first = runs[0]
        errors = [mean_absolute_error(run["true"], run["predicted"]) for run in runs]
        setting = [first[key] for key in ("target", "train_size", "max_atoms", "cutoff")]
        known = PAPER.get((setting[0], setting[1], setting[2] if setting[1] is None else None, setting[3]), "")
        minutes = np.mean([run["seconds"] for run in runs]) / 60
        shown = [setting[0], setting[1] or "all", setting[2], setting[3] or "none"]
        figures_of_run = [
            f"{np.mean(errors):.3f}",
            f"{np.std(errors):.3f}" if len(runs) > 1 else "",
            len(runs),
            first["epochs"],
            f"{minutes:.1f}",
        ]
        rows.append("| " + " | ".join(map(str, [*shown, *figures_of_run, known])) + " |")
        figures += draw(name, first, options.folder)
    if len({runs[0]["train_size"] for runs in read_runs(options.folder).values()}) > 1:
        figures.insert(0, draw_learning_curve(options.folder))
    made = ", ".join(f"{package} {version(package)}" for package in ("sitenet-sklearn", "torch", "scikit-learn"))
    made = f"With {made}, Python {platform.python_version()} on {platform.machine()} with {os.cpu_count()} cores."
    commands = ["Commands:", "", "```bash", *map(command, read_runs(options.folder).values()), "```"]
    images = [f"![{path.stem}]({path.name})" for path in figures]
    text = "\n".join(["# The paper's figures, reproduced", "", made, "", *rows, "", *commands, "", *images, ""])
    (options.folder / "report.md").write_text(text)


def command(runs):
    """Return the command that trains the models of a setting."""
    words = ["python examples/reproduce_paper.py train --target", runs[0]["target"]]
    for name in ("train_size", "max_atoms", "cutoff", "fold"):
        if runs[0][name] is not None:
            words += ["--" + name.replace("_", "-"), runs[0][name]]
    return " ".join(map(str, [*words, "--max-epochs", runs[0]["epochs"], "--seeds", *(run["seed"] for run in runs)]))


def draw(name, run, folder):
    """Draw Figs. 5b, 6 and 7 for a model, and return the files."""
    model = load_model(folder / "runs" / f"{name}_{run['seed']}.safetensors")
    options = argparse.Namespace(folder=folder, max_atoms=run["max_atoms"])
    X, cells = featurized(pd.DataFrame({"id": run["ids"]}), options)
    quantity, unit = run["target"].replace("-", " "), TASKS[run["target"]][2]
    coefficient = long_range_coefficients(model, X)[:, 1].sum(axis=1)
    displays = {
        "fig5b": ParityDisplay.from_predictions(run["true"], run["predicted"], quantity=quantity, unit=unit),
        "fig6": AttentionHistogramDisplay.from_estimator(model, X),
        "fig7a": LongRangeDisplay(cells["complexity"], coefficient).plot(),
        "fig7b": LongRangeDisplay(
            cells["edge"], coefficient, measure_name="cube root of the primitive volume (Å)"
        ).plot(),
    }
    paths = []
    for figure, display in displays.items():
        paths.append(folder / f"{figure}_{name}.png")
        display.figure_.savefig(paths[-1], dpi=80)
    return paths


def draw_learning_curve(folder):
    """Draw Fig. 5a, the error against the number of training crystals, a line for every size of supercell."""
    figure = mpl.figure.Figure(figsize=(5.5, 4), layout="constrained")
    ax, lines = figure.add_subplot(), {}
    for runs in read_runs(folder).values():
        first = runs[0]
        if first["cutoff"] is None:
            error = np.mean([mean_absolute_error(run["true"], run["predicted"]) for run in runs])
            lines.setdefault((first["target"], first["max_atoms"]), []).append((first["n_train"], error))
    for (target, atoms), points in lines.items():
        ax.plot(*zip(*sorted(points), strict=True), "o-", label=f"{target}, {atoms} atoms")
    ax.set(xscale="log", yscale="log", xlabel="training crystals", ylabel="mean absolute error (eV, eV/atom)")
    ax.legend()
    figure.savefig(folder / "fig5a.png", dpi=80)
    return folder / "fig5a.png"


def submission(options):
    """Write results.json.gz and info.json for Matbench, once all five folds are trained on all crystals."""
    task = TASKS[options.target][0]
    folds = {run["fold"]: run for runs in read_runs(options.folder).values() for run in runs if run["seed"] == 0}
    missing = [k for k in range(5) if k not in folds]
    if missing:
        raise SystemExit(f"folds {missing} are missing: train each with --fold K --test-size 0 --seeds 0")
    results = {}
    for k in range(5):
        true, predicted = np.array(folds[k]["true"]), np.array(folds[k]["predicted"])
        nonzero = np.abs(true) > 1e-5
        scores = {
            "mae": mean_absolute_error(true, predicted),
            "rmse": root_mean_squared_error(true, predicted),
            "mape": np.mean(np.abs((true - predicted)[nonzero] / true[nonzero])),
            "max_error": max_error(true, predicted),
        }
        data = dict(zip(folds[k]["ids"], folds[k]["predicted"], strict=True))
        results[f"fold_{k}"] = {"data": data, "parameters": {}, "scores": {n: float(s) for n, s in scores.items()}}
    entry = {"@module": "matbench.task", "@class": "MatbenchTask", "benchmark_name": "matbench_v0.1"}
    content = {
        "@module": "matbench.bench",
        "@class": "MatbenchBenchmark",
        "version": "0.6",
        "tasks": {task: entry | {"dataset_name": task, "results": results}},
        "user_metadata": {},
        "benchmark_name": "matbench_v0.1",
        "datestamp": time.strftime("%Y.%m.%d %H:%M.%S", time.gmtime()),
    }
    content["hash"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    with gzip.open(options.folder / "results.json.gz", "wt", encoding="utf-8") as file:
        json.dump(content, file)
    info = {
        "algorithm": "Site-Net (sitenet_sklearn)",
        "requirements": {"python": [f"sitenet-sklearn=={version('sitenet-sklearn')}"]},
    }
    (options.folder / "info.json").write_text(json.dumps(info, indent=2))


def main():
    """Parse the command line and run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train", "report", "submission"])
    parser.add_argument("--target", choices=TASKS, default="band-gap")
    parser.add_argument("--train-size", type=int, help="training crystals; default all")
    parser.add_argument("--test-size", type=int, default=2000, help="test crystals; 0 for all")
    parser.add_argument("--fold", type=int, help="Matbench fold to test on; default the first in the data")
    parser.add_argument("--max-atoms", type=int, default=100)
    parser.add_argument("--cutoff", type=float, help="cut-off of attention in angstrom")
    parser.add_argument("--max-epochs", type=int, default=40)
    parser.add_argument("--minutes", type=float, help="time for one training; fewer epochs if it is too short")
    parser.add_argument("--largest", type=int, default=100, help="sites of the largest primitive cell to train on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", type=Path, help="file to read instead of downloading")
    parser.add_argument("--folder", type=Path, default=Path("reproduction"))
    options = parser.parse_args()
    options.test_size = options.test_size or None
    options.folder.mkdir(parents=True, exist_ok=True)
    mpl.use("agg")
    {"train": train, "report": report, "submission": submission}[options.command](options)


if __name__ == "__main__":
    main()
