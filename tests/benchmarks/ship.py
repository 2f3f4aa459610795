"""Put networks that `accuracy.py` trained into the package: a calibrated ensemble, and a card that says how good it is.

    python tests/benchmarks/ship.py band_gap --networks default:0 members:1 members:2 --folder accuracy

Of networks with two targets the one that belongs to the name is kept. The held-out crystals of the task make the
intervals; the card says how the errors depend on them, measured with intervals from one half of these crystals on the
other half.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import ENERGY, GAP, featurized, load_records
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.pipeline import Pipeline

import sitenet_sklearn
from sitenet_sklearn import CalibratedRegressor, SiteNetEnsemble, load_model, save_model
from sitenet_sklearn.network.weights_file import build_network

MODELS = Path(sitenet_sklearn.__file__).parent / "models"
TASKS = {"band_gap": ("matbench", GAP, 0), "formation_energy": ("matbench", ENERGY, 1)}
"""Task of `accuracy.py`, entry of a record, and number of the target."""
CARDS = json.loads(Path(__file__).with_name("cards.json").read_text())
MOST_NEIGHBORS = {"formation_energy": 20_000}
"""Training crystals to remember, where not all of them are: the package stays small."""
_OF_TARGETS = ("output.weight", "output.bias", "target_shift", "target_scale")


def one_target(estimator, number):
    """Regressor that predicts one of its targets only."""
    network = estimator.net_.module_
    if network.n_targets is None:
        return estimator
    config = network.config | {"n_targets": None, "clamp": network.config["clamp"][number]}
    state = {k: v[number : number + 1] if k in _OF_TARGETS else v for k, v in network.state_dict().items()}
    alone = clone(estimator).set_params(clamp=config["clamp"], verbose=0)
    alone._adopt(build_network(config, state), estimator.site_feature_names_in_, network.interaction_features)
    alone.history_.extend(estimator.history_)
    return alone


def crystals_of(name, options):
    """Crystals with their ids, and known targets: to train on, then held out."""
    task, entry, _ = TASKS[name]
    options.max_atoms, options.features = 50, "all"
    for (X, _), records in zip(featurized(task, options), load_records(task), strict=True):
        X.index = pd.Index([record["id"] for record in records])
        y = np.array([record[entry] for record in records], dtype=float)
        known = np.isfinite(y)
        yield X[known], y[known], [record for record, right in zip(records, known, strict=True) if right]


def errors_of(y_test, y_pred, records):
    """Mean absolute errors: of all, by number of sites, and by element where at least 20 crystals have it."""
    error = np.abs(y_pred - y_test)
    sites = np.array([len(record["structure"]) for record in records])
    elements = [{element.symbol for element in record["structure"].composition.elements} for record in records]
    found = {"crystals": len(error), "mean absolute error": round(float(error.mean()), 3)}
    found["median predictor"] = round(float(np.abs(y_test - np.median(y_test)).mean()), 3)
    limits = [(1, 10), (11, 20), (21, 50), (51, 100), (101, 10**6)]
    by_sites = {f"{a} to {b}" if b < 10**6 else f"{a} and more": (sites >= a) & (sites <= b) for a, b in limits}
    found["by sites in the cell"] = {k: round(float(error[r].mean()), 3) for k, r in by_sites.items() if r.any()}
    with_element = {e: np.array([e in some for some in elements]) for e in sorted(set().union(*elements))}
    by_element = {e: round(float(error[rows].mean()), 3) for e, rows in with_element.items() if rows.sum() >= 20}
    found["by element"] = dict(sorted(by_element.items(), key=lambda entry: entry[1]))
    return found


def trust_of(model, X, y):
    """Shares and errors of intervals and flags, from calibrating on each half of the held-out crystals in turn."""
    halves = np.array_split(np.random.RandomState(0).permutation(len(y)), 2)
    tables = []
    for calibrated, tested in (halves, halves[::-1]):
        known = model.calibration_.known
        other = CalibratedRegressor.from_fitted(model.estimator_, known, (X[calibrated], y[calibrated]))
        table = other.predict_table(X[tested], 0.9).assign(true=y[tested])
        half = other.predict_table(X[tested], 0.5)
        tables.append(table.assign(lower_half=half["lower"], upper_half=half["upper"]))
    table = pd.concat(tables)
    error = (table["prediction"] - table["true"]).abs()
    width, flagged = table["upper"] - table["prediction"], table["flags"] != ""
    inside = table["true"].between(table["lower"], table["upper"])
    found = {
        "crystals": len(table),
        "90 % intervals hold": inside.mean(),
        "50 % intervals hold": table["true"].between(table["lower_half"], table["upper_half"]).mean(),
        "median half width of a 90 % interval": width.median(),
        "rank correlation of error and width": spearmanr(error, width)[0],
        "flagged": flagged.mean(),
        "error of flagged": error[flagged].mean(),
        "error of the others": error[~flagged].mean(),
        "90 % intervals of flagged hold": inside[flagged].mean(),
    }
    if "probability_above_0" in table:
        above = table["true"] > 0
        found["metal or not, right"] = ((table["probability_above_0"] > 0.5) == above).mean()
        found["metal or not, right if every prediction above 0 is a gap"] = ((table["prediction"] > 0) == above).mean()
    return {name: value if isinstance(value, int) else round(float(value), 3) for name, value in found.items()}


def thinned(training, name):
    """The training crystals to remember."""
    X, y = training
    most = MOST_NEIGHBORS.get(name, len(y))
    rows = np.sort(np.random.RandomState(0).permutation(len(y))[:most])
    return X[rows], y[rows]


def ship(name, options):
    """Write the file and the card of a model."""
    task, _, number = TASKS[name]
    (X, y, _), (X_test, y_test, records) = crystals_of(name, options)
    members, trainings = [], []
    for network in options.networks:
        label, seed = network.split(":")
        path = options.folder / "models" / f"{task}__{label}__{seed}.safetensors"
        pipeline = load_model(path)
        members.append(one_target(pipeline[-1], number))
        result = np.load(options.folder / "results" / f"{task}__Site-Net__{label}__{seed}.npz")
        minutes = round(float(result["seconds"]) / 60)
        trainings.append({"seed": int(seed), "epochs": int(result["epochs"]), "minutes": minutes})
    weights = [training["epochs"] for training in trainings]
    ensemble = SiteNetEnsemble(clone(members[0]), n_members=len(members), weights=weights)
    ensemble.estimators_ = members
    card = CARDS[name]
    card["training"] |= {"networks": trainings, "version": sitenet_sklearn.__version__}
    card["errors"] = errors_of(y_test, ensemble.predict(X_test), records)
    singles = [np.abs(member.predict(X_test) - y_test).mean() for member in members]
    card["errors"]["of single networks"] = [round(float(error), 3) for error in singles]
    model = CalibratedRegressor.from_fitted(ensemble, thinned((X, y), name), (X_test, y_test))
    card["trust"] = trust_of(model, X_test, y_test)
    (MODELS / name).mkdir(parents=True, exist_ok=True)
    save_model(Pipeline([(pipeline.steps[0]), ("sitenet", model)]), MODELS / name / "model.safetensors")
    (MODELS / name / "card.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=TASKS)
    parser.add_argument("--networks", nargs="+", default=["recipe:0"], help="LABEL:SEED of each, as in the folder")
    parser.add_argument("--folder", type=Path, default=Path("accuracy"))
    options = parser.parse_args()
    ship(options.name, options)
