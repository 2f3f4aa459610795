"""Estimators: train, predict, save and load a Site-Net.

`regressor` and `classifier` are what users fit; `base`, `parameters`, `selection` and `inference` are what they
share. `ensemble`, `calibrated` and `disorder` wrap them; `conformal` and `novelty` are what `calibrated` is made of.
`prediction_table` puts all that a model knows of crystals into a table, and `chunks` predicts for more crystals than
memory holds. `persistence` and `calibration_file` save and load; `reference` loads published models.
"""

from .calibrated import CalibratedRegressor
from .chunks import predict_in_chunks
from .classifier import SiteNetClassifier
from .disorder import DisorderedRegressor
from .ensemble import SiteNetEnsemble
from .inference import CrystalAttention
from .parameters import PRESETS
from .persistence import load_model, save_model
from .prediction_table import predict_table, prediction_columns
from .reference import load_reference_checkpoint
from .regressor import SiteNetRegressor

__all__ = [
    "PRESETS",
    "CalibratedRegressor",
    "CrystalAttention",
    "DisorderedRegressor",
    "SiteNetClassifier",
    "SiteNetEnsemble",
    "SiteNetRegressor",
    "load_model",
    "load_reference_checkpoint",
    "predict_in_chunks",
    "predict_table",
    "prediction_columns",
    "save_model",
]
