"""Site-Net for scikit-learn: properties of crystals by global self-attention over real-space supercells."""

from . import _starting  # noqa: F401 before all that takes time
from .crystals.ragged import RaggedCrystals
from .estimators.calibrated import CalibratedRegressor
from .estimators.chunks import predict_in_chunks
from .estimators.classifier import SiteNetClassifier
from .estimators.disorder import DisorderedRegressor
from .estimators.ensemble import SiteNetEnsemble
from .estimators.persistence import load_model, save_model
from .estimators.prediction_table import predict_table
from .estimators.reference import load_reference_checkpoint
from .estimators.regressor import SiteNetRegressor
from .featurization.featurizer import SupercellFeaturizer
from .featurization.filtering import filter_structures
from .featurization.streaming import featurize_to_store
from .pretrained import list_pretrained, load_pretrained

__all__ = [
    "CalibratedRegressor",
    "DisorderedRegressor",
    "RaggedCrystals",
    "SiteNetClassifier",
    "SiteNetEnsemble",
    "SiteNetRegressor",
    "SupercellFeaturizer",
    "featurize_to_store",
    "filter_structures",
    "list_pretrained",
    "load_model",
    "load_pretrained",
    "load_reference_checkpoint",
    "predict_in_chunks",
    "predict_table",
    "save_model",
]
__version__ = "0.1.0"
