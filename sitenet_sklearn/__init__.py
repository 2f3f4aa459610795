"""Site-Net for scikit-learn: properties of crystals by global self-attention over real-space supercells."""

from .classifier import SiteNetClassifier
from .ensemble import SiteNetEnsemble
from .featurizer import SupercellFeaturizer
from .filtering import filter_structures
from .persistence import load_model, save_model
from .ragged import RaggedCrystals
from .reference import load_reference_checkpoint
from .regressor import SiteNetRegressor
from .streaming import predict_in_chunks

__all__ = [
    "RaggedCrystals",
    "SiteNetClassifier",
    "SiteNetEnsemble",
    "SiteNetRegressor",
    "SupercellFeaturizer",
    "filter_structures",
    "load_model",
    "load_reference_checkpoint",
    "predict_in_chunks",
    "save_model",
]
__version__ = "0.1.0"
