"""Featurization: from crystals to their records.

`records` makes one record: primitive cell, supercell, distances, compression; `own_features` adds what a user brings.
`featurizer` is the transformer that makes many, on what scikit-learn asks of a `transformer` and with `presets`;
`filtering` sorts out crystals that cannot be featurized, and `streaming` writes more of them than memory holds to disk.
"""

from .featurizer import SupercellFeaturizer
from .filtering import Filtered, filter_structures
from .records import ChosenSupercell
from .streaming import featurize_to_store

__all__ = [
    "ChosenSupercell",
    "Filtered",
    "SupercellFeaturizer",
    "featurize_to_store",
    "filter_structures",
]
