"""Crystals: what users have, and the records that a Site-Net learns from.

No torch. `structures` takes crystals in every form, `crystal_files` reads them from text, and `approximants` orders
disordered ones. `elements`, `oxidation`, `site_features` and `interaction_features` say what the network is told of
sites and pairs: add a feature there. `crystal` is the record of one crystal, `ragged` holds many, `store` and
`stored_crystals` keep them in a folder, and `cache` remembers them.
"""

from .approximants import ordered_approximants
from .cache import CrystalCache
from .crystal import Crystal
from .interaction_features import INTERACTION_FEATURES, interaction_feature_names
from .ragged import RaggedCrystals
from .site_features import SITE_FEATURES, site_feature_names

__all__ = [
    "INTERACTION_FEATURES",
    "SITE_FEATURES",
    "Crystal",
    "CrystalCache",
    "RaggedCrystals",
    "interaction_feature_names",
    "ordered_approximants",
    "site_feature_names",
]
