"""Put a model of a property into the package that about 1,000 crystals have, trained from scratch or fine-tuned.

    OMP_NUM_THREADS=1 python tests/benchmarks/ship_property.py bulk_modulus
    OMP_NUM_THREADS=1 python tests/benchmarks/ship_property.py bulk_modulus --ship scratch

The first compares training from scratch, fine-tuning of the band-gap model and gradient boosting, by the mean absolute
error in five folds. The second trains on four fifths of the crystals, makes intervals from the others, and writes the
file and its card. Errors on the card are those of the five folds.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from crystals import DATA, read_records
from ship import CARDS, MODELS, errors_of, trust_of
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold, cross_val_predict, train_test_split
from sklearn.pipeline import Pipeline

import sitenet_sklearn
from sitenet_sklearn import CalibratedRegressor, SiteNetRegressor, load_pretrained, save_model
from sitenet_sklearn.cli.baselines import magpie_features
from sitenet_sklearn.pretrained import pretrained_file

SETS = {
    "bulk_modulus": ("elastic_dejong2015", "K_VRH_GPa"),
    "shear_modulus": ("elastic_dejong2015", "G_VRH_GPa"),
    "refractive_index": ("dielectric_petousis2017", "refractive_index_n"),
    "last_phonon_peak": ("matbench_phonons", "last_phdos_peak_per_cm"),
}
"""File and entry; log10 of it is learned."""
WAYS = {"scratch": {}, "band_gap": {"pretrained": pretrained_file("band_gap"), "new_head": True}}
FOLDS = KFold(5, shuffle=True, random_state=0)


def read_set(name):
    """Records with a positive value and at most 100 sites, and the logarithms of the values."""
    file, entry = SETS[name]
    records = [record for record in read_records(DATA / f"{file}.jsonl.gz") if (record.get(entry) or 0) > 0]
    records = [record for record in records if len(record["structure"]) <= 100]
    return records, np.log10([record[entry] for record in records])


def cross_validated(name, way, X, y, options):
    """Predictions of all crystals in five folds, kept in the folder."""
    path = options.folder / f"{name}__{way}.npy"
    if not path.is_file():
        model = SiteNetRegressor(**{"clamp": False, "random_state": 0} | WAYS[way])
        np.save(path, cross_val_predict(model, X, y, cv=FOLDS))
    return np.load(path)


def ship(name, way, crystals, options):
    """Write the file and the card of a model."""
    records, X, y = crystals
    X.index = pd.Index([record["id"] for record in records])
    train, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=0)
    network = SiteNetRegressor(**{"clamp": False, "random_state": 0} | WAYS[way])
    start = time.perf_counter()
    network.fit(X[train], y[train])
    minutes = round((time.perf_counter() - start) / 60, 1)
    alone = clone(network).set_params(pretrained=None, new_head=False)  # the file holds all that it began from
    alone._adopt(network.net_.module_, network.site_feature_names_in_, X.interaction_feature_names)
    alone.history_.extend(network.history_)
    model = CalibratedRegressor.from_fitted(alone, (X[train], y[train]), (X[test], y[test]))
    card = CARDS[name]
    trained = {"seed": 0, "epochs": len(network.history_), "minutes": minutes}
    card["training"] |= {"networks": [trained], "version": sitenet_sklearn.__version__}
    card["errors"] = errors_of(y, cross_validated(name, way, X, y, options), records)
    card["trust"] = trust_of(model, X[test], y[test])
    (MODELS / name).mkdir(parents=True, exist_ok=True)
    featurizer = clone(load_pretrained("band_gap")[0])
    save_model(Pipeline([("featurizer", featurizer), ("sitenet", model)]), MODELS / name / "model.safetensors")
    (MODELS / name / "card.json").write_text(json.dumps(card, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SETS)
    parser.add_argument("--ship", choices=WAYS, help="how to train the model that is written")
    parser.add_argument("--folder", type=Path, default=Path("properties"))
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    records, y = read_set(options.name)
    structures = [record["structure"] for record in records]
    X = clone(load_pretrained("band_gap")[0]).transform(structures)
    if options.ship:
        ship(options.name, options.ship, (records, X, y), options)
        return
    features = magpie_features([structure.composition for structure in structures])
    found = {way: cross_validated(options.name, way, X, y, options) for way in WAYS}
    found["gradient boosting"] = cross_val_predict(HistGradientBoostingRegressor(random_state=0), features, y, cv=FOLDS)
    found["median"] = np.full(len(y), np.median(y))
    errors = {way: np.abs(values - y) for way, values in found.items()}
    listed = ", ".join(f"{way} {error.mean():.4f}" for way, error in errors.items())
    gain = errors["scratch"] - errors["band_gap"]
    print(f"{options.name}, log10, {len(y)} crystals: {listed}")
    print(
        f"  from band_gap less than from scratch by {gain.mean():.4f}, standard error {gain.std() / len(y) ** 0.5:.4f}"
    )


if __name__ == "__main__":
    main()
