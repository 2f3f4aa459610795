"""Put a trained network of `accuracy.py` into the package, with a card that says what it is and how far to trust it.

    python tests/benchmarks/ship.py band_gap --label default --folder accuracy

Of a network with two targets the first is kept. Errors on the card are those of the held-out crystals of its task.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from accuracy import load_records, read_runs
from sklearn.base import clone
from sklearn.pipeline import Pipeline

import sitenet_sklearn
from sitenet_sklearn import load_model, save_model
from sitenet_sklearn.network.weights_file import build_network

MODELS = Path(sitenet_sklearn.__file__).parent / "models"
TASKS = {"band_gap": "matbench"}
CARDS = json.loads(Path(__file__).with_name("cards.json").read_text())
_OF_TARGETS = ("output.weight", "output.bias", "target_shift", "target_scale")


def first_target(pipeline):
    """Pipeline that predicts the first of its targets only."""
    estimator = pipeline[-1]
    network = estimator.net_.module_
    if network.n_targets is None:
        return pipeline
    config = network.config | {"n_targets": None, "clamp": network.config["clamp"][0]}
    state = {k: v[:1] if k in _OF_TARGETS else v for k, v in network.state_dict().items()}
    alone = clone(estimator).set_params(clamp=config["clamp"])
    alone._adopt(build_network(config, state), estimator.site_feature_names_in_, network.interaction_features)
    alone.history_.extend(estimator.history_)
    return Pipeline([*pipeline.steps[:-1], (pipeline.steps[-1][0], alone)])


def errors_of(y_test, y_pred, records):
    """Mean absolute errors: of all, by number of sites, and by element where at least 20 crystals have it."""
    error = np.abs(y_pred - y_test)
    sites = np.array([len(record["structure"]) for record in records])
    elements = [{element.symbol for element in record["structure"].composition.elements} for record in records]
    found = {"crystals": len(error), "mean absolute error": round(float(error.mean()), 3)}
    found["median predictor"] = round(float(np.abs(y_test - np.median(y_test)).mean()), 3)
    limits = [(1, 10), (11, 20), (21, 50), (51, 100), (101, 10**6)]
    by_sites = {f"{a} to {b}" if b < 10**6 else f"{a} and more": (sites >= a) & (sites <= b) for a, b in limits}
    found["by sites in the cell"] = {k: round(float(error[rows].mean()), 3) for k, rows in by_sites.items()}
    with_element = {e: np.array([e in some for some in elements]) for e in sorted(set().union(*elements))}
    by_element = {e: round(float(error[rows].mean()), 3) for e, rows in with_element.items() if rows.sum() >= 20}
    found["by element"] = dict(sorted(by_element.items(), key=lambda entry: entry[1]))
    return found


def ship(name, options):
    """Write the file and the card of a model."""
    task = TASKS[name]
    (result,) = read_runs(options.folder)[task, "Site-Net", options.label]
    pipeline = load_model(options.folder / "models" / f"{task}__{options.label}__{options.seed}.safetensors")
    training = {"epochs": int(result["epochs"]), "minutes": round(float(result["seconds"]) / 60), "seed": options.seed}
    card = CARDS[name]
    card["training"] = card["training"] | training | {"version": sitenet_sklearn.__version__}
    card["errors"] = errors_of(result["y_test"], result["y_pred"], load_records(task)[1])
    (MODELS / name).mkdir(parents=True, exist_ok=True)
    save_model(first_target(pipeline), MODELS / name / "model.safetensors")
    (MODELS / name / "card.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=TASKS)
    parser.add_argument("--label", default="recipe", help="name of the settings in the folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("accuracy"))
    options = parser.parse_args()
    ship(options.name, options)
