"""Tuning: hyper-parameters found with Optuna, which this room alone imports.

`search` has the function `tune`, `search_cv` the same as an estimator. `spaces` says where to search, `trials` what
one trial does, `studies` how several processes share a study, and `workers` starts one process on every GPU.
"""

from .search import TuneResult, tune
from .search_cv import SiteNetSearchCV
from .spaces import search_space
from .workers import launch_workers

__all__ = [
    "SiteNetSearchCV",
    "TuneResult",
    "launch_workers",
    "search_space",
    "tune",
]
