"""Trainings in threads of one process do not disturb each other."""

import joblib
import numpy as np
import torch
from sklearn.model_selection import cross_val_score

from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor
from sitenet_sklearn.network.layers import drop_out

QUICK = {"max_epochs": 2, "site_dim": 6, "attention_hidden_layers": (8,), "dropout": 0.3, "batch_size": 60}


def test_folds_in_threads_give_the_same_every_time(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK, random_state=0)
    expected = cross_val_score(model, featurized, band_gaps, cv=4)
    for _ in range(3):
        with joblib.parallel_config(backend="threading", n_jobs=4):
            found = cross_val_score(model, featurized, band_gaps, cv=4)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_members_in_threads_give_the_same(featurized, band_gaps):
    ensemble = SiteNetEnsemble(SiteNetRegressor(**QUICK), n_members=3, random_state=0)
    expected = ensemble.fit(featurized, band_gaps).predict(featurized)
    with joblib.parallel_config(backend="threading"):
        found = ensemble.set_params(n_jobs=3).fit(featurized, band_gaps).predict(featurized)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_dropout_is_that_of_torch():
    x = torch.linspace(-1, 1, 1000).reshape(20, 50)
    torch.manual_seed(3)
    expected = torch.nn.functional.dropout(x, 0.3, training=True)
    torch.testing.assert_close(drop_out(x, 0.3, torch.Generator().manual_seed(3)), expected, rtol=0, atol=0)
