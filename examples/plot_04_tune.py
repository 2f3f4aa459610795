"""
Tune hyper-parameters
=====================

Optuna proposes hyper-parameters, cross-validation scores them, and trials that fall behind end early. The study can be
kept in a file that several processes work on at the same time.
"""

# %%
# Featurize the crystals once. A search space is a dict of Optuna's distributions; ``search_space("small")`` and
# ``search_space("paper")`` are ready-made.
import warnings

import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.visualization import matplotlib as study_plots

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.tuning import tune

warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # optuna's plots with matplotlib
structures, band_gap = load_dielectric(return_X_y=True)
crystals, band_gap = SupercellFeaturizer(max_atoms=20).transform(structures[:100]), band_gap[:100]
space = {"lr": FloatDistribution(1e-4, 1e-2, log=True), "n_heads": IntDistribution(1, 4)}

# %%
# With ``storage="gap.journal"`` the study is kept in a file. If the search stops anywhere, the same call resumes it,
# and other processes can work on it at the same time.
result = tune(
    SiteNetRegressor(max_epochs=4, random_state=0), crystals, band_gap, space, cv=2, n_trials=8, random_state=0
)
result.trials[["number", "value", "state", "params_lr", "params_n_heads", "user_attrs_epochs"]].round(4)

# %%
# Optuna plots the search: the best score so far, the importance of each parameter, and the learning curve of every
# trial.
history = study_plots.plot_optimization_history(result.study)
importances = study_plots.plot_param_importances(result.study)
curves = study_plots.plot_intermediate_values(result.study)
for axes in (history, importances, curves):
    axes.figure.set_layout_engine("constrained")

# %%
# ``best_estimator`` has the best parameters and is fitted on all crystals.
model = result.best_estimator
model.predict(crystals[:3])
