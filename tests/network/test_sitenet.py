import copy

import numpy as np
import pytest
import torch
from dense import dense_site_net
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from redescribe import redescribe

from sitenet_sklearn import RaggedCrystals, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.crystals.interaction_features import GAUSSIAN_CENTRES, INTERACTION_FEATURES
from sitenet_sklearn.network.batch import collate
from sitenet_sklearn.network.sitenet import SiteNet, batch_features

SMALL = {
    "embedding_dim": 5,
    "site_dim": 4,
    "interaction_dim": 3,
    "n_heads": 2,
    "attention_hidden_layers": (7,),
    "pre_pool_layers": (6,),
    "post_pool_layers": (9, 8),
}


def small_network(seed=0, **options):
    torch.manual_seed(seed)
    return SiteNet(**(SMALL | options)).eval()


def random_crystals(rng, compress):
    """Two crystals with symmetric-looking distances, so that compression has something to merge."""
    numbers = [rng.integers(1, 90, size=1).repeat(3), rng.integers(1, 90, size=2)]
    distances = []
    for z, images in zip(numbers, (2, 4), strict=True):
        d = rng.choice([2.0, 3.5, 4.0, 6.0], size=(len(z), len(z) * images))
        d[np.arange(len(z)), np.arange(len(z)) * images] = 0
        distances.append(d)
    return RaggedCrystals.from_distances(numbers, distances, [2, 4], compress=compress)


ARCHITECTURES = st.fixed_dictionaries(
    {
        "n_heads": st.integers(1, 3),
        "n_blocks": st.integers(1, 3),
        "attention_hidden_layers": st.lists(st.integers(1, 8), max_size=3),
        "pre_pool_layers": st.lists(st.integers(2, 8), max_size=2),
        "post_pool_layers": st.lists(st.integers(2, 8), max_size=3),
        "activation": st.sampled_from(["mish", "relu", "silu"]),
        "normalization": st.sampled_from(["layer", "none", "batch"]),
        "pooling": st.sampled_from(["mean", "max", "attention"]),
        "cutoff": st.sampled_from([None, 3.0]),
        "coordination_radius": st.sampled_from([None, 2.5, 5.0]),
        "residual": st.booleans(),
        "interaction_features": st.sampled_from([INTERACTION_FEATURES, (*INTERACTION_FEATURES, *GAUSSIAN_CENTRES)]),
    }
)


def gradients_of(output, network):
    return torch.autograd.grad(output.sum(), network.parameters(), materialize_grads=True, allow_unused=True)


def is_at_a_kink(network, batch, derivatives):
    """Whether relu or a maximum has two slopes here, of which any may be taken."""
    moved = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(1e-10 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    there = gradients_of(dense_site_net(moved, batch)[0], moved)
    return not all(torch.allclose(a, b, atol=1e-6) for a, b in zip(there, derivatives, strict=True))


KINK = {"n_heads": 3, "n_blocks": 1, "attention_hidden_layers": [], "pre_pool_layers": [], "post_pool_layers": []} | {
    "activation": "relu",
    "normalization": "batch",
    "pooling": "max",
    "cutoff": None,
    "coordination_radius": 2.5,
    "residual": False,
    "interaction_features": ("distance", "log_coulomb"),
}


@settings(max_examples=40)
@given(ARCHITECTURES, st.integers(0, 10**6))
@example(KINK, 308)
def test_factorised_and_compressed_network_is_the_dense_one_in_every_architecture(options, seed):
    network = small_network(seed, **options).double()
    full, merged = (
        collate(random_crystals(np.random.default_rng(seed), compress=c), torch.float64) for c in (False, True)
    )
    expected = dense_site_net(network, full)[0]
    derivatives = gradients_of(dense_site_net(network, full)[0], network)
    assume(not is_at_a_kink(network, full, derivatives))
    for batch in (full, merged):
        output = network.raw(batch)
        torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(gradients_of(output, network), derivatives, rtol=1e-8, atol=1e-8)


@settings(max_examples=15)
@given(ARCHITECTURES, st.integers(0, 10**6))
def test_company_order_and_precision_change_no_prediction_in_any_architecture(options, seed):
    network, rng = small_network(seed, **options), np.random.default_rng(seed)
    X = RaggedCrystals.from_crystals(crystal for _ in range(2) for crystal in random_crystals(rng, compress=True))
    order = rng.permutation(len(X))
    with torch.no_grad():
        single = network.raw(collate(X))
        network = network.double()
        together, shuffled = (network.raw(collate(crystals, torch.float64)) for crystals in (X, X[order]))
        alone = torch.cat([network.raw(collate(X[k : k + 1], torch.float64)) for k in range(len(X))])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(together[torch.as_tensor(order)], shuffled, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(single, together.float(), rtol=1e-3, atol=1e-3)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ARCHITECTURES, st.integers(0, 10**6), st.sampled_from(["NaCl", "graphite", "HfH3", "triclinic"]))
def test_no_description_changes_a_prediction_in_any_architecture(crystals, options, seed, name):
    network, rng = small_network(seed, **options).double(), np.random.default_rng(seed)
    X = SupercellFeaturizer.from_preset("paper", max_atoms=20).transform(
        [crystals[name], redescribe(crystals[name], rng)]
    )
    with torch.no_grad():
        given_cell, other = network.raw(collate(X, torch.float64))
    torch.testing.assert_close(given_cell, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalization", ["layer", "batch", "none"])
@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
def test_gradients_of_compressed_and_uncompressed_crystals_agree(normalization, pooling):
    gradients = []
    for compress in (True, False):
        network = small_network(normalization=normalization, pooling=pooling).double().train()
        X = random_crystals(np.random.default_rng(3), compress)
        network.raw(collate(X, torch.float64)).sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


@pytest.fixture
def threads():
    """Set the number of threads, for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_company_order_and_threads_change_no_prediction(featurized, threads, rng):
    torch.manual_seed(0)
    network = SiteNet(clamp=False).eval()
    order = rng.permutation(len(featurized))
    with torch.no_grad():
        threads(2)
        together = network(collate(featurized))
        shuffled = network(collate(featurized[order]))
        threads(1)
        alone = torch.cat([network(collate(featurized[k : k + 1])) for k in range(len(featurized))])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(together[torch.as_tensor(order)], shuffled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("max_atoms", [100, pytest.param(500, marks=pytest.mark.slow)])
def test_compression_changes_no_prediction_of_200_real_crystals(dielectric, max_atoms):
    torch.manual_seed(0)
    network = SiteNet(clamp=False).eval()
    predictions = []
    for compress in (True, False):
        X = SupercellFeaturizer.from_preset("paper", max_atoms=max_atoms, compress=compress).transform(
            dielectric.data[::5][:200]
        )
        with torch.inference_mode():
            if compress:
                network.standardize_inputs([collate(X)])
            predictions.append(torch.cat([network(collate(X[k : k + 5])) for k in range(0, len(X), 5)]))
    torch.testing.assert_close(*predictions, rtol=0, atol=1e-5)


def test_no_description_of_100_real_crystals_changes_a_prediction(dielectric, rng):
    torch.manual_seed(0)
    network = SiteNet(clamp=False).eval()
    featurizer = SupercellFeaturizer.from_preset("paper", max_atoms=100)
    structures = dielectric.data[::10][:100]
    X = featurizer.transform(structures)
    other = featurizer.transform([redescribe(structure, rng) for structure in structures])
    with torch.inference_mode():
        network.standardize_inputs([collate(X)])
        torch.testing.assert_close(network(collate(X)), network(collate(other)), rtol=0, atol=1e-4)


def test_it_runs_forward_and_backward_on_another_device_without_touching_the_cpu(featurized):
    network = SiteNet().to("meta")
    loss = network(collate(featurized[:3]).to("meta")).sum()
    loss.backward()
    assert loss.device.type == "meta"
    assert all(parameter.grad.device.type == "meta" for parameter in network.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_predictions_on_the_gpu_are_those_on_the_cpu(featurized):
    network = small_network()
    batch = collate(featurized)
    with torch.no_grad():
        on_cpu = network(batch)
        torch.testing.assert_close(network.cuda()(batch.to("cuda")).cpu(), on_cpu, rtol=1e-4, atol=1e-4)


def test_clamp_is_the_last_step_and_passes_the_gradient(featurized):
    network = small_network()
    with torch.no_grad():
        network.output.bias.fill_(-100.0)
    output = network(collate(featurized[:2]))
    assert (output == 0).all()
    output.sum().backward()
    assert network.output.bias.grad.item() == 2
    network.clamp = False
    assert (network(collate(featurized[:2])) < 0).all()


def test_rows_of_the_embedding_count_as_unit_vectors_at_most(featurized):
    network = small_network()
    with torch.no_grad():
        before = network.raw(collate(featurized[:2]))
        norms = network.embedding.weight.norm(dim=1, keepdim=True)
        network.embedding.weight.copy_(torch.where(norms >= 1, 3.0, 1.0) * network.embedding.weight)
        torch.testing.assert_close(network.raw(collate(featurized[:2])), before)


def test_standardized_inputs_have_mean_zero_and_spread_one_over_the_uncompressed_crystals(structures):
    X = SupercellFeaturizer.from_preset("paper", max_atoms=30).transform(structures[:6])
    full = SupercellFeaturizer.from_preset("paper", max_atoms=30, compress=False).transform(structures[:6])
    network = small_network()
    network.standardize_inputs(collate(X[k : k + 2]) for k in (0, 2, 4))
    network.standardize_target(torch.tensor([1.0, 2.0, 6.0]))
    pairs = (
        batch_features(collate(full), INTERACTION_FEATURES) - network.interaction_shift
    ) / network.interaction_scale
    torch.testing.assert_close(pairs.mean(0), torch.zeros(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(pairs.std(0, correction=0), torch.ones(2), atol=1e-3, rtol=0)
    sites = (collate(full).site_features - network.site_shift) / network.site_scale
    torch.testing.assert_close(sites.mean(0), torch.zeros(9), atol=1e-3, rtol=0)
    assert (network.site_scale[-1], network.target_shift.item()) == (1, 2)


def test_paper_model_has_the_published_number_of_parameters(parity):
    published = torch.load(parity / "reference_checkpoint.ckpt", weights_only=True)["state_dict"]
    ours = {name: p.numel() for name, p in SiteNet().named_parameters()}
    unused_elements = published["Elemental_Embeddings.weight"].numel() - ours["embedding.weight"]
    unused_interactions = sum(
        value.numel() for name, value in published.items() if "Blocks.1.ije_to_Interaction_Features" in name
    )
    total = sum(value.numel() for value in published.values())
    assert sum(ours.values()) == total - unused_elements - unused_interactions


def test_constant_features_are_not_divided_by_their_rounding(featurized):
    """A value that all sites share, summed over many of them: what another site differs by must not become millions."""
    values = np.random.default_rng(0).uniform(0, 1000, featurized[0].site_features.shape[1])
    crystals = [c._replace(site_features=np.tile(values, (len(c.multiplicity), 1))) for c in featurized[:20]]
    network = SiteNet()
    network.standardize_inputs([collate(RaggedCrystals.from_crystals([c])) for c in crystals])
    np.testing.assert_array_equal(network.site_scale, 1)


def test_features_that_hardly_vary_in_training_do_not_explode_for_others(structures, band_gaps):
    X = SupercellFeaturizer(max_atoms=2).transform(structures)  # for most, gaussians of 7 angstrom are as good as 0
    model = SiteNetRegressor(max_epochs=1, train_oversized=False, random_state=0)
    with pytest.warns(UserWarning, match="left out of training"):
        assert np.isfinite(model.fit(X, band_gaps).predict(X)).all()
