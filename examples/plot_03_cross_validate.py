"""
Cross-validation
================

Score models on held-out crystals with scikit-learn's tools: folds, groups of related crystals, learning curves.
"""

# %%
# A pipeline takes structures. No test fold can leak into training, because the standardisation of inputs and target is
# part of the model and is learned in ``fit``.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, LearningCurveDisplay, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, filter_structures
from sitenet_sklearn.datasets import load_dielectric

structures, band_gap = load_dielectric(return_X_y=True)
structures, band_gap, failures = filter_structures(structures[:150], band_gap[:150])
model = SiteNetRegressor(max_epochs=6, random_state=0)
options = {"scoring": "neg_mean_absolute_error", "error_score": "raise"}
folds = KFold(3, shuffle=True, random_state=0)
of_pipeline = -cross_val_score(
    make_pipeline(SupercellFeaturizer(max_atoms=20), model), structures, band_gap, cv=folds, **options
)

# %%
# The featurizer learns nothing, so you can featurize once, before the folds. The scores are the same.
crystals = SupercellFeaturizer(max_atoms=20).transform(structures)
once = -cross_val_score(model, crystals, band_gap, cv=folds, **options)
pd.DataFrame({"pipeline": of_pipeline, "featurized once": once}).round(4)

# %%
# With random folds, close relatives of a test crystal are in the training set. Groups keep them out: here all crystals
# with the same elements form one group.
groups = [structure.composition.chemical_system for structure in structures]
grouped = -cross_val_score(model, crystals, band_gap, groups=groups, cv=GroupKFold(3), **options)
pd.Series({"random folds": once.mean(), "folds by elements": grouped.mean()}, name="MAE (eV)").round(3)

# %%
# Would more crystals help? Plot the error against the number of training crystals, on a log scale.
display = LearningCurveDisplay.from_estimator(
    model,
    crystals,
    band_gap,
    train_sizes=[15, 30, 60, 110],
    cv=ShuffleSplit(2, test_size=40, random_state=0),
    scoring="neg_mean_absolute_error",
    negate_score=True,
    score_name="MAE (eV)",
    score_type="test",
)
display.ax_.set(xscale="log", xlabel="training crystals")
display.ax_.set_xticks(display.train_sizes, display.train_sizes)
display.ax_.minorticks_off()
display.figure_.set_layout_engine("constrained")

# %%
# To see what to expect for a kind of crystal that is not in the training set, hold out one kind at a time. Here the
# kind is the anion, taken as the most electronegative element.
anions = np.array([max(s.composition.elements, key=lambda e: e.X).symbol for s in structures])
common = pd.Series(anions).value_counts().index[:3]
splits = [(np.flatnonzero(anions != anion), np.flatnonzero(anions == anion)) for anion in common]
unseen = -cross_val_score(model, crystals, band_gap, cv=splits, **options)
known = [np.mean(np.abs(band_gap[test] - np.median(band_gap[train]))) for train, test in splits]
figure, ax = plt.subplots(layout="constrained")
ax.bar(np.arange(3) - 0.2, unseen, width=0.4, label="Site-Net")
ax.bar(np.arange(3) + 0.2, known, width=0.4, label="median of the others")
ax.set_xticks(range(3), [f"no {anion} in training" for anion in common])
ax.set_ylabel("MAE (eV)")
ax.legend()
