import numpy as np
import pytest
import torch

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.network.batch import collate
from sitenet_sklearn.network.pooling import POOLINGS, attention_pool, max_pool, mean_pool


def uncompressed(values, batch):
    """Rows as often as the primitive sites that they stand for, crystal by crystal."""
    for k in range(batch.n_crystals):
        own = batch.site_crystal == k
        yield values[own].repeat_interleave(batch.multiplicity[own].long(), 0)


@pytest.fixture
def sites(featurized, rng):
    batch = collate(featurized[:6], torch.float64)
    return (
        batch,
        torch.as_tensor(rng.normal(size=(len(batch.multiplicity), 5))),
        torch.as_tensor(rng.normal(size=(len(batch.multiplicity), 1))),
    )


def test_mean_and_max_are_those_over_the_primitive_sites(sites):
    batch, values, _ = sites
    expected = torch.stack([rows.mean(0) for rows in uncompressed(values, batch)])
    torch.testing.assert_close(mean_pool(values, batch, None), expected)
    expected = torch.stack([rows.max(0).values for rows in uncompressed(values, batch)])
    torch.testing.assert_close(max_pool(values, batch, None), expected)


def test_attention_is_a_softmax_over_the_primitive_sites(sites):
    batch, values, logits = sites
    pairs = zip(uncompressed(values, batch), uncompressed(logits, batch), strict=True)
    expected = torch.stack([(rows * weight.softmax(0)).sum(0) for rows, weight in pairs])
    torch.testing.assert_close(attention_pool(values, batch, logits), expected)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_order_and_company_do_not_matter(structures, pooling):
    X = SupercellFeaturizer.from_preset("paper", max_atoms=20).transform(structures[:3])
    alone = [collate(X[[k]], torch.float64) for k in range(3)]
    together = collate(X, torch.float64)
    values = together.site_features
    logits = values[:, :1] / 50
    pooled = POOLINGS[pooling](values, together, logits)
    for k, batch in enumerate(alone):
        own = POOLINGS[pooling](batch.site_features, batch, batch.site_features[:, :1] / 50)
        np.testing.assert_allclose(pooled[k], own[0], rtol=1e-12)
