"""Featurization and cross-validation on the backends that joblib knows."""

import joblib
import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer


def identical(a, b):
    return all(np.array_equal(a.field(name), b.field(name)) for name in a[0]._fields)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_backends_of_joblib_give_the_same(structures, featurized, backend):
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=50, n_jobs=2)
    with joblib.parallel_config(backend=backend):
        assert identical(featurizer.transform(structures * 3)[:40], featurized)


@pytest.fixture(scope="module")
def dask_client():
    distributed = pytest.importorskip("distributed", reason="needs dask and distributed")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_gives_the_same(structures, band_gaps, featurized, dask_client):
    assert len(dask_client.scheduler_info()["workers"]) == 2
    with joblib.parallel_config(backend="dask"):
        assert identical(
            SupercellFeaturizer.from_preset("paper", max_atoms=50, n_jobs=2).transform(structures * 3)[:40], featurized
        )
        regressor = SiteNetRegressor(max_epochs=1, site_dim=6, random_state=0)
        model = make_pipeline(SupercellFeaturizer(max_atoms=20), regressor)
        scores = cross_val_score(model, structures[:20], band_gaps[:20], cv=2, error_score="raise")
        ensemble = SiteNetEnsemble(model, n_members=2, n_jobs=2, random_state=0)
        together = ensemble.fit(structures[:20], band_gaps[:20]).predict(structures[20:])
    assert np.isfinite(scores).all()
    alone = ensemble.set_params(n_jobs=1).fit(structures[:20], band_gaps[:20]).predict(structures[20:])
    np.testing.assert_allclose(together, alone, atol=1e-4)
