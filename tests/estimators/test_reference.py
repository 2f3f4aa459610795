import copy
import pickle

import numpy as np
import pytest
import torch
from published import CONFIG, predict, random_checkpoint

from sitenet_sklearn import RaggedCrystals, SupercellFeaturizer, load_reference_checkpoint
from sitenet_sklearn.crystals.interaction_features import INTERACTION_FEATURES
from sitenet_sklearn.network.batch import collate
from sitenet_sklearn.network.sitenet import batch_features


@pytest.fixture(scope="module")
def reference(parity):
    return np.load(parity / "reference_io.npz")


def crystals_of(reference, compress):
    def column(name):
        return [reference[f"c{k}_{name}"] for k in range(10)]

    oxidation = [states.ravel() for states in column("oxidation")]
    arguments = column("atomic_number"), column("distance"), column("images"), oxidation
    return RaggedCrystals.from_distances(*arguments, compress=compress)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-5)])
@pytest.mark.parametrize("compress", [True, False])
def test_published_network_is_reproduced(parity, reference, dtype, tolerance, compress):
    network = load_reference_checkpoint(parity / "reference_checkpoint.ckpt").net_.module_.eval().to(dtype)
    batch = collate(crystals_of(reference, compress), dtype)
    with torch.inference_mode():
        np.testing.assert_allclose(network.raw(batch), reference["prediction"], atol=tolerance, rtol=0)
        np.testing.assert_allclose(network.global_vector(batch), reference["global_vector"], atol=tolerance, rtol=0)
        for block in network.blocks:
            block.cutoff = float(reference["cutoff"])
        np.testing.assert_allclose(network.raw(batch), reference["prediction_cutoff"], atol=tolerance, rtol=0)


def test_published_attention_is_reproduced(parity, reference):
    network = load_reference_checkpoint(parity / "reference_checkpoint.ckpt").net_.module_.eval().double()
    batch = collate(crystals_of(reference, compress=False), torch.float64)
    with torch.inference_mode():
        for block, weights in enumerate(network.attention(batch)):
            expected = [reference[f"c{k}_attention_block{block}"].reshape(-1, 3) for k in range(10)]
            np.testing.assert_allclose(weights, np.concatenate(expected), atol=1e-6)


def test_a_published_model_is_a_fitted_regressor(parity, reference):
    model = load_reference_checkpoint(parity / "reference_checkpoint.ckpt", device="cpu")
    X = crystals_of(reference, compress=True)
    np.testing.assert_allclose(model.predict_raw(X), reference["prediction"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(model.predict(X), reference["prediction"].clip(min=0), atol=1e-4, rtol=0)
    assert (model.lr, model.optimizer, model.batch_size) == (0.0008125971481941902, "adamw", 1200)
    assert model.attention_hidden_layers == (225,)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation_function": "mish", "attention_hidden_layers": [9]},
        {"sym_func": "mean", "distance_cutoff": -1, "set_norm": "none", "lin_norm": "none"},
        {"attention_blocks": 1, "attention_hidden_layers": [5, 6, 7], "post_pool_layers": [4, 4]},
    ],
)
def test_checkpoints_of_other_sizes_and_choices_are_read(structures, changes, tmp_path):
    torch.manual_seed(0)
    checkpoint = random_checkpoint(**changes)
    torch.save(checkpoint, tmp_path / "other.ckpt")
    model = load_reference_checkpoint(tmp_path / "other.ckpt", device="cpu")
    network = model.net_.module_.double()
    merged = SupercellFeaturizer.from_preset("paper", max_atoms=30).transform(structures[:6])
    full = SupercellFeaturizer.from_preset("paper", max_atoms=30, compress=False).transform(structures[:6])
    with torch.inference_mode():
        outputs = network.raw(collate(merged, torch.float64)), network.raw(collate(full, torch.float64))
    expected = []
    for k in range(6):
        batch = collate(full[k : k + 1], torch.float64)
        n = len(batch.atomic_numbers)
        pairs = batch_features(batch, INTERACTION_FEATURES).unflatten(0, (n, -1))
        expected.append(predict(checkpoint, batch.atomic_numbers, batch.site_features, pairs))
    for output in outputs:
        torch.testing.assert_close(output, torch.stack(expected), rtol=1e-5, atol=1e-5)
    assert model.clamp is False
    assert (model.lr, model.weight_decay, model.batch_size) == (0.002, 0.01, 600)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k_softmax": 5}, r"hyper-parameter k_softmax is 5, expected -1 \(attention to all sites\)"),
        ({"lin_norm": "instance"}, "lin_norm is 'instance', expected that of set_norm, 'layer'"),
        ({"activation_function": "sine"}, "activation_function is 'sine', expected mish or relu"),
        ({"sym_func": "sum"}, "sym_func is 'sum', expected mean or max"),
        ({"last_af_func": "softplus"}, "last_af_func is 'softplus', expected TReLU or relu or identity"),
        ({"attention_heads": 10**9}, "attention_heads is 1000000000, expected an integer from 1 to 100"),
        ({"pre_pool_layers": []}, r"pre_pool_layers is \[\], expected positive integers"),
        ({"embedding_size": 8}, r"Elemental_Embeddings have shape \(119, 7\), the hyper-parameters imply \(119, 8\)"),
        ({"attention_blocks": 4}, "no tensor encoder.Attention_Blocks.3.ije_to_multihead"),
        ({"Interaction_Features": []}, "Interaction_Features is .*, expected the distance and the logarithm"),
        (
            {"Site_Features": [{"Featurizer_KArgs": {"properties": ["Mood"]}}]},
            r"Site_Features is .*, expected elemental properties of matminer \(unknown: Mood\)",
        ),
    ],
)
def test_what_this_library_does_not_have_is_refused_by_name(change, message, tmp_path):
    checkpoint = random_checkpoint()
    checkpoint["hyper_parameters"] = CONFIG | change
    torch.save(checkpoint, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=message):
        load_reference_checkpoint(tmp_path / "other.ckpt")


def test_missing_hyper_parameters_and_tensors_that_are_not_finite_are_named(tmp_path):
    checkpoint = random_checkpoint()
    broken = copy.deepcopy(checkpoint)
    del broken["hyper_parameters"]["sym_func"]
    torch.save(broken, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="hyper-parameter sym_func is nothing, expected a value"):
        load_reference_checkpoint(tmp_path / "a.ckpt")
    checkpoint["state_dict"]["decoder.bias"][0] = torch.nan
    torch.save(checkpoint, tmp_path / "b.ckpt")
    with pytest.raises(ValueError, match=r"tensor decoder\.bias is not finite"):
        load_reference_checkpoint(tmp_path / "b.ckpt")


class Intruder:
    def __reduce__(self):
        return exec, ("raise SystemExit",)


@pytest.mark.parametrize(
    "content",
    [b"", b"no checkpoint", {"weights": 0}, {"state_dict": {}, "hyper_parameters": Intruder()}],
    ids=["empty", "text", "other", "code"],
)
def test_other_files_are_refused_without_running_code(tmp_path, content):
    path = tmp_path / "other.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=r"other.ckpt is no Site-Net checkpoint"):
        load_reference_checkpoint(path)


def test_values_of_the_wrong_kind_are_named(tmp_path):
    for change, message in (({"attention_heads": "three"}, "an integer"), ({"distance_cutoff": None}, "a number")):
        checkpoint = random_checkpoint()
        checkpoint["hyper_parameters"] = CONFIG | change
        torch.save(checkpoint, tmp_path / "other.ckpt")
        with pytest.raises(ValueError, match=f"is .*, expected {message}"):
            load_reference_checkpoint(tmp_path / "other.ckpt")
