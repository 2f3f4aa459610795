"""Checkpoints of training: after an interruption or a kill the same call to `fit` goes on with the next epoch."""

import hashlib
import io
from pathlib import Path

import torch
from skorch.history import History

from sitenet_sklearn._files import as_python, write_whole_file

from .data_parallel import is_first_process

_EARLY_STOPPING = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")
_NO_MATTER = ("checkpoint_dir", "callbacks", "compile", "device", "pretrained", "verbose")
"""Parameters that a training may change half-way; of a pretrained model the weights count."""


class TrainingCheckpoint:
    """A file that holds all of training after every epoch, and is removed at the end.

    Parameters
    ----------
    folder : path-like
        Made if it does not exist.
    fingerprint : str
        What names the file, from `fingerprint_of_training`, so that two trainings share it only if they are the same.
    seed : int
        What the random numbers of a new training follow from.

    Attributes
    ----------
    path : Path
        The file, always whole.
    seed : int
        That of the file, if there is one.
    """

    def __init__(self, folder, fingerprint, seed):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"sitenet-{fingerprint[:20]}.ckpt"
        self.seed = _load(self.path)["seed"] if self.path.is_file() else seed

    def save(self, net):
        """Write the state of a trainer."""
        if not is_first_process():
            return
        callbacks = dict(net.callbacks_)
        stopping = callbacks.get("early_stopping")
        state = {
            "seed": self.seed,
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "schedule": callbacks["lr_scheduler"].lr_scheduler_.state_dict(),
            "early_stopping": stopping and {name: as_python(getattr(stopping, name)) for name in _EARLY_STOPPING},
            "history": [
                {key: as_python(value) for key, value in row.items() if key != "batches"} for row in net.history
            ],
            "order": net.order_.get_state(),
            "random": torch.get_rng_state(),
        }
        content = io.BytesIO()
        torch.save(state, content)
        write_whole_file(self.path, content.getvalue())

    def restore(self, net):
        """Bring a trainer to where the file left off.

        Parameters
        ----------
        net : SiteNetTrainer
            At the beginning of training.

        Returns
        -------
        bool
            Whether there was a file.
        """
        if not self.path.is_file():
            return False
        state, callbacks = _load(self.path), dict(net.callbacks_)
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        callbacks["lr_scheduler"].lr_scheduler_.load_state_dict(state["schedule"])
        for name, value in (state["early_stopping"] or {}).items():
            setattr(callbacks["early_stopping"], name, value)
        net.history = History({**row, "batches": []} for row in state["history"])
        net.order_.set_state(state["order"])
        torch.set_rng_state(state["random"])
        return True

    def remove(self):
        """Remove the file: training has ended."""
        if is_first_process():
            self.path.unlink(missing_ok=True)


def fingerprint_of_training(name, parameters, datasets, beginning=None):
    """Hash all that a training follows from.

    Parameters
    ----------
    name : str
        Class of the estimator.
    parameters : dict of str to object
        Its parameters; those that may change half-way do not count.
    datasets : list of CrystalDataset
        Crystals, targets and weights.
    beginning : SiteNet, default=None
        Network that training begins from; None for random weights.

    Returns
    -------
    str
        SHA-256.
    """
    counted = {key: value for key, value in parameters.items() if key not in _NO_MATTER}
    if not isinstance(counted["random_state"], int):
        counted["random_state"] = None
    digest = hashlib.sha256(f"{name} {sorted(counted.items())!r}".encode())
    for tensor in [] if beginning is None else beginning.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    for data in datasets:
        names = data.crystals.site_feature_names, data.crystals.interaction_feature_names
        digest.update(f"{names} {data.y.shape}".encode())
        for field in (
            "atomic_numbers",
            "site_features",
            "multiplicity",
            "pair_neighbor",
            "pair_distance",
            "pair_count",
        ):
            digest.update(data.crystals.field(field).tobytes())
        digest.update(data.y.tobytes() + data.weight.tobytes())
    return digest.hexdigest()


def _load(path):
    try:
        return torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch raises for a damaged file
        raise ValueError(f"{path} is no checkpoint of training ({error!s:.100}): delete it to start anew") from error
