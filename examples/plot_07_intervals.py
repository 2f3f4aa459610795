"""
Intervals and a model card
==========================

How far can you trust a prediction? Conformal prediction (MAPIE) turns errors on held-out crystals into intervals that
contain the true value as often as you ask for. A model card (skops) describes the model in words.
"""

# %%
# Train a small model on one part of the crystals, calibrate on the second part and test on the third.
import warnings

import numpy as np
from mapie.regression import SplitConformalRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from skops.card import Card

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.analysis import predict_intervals
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.displays import IntervalDisplay, UncertaintyDisplay

structures, band_gap = load_dielectric(return_X_y=True)
train, rest, y_train, y_rest = train_test_split(structures, band_gap, test_size=0.5, random_state=0)
calibration, test, y_calibration, y_test = train_test_split(rest, y_rest, test_size=0.5, random_state=0)
pipeline = make_pipeline(SupercellFeaturizer(max_atoms=30), SiteNetRegressor(max_epochs=15, random_state=0))
pipeline.fit(train, y_train)

# %%
# MAPIE takes the fitted pipeline and the structures directly. Band gaps cannot be negative, so the intervals end at 0.
levels = np.linspace(0.1, 0.9, 9)
warnings.filterwarnings("ignore", message="Estimator does not appear fitted")  # it looks for attributes by name
conformal = SplitConformalRegressor(pipeline, confidence_level=list(levels)).conformalize(calibration, y_calibration)
predicted, lower, upper = predict_intervals(conformal, test)
display = IntervalDisplay.from_predictions(y_test, predicted, lower[:, -1], upper[:, -1])

# %%
# Check whether the intervals of every level contain the expected share of true values.
UncertaintyDisplay.from_intervals(y_test, lower, upper, levels)

# %%
# The card lists every parameter and draws the pipeline; you add what the model is for.
card = Card(pipeline)
card.add(
    **{
        "Model description": "Band gaps (PBE) of inorganic crystals, trained on 528 dielectric materials "
        "(Petousis et al., Sci. Data 4, 160134, 2017).",
        "Model description/Intended uses & limitations": "A demonstration: trained for seconds, no metals.",
    }
)
card.add_metrics(MAE_eV=round(mean_absolute_error(y_test, predicted), 3), coverage_90=round(display.coverage_, 3))
text = card.render()
