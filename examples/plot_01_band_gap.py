"""
Predict band gaps
=================

Train Site-Net on bundled PBE band gaps and compare its predictions with the calculated values. The example uses 200
crystals and small supercells so that it runs in seconds; ``sitenet demo`` uses all crystals.
"""

# %%
# The crystals are pymatgen Structures. Use half of them for training.
import numpy as np
from sklearn.metrics import PredictionErrorDisplay, mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric

structures, band_gap = load_dielectric(return_X_y=True)
train, test, y_train, y_test = train_test_split(structures[:200], band_gap[:200], test_size=0.5, random_state=0)

# %%
# The featurizer chooses the supercell and describes every site by its element, its environment and its symmetry; the
# regressor learns from that. ``random_state`` fixes all random numbers.
model = make_pipeline(SupercellFeaturizer(), SiteNetRegressor(max_epochs=20, random_state=0))
model.fit(train, y_train)

# %%
# Compare the error on the test set with that of predicting the median of the training targets.
predicted = model.predict(test)
error = mean_absolute_error(y_test, predicted)
baseline = mean_absolute_error(y_test, np.full(len(y_test), np.median(y_train)))
display = PredictionErrorDisplay.from_predictions(y_test, predicted, kind="actual_vs_predicted")
display.ax_.set(title=f"MAE {error:.2f} eV, median predictor {baseline:.2f} eV")
