import numpy as np
import pytest
import torch

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.network.batch import collate


@pytest.fixture(scope="module")
def model(featurized, band_gaps):
    return SiteNetRegressor(max_epochs=1, random_state=0).fit(featurized, band_gaps)


def test_the_last_linear_of_the_global_vector_is_the_prediction(model, featurized):
    vectors = model.transform(featurized)
    assert vectors.shape == (40, 200)
    network = model.net_.module_
    weight, bias = network.output.weight.detach().numpy()[0], network.output.bias.item()
    raw = (vectors @ weight + bias) * network.target_scale.item() + network.target_shift.item()
    np.testing.assert_allclose(raw, model.predict_raw(featurized), atol=1e-5)


def test_columns_of_the_global_vector_have_names(model, featurized):
    names = model.get_feature_names_out()
    assert list(names[[0, -1]]) == ["sitenetregressor0", "sitenetregressor199"]
    frame = model.set_output(transform="pandas").transform(featurized)
    model.set_output(transform="default")
    assert list(frame.columns) == list(names)


def test_site_representations_have_a_row_for_every_primitive_site(model, structures):
    merged, full = (
        SupercellFeaturizer.from_preset("paper", max_atoms=30, compress=compress).transform(structures[:8])
        for compress in (True, False)
    )
    sites, expected = model.site_representation(merged), model.site_representation(full)
    assert [len(part) for part in sites] == list(merged.primitive_sizes)
    for ours, theirs in zip(sites, expected, strict=True):
        assert ours.shape[1] == 2 * 3 * 30
        np.testing.assert_allclose(ours[np.lexsort(ours.T.round(3))], theirs[np.lexsort(theirs.T.round(3))], atol=1e-4)


def test_attention_of_a_site_sums_to_one_and_names_its_pairs(model, featurized):
    found = model.attention(featurized)
    assert len(found) == len(featurized)
    for crystal, attention in zip(featurized, found, strict=True):
        assert attention.weights.shape == (len(crystal.pair_site), 2, 3)
        for site in range(len(crystal.atomic_numbers)):
            np.testing.assert_allclose(attention.weights[crystal.pair_site == site].sum(0), 1, atol=1e-5)
        assert (attention.atomic_numbers[:, 1] == crystal.atomic_numbers[crystal.pair_neighbor]).all()
        images = attention.count[crystal.pair_site == 0].sum() // crystal.multiplicity.sum()
        assert (attention.count * attention.multiplicity).sum() == crystal.multiplicity.sum() ** 2 * images


def test_attention_is_that_of_the_network(model, featurized):
    with torch.inference_mode():
        expected = torch.stack(model.net_.module_.attention(collate(featurized[:3])), 1)
    found = np.concatenate([attention.weights for attention in model.attention(featurized[:3])])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_attention_names_the_pairs_beyond_the_cutoff_with_weight_zero(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=1, random_state=0, cutoff=4.0).fit(featurized, band_gaps)
    for attention, pairs in zip(model.attention(featurized), featurized.pair_sizes, strict=True):
        assert len(attention.weights) == pairs
        np.testing.assert_array_equal((attention.weights > 0).all((1, 2)), attention.distance <= 4.0)


def test_masked_crystals_have_empty_rows(model, structures):
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=20, on_error="mask")
    with pytest.warns(UserWarning, match="masked"):
        X = featurizer.transform([structures[0], "no file", structures[1]])
    assert np.isnan(model.transform(X)).all(axis=1).tolist() == [False, True, False]
    assert [len(part) > 0 for part in model.site_representation(X)] == [True, False, True]
    assert [len(attention.weights) > 0 for attention in model.attention(X)] == [True, False, True]


def test_mixed_precision_computes_about_the_same(model, featurized):
    network, batch = model.net_.module_, collate(featurized)
    results = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output = network.raw(batch).float()
        gradients = torch.autograd.grad(output.sum(), network.parameters())
        results.append((output, torch.cat([gradient.flatten() for gradient in gradients])))
    outputs, gradients = zip(*results, strict=True)
    assert 0 < (outputs[1] - outputs[0]).abs().max() < 0.1
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_training_in_mixed_precision_keeps_single_precision_weights(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=2, random_state=0, amp=True).fit(featurized, band_gaps)
    assert {parameter.dtype for parameter in model.net_.module_.parameters()} == {torch.float32}
    assert np.isfinite(model.predict(featurized)).all()
