"""Displays: pictures of predictions and of attention in the form of scikit-learn's, and reports made of them.

matplotlib is imported when something is drawn. `predictions`, `intervals` and `attention` have one class a picture,
`base` what they share, `loss_curves` shows training, and `report` writes an HTML file. Add a picture as a class with
`from_estimator`, `from_predictions` and `plot`.
"""

from .attention import AttentionHistogramDisplay, LongRangeDisplay, NeighborDisplay
from .intervals import IntervalDisplay
from .loss_curves import LossCurveDisplay
from .predictions import ElementErrorDisplay, ErrorDisplay, ParityDisplay, UncertaintyDisplay
from .report import write_report

__all__ = [
    "AttentionHistogramDisplay",
    "ElementErrorDisplay",
    "ErrorDisplay",
    "IntervalDisplay",
    "LongRangeDisplay",
    "LossCurveDisplay",
    "NeighborDisplay",
    "ParityDisplay",
    "UncertaintyDisplay",
    "write_report",
]
