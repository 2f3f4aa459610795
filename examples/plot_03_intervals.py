"""
Intervals and a model card
==========================

How far can a prediction be trusted? Conformal prediction (MAPIE) turns errors on crystals that were kept aside into
intervals that hold the truth as often as asked for. A model card (skops) says in words what the model is.
"""

# %%
# A small model on one part of the crystals; the second part calibrates, the third tests.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from mapie.regression import SplitConformalRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from skops.card import Card

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric

structures, band_gap = load_dielectric(return_X_y=True)
train, rest, y_train, y_rest = train_test_split(structures, band_gap, test_size=0.5, random_state=0)
calibration, test, y_calibration, y_test = train_test_split(rest, y_rest, test_size=0.5, random_state=0)
pipeline = make_pipeline(SupercellFeaturizer(max_atoms=30), SiteNetRegressor(max_epochs=15, random_state=0))
pipeline.fit(train, y_train)

# %%
# MAPIE takes the fitted pipeline and structures as they are. Band gaps cannot be negative: intervals end at 0.
warnings.filterwarnings("ignore", message="Estimator does not appear fitted")  # it looks for attributes by name
conformal = SplitConformalRegressor(pipeline, confidence_level=0.9, prefit=True)
conformal.conformalize(calibration, y_calibration)
predicted, intervals = conformal.predict_interval(test)
lower, upper = intervals[:, :, 0].T.clip(min=0)
coverage = np.mean((lower <= y_test) & (y_test <= upper))

figure, ax = plt.subplots(layout="constrained")
order = np.argsort(predicted)
ax.fill_between(range(len(test)), lower[order], upper[order], alpha=0.3, label="90 % interval")
ax.plot(predicted[order], label="predicted")
ax.plot(y_test[order], ".", markersize=3, label="computed (PBE)")
ax.set(
    xlabel="crystal, by predicted gap", ylabel="band gap (eV)", title=f"{coverage:.0%} of gaps are in their interval"
)
ax.legend()

# %%
# The card lists every parameter and draws the pipeline; what it is for is yours to say.
card = Card(pipeline)
card.add(
    **{
        "Model description": "Band gaps (PBE) of inorganic crystals, trained on 528 dielectric materials "
        "(Petousis et al., Sci. Data 4, 160134, 2017).",
        "Model description/Intended uses & limitations": "A demonstration: trained for seconds, no metals.",
    }
)
card.add_metrics(MAE_eV=round(mean_absolute_error(y_test, predicted), 3), coverage_90=round(coverage, 3))
text = card.render()
