import numpy as np
import pytest
import torch

from sitenet_sklearn import RaggedCrystals
from sitenet_sklearn._reference import load_reference_network
from sitenet_sklearn.batch import collate


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
    network = load_reference_network(parity / "reference_checkpoint.ckpt").to(dtype)
    batch = collate(crystals_of(reference, compress), dtype)
    with torch.inference_mode():
        np.testing.assert_allclose(network.raw(batch), reference["prediction"], atol=tolerance, rtol=0)
        np.testing.assert_allclose(network.global_vector(batch), reference["global_vector"], atol=tolerance, rtol=0)
        for block in network.blocks:
            block.cutoff = float(reference["cutoff"])
        np.testing.assert_allclose(network.raw(batch), reference["prediction_cutoff"], atol=tolerance, rtol=0)


def test_published_attention_is_reproduced(parity, reference):
    network = load_reference_network(parity / "reference_checkpoint.ckpt").double()
    batch = collate(crystals_of(reference, compress=False), torch.float64)
    with torch.inference_mode():
        for block, weights in enumerate(network.attention(batch)):
            expected = [reference[f"c{k}_attention_block{block}"].reshape(-1, 3) for k in range(10)]
            np.testing.assert_allclose(weights, np.concatenate(expected), atol=1e-6)


def test_other_files_are_refused(tmp_path):
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="is no Site-Net checkpoint: state_dict and hyper_parameters expected"):
        load_reference_network(tmp_path / "other.ckpt")
