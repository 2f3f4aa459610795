import json

import numpy as np
import pytest
from redescribe import redescribe
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import CalibratedRegressor, SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer, save_model

SMALL = {"max_epochs": 2, "site_dim": 4, "attention_hidden_layers": (5,), "random_state": 0}


@pytest.fixture(scope="session")
def candidate_model(structures, band_gaps):
    """A calibrated ensemble for supercells of 20 atoms."""
    ensemble = SiteNetEnsemble(SiteNetRegressor(**SMALL), n_members=2, random_state=0)
    model = CalibratedRegressor(ensemble, calibration_fraction=0.5, random_state=0)
    return make_pipeline(SupercellFeaturizer(20), model).fit(structures[:30], band_gaps[:30])


@pytest.fixture(scope="session")
def candidate_model_file(candidate_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "gap.safetensors"
    save_model(candidate_model, path)
    return path


@pytest.fixture(scope="session")
def candidates(structures, tmp_path_factory):
    """40 crystals; their other descriptions in another order; and what is no crystal: 82 rows in lines of JSON."""
    rng = np.random.default_rng(0)
    again = [(f"again-{k}", redescribe(structures[k], rng).as_dict()) for k in rng.permutation(40)]
    rows = [(f"x{k}", structure.as_dict()) for k, structure in enumerate(structures)]
    rows = [*rows[:20], ("bad", "no such\nformat"), *again[:20], *rows[20:], ("none", ""), *again[20:]]
    path = tmp_path_factory.mktemp("candidates") / "candidates.jsonl"
    path.write_text("".join(json.dumps({"id": name, "structure": values}) + "\n" for name, values in rows))
    return path
