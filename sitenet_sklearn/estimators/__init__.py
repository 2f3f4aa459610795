"""Estimators: Site-Net with scikit-learn's verbs.

`regressor` and `classifier` are what users fit; `base`, `parameters`, `selection` and `inference` are what they
share. `ensemble` and `disorder` wrap them, `chunks` predicts for more crystals than memory holds, `persistence` saves
and loads, and `reference` loads published models.
"""

from .chunks import predict_in_chunks
from .classifier import SiteNetClassifier
from .disorder import DisorderedRegressor
from .ensemble import SiteNetEnsemble
from .inference import CrystalAttention
from .parameters import PRESETS
from .persistence import load_model, save_model
from .reference import load_reference_checkpoint
from .regressor import SiteNetRegressor

__all__ = [
    "PRESETS",
    "CrystalAttention",
    "DisorderedRegressor",
    "SiteNetClassifier",
    "SiteNetEnsemble",
    "SiteNetRegressor",
    "load_model",
    "load_reference_checkpoint",
    "predict_in_chunks",
    "save_model",
]
