"""Analysis: what a fitted model attends to, how sure it is, and how complicated a crystal is.

`attention` has histograms, ranges, tables and the long-range coefficient; `complexity` the information in a crystal
structure; `cutoff` the comparison of attention with and without a cut-off; `intervals` conformal intervals; `summary`
what a model is.
"""

from .attention import (
    AttentionHistogram,
    attention_by_elements,
    attention_histogram,
    attention_range,
    long_range_coefficients,
    neighbor_table,
)
from .complexity import Complexity, complexity
from .cutoff import compare_cutoff
from .intervals import Intervals, predict_intervals
from .summary import describe_model

__all__ = [
    "AttentionHistogram",
    "Complexity",
    "Intervals",
    "attention_by_elements",
    "attention_histogram",
    "attention_range",
    "compare_cutoff",
    "complexity",
    "describe_model",
    "long_range_coefficients",
    "neighbor_table",
    "predict_intervals",
]
