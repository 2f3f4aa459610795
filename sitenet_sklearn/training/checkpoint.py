"""Checkpoints of training: after an interruption or a kill the same call to `fit` goes on with the next epoch."""

import hashlib
import io
from pathlib import Path

import torch
from skorch.callbacks import Callback
from skorch.history import History

from sitenet_sklearn._files import as_python, write_whole_file

from .data_parallel import is_first_process
from .fine_tuning import read_pretrained

_EARLY_STOPPING = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")
_NO_MATTER = ("checkpoint_dir", "callbacks", "compile", "device", "pretrained", "verbose")
"""Parameters that a training may change half-way; of a pretrained model the weights count."""


class TrainingCheckpoint(Callback):
    """Callback that saves all of training after every epoch, and removes the file at the end.

    Parameters
    ----------
    path : Path
        File, always whole.
    seed : int
        What the random numbers of this training follow from.
    """

    def __init__(self, path, seed):
        self.path, self.seed = path, seed

    @classmethod
    def of_fit(cls, folder, estimator, datasets, seed):
        """Make the checkpoint of a fit, with the seed of its file if there is one.

        Its name follows from parameters and data, so that two fits share a file only if they are the same.

        Parameters
        ----------
        folder : path-like
            Made if it does not exist.
        estimator : BaseSiteNet
            Whose parameters count.
        datasets : list of CrystalDataset
            Crystals, targets and weights that count.
        seed : int
            Seed of a new training.

        Returns
        -------
        TrainingCheckpoint
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"sitenet-{_fingerprint(estimator, datasets)[:20]}.ckpt"
        return cls(path, _load(path)["seed"] if path.is_file() else seed)

    def on_epoch_end(self, net, **kwargs):  # noqa: ARG002
        """Save."""
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

    def on_train_end(self, net, **kwargs):  # noqa: ARG002
        """Remove the file, unless training was interrupted."""
        if not net.interrupted_ and is_first_process():
            self.path.unlink(missing_ok=True)

    def restore(self, net):
        """Bring a trainer to where the file left off.

        Parameters
        ----------
        net : SiteNetTrainer
            At the beginning of training.

        Returns
        -------
        Tensor or None
            State of the generator of the order of crystals; None where there is no file.
        """
        if not self.path.is_file():
            return None
        state, callbacks = _load(self.path), dict(net.callbacks_)
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        callbacks["lr_scheduler"].lr_scheduler_.load_state_dict(state["schedule"])
        for name, value in (state["early_stopping"] or {}).items():
            setattr(callbacks["early_stopping"], name, value)
        net.history = History({**row, "batches": []} for row in state["history"])
        torch.set_rng_state(state["random"])
        return state["order"]


def _load(path):
    try:
        return torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch raises for a damaged file
        raise ValueError(f"{path} is no checkpoint of training ({error!s:.100}): delete it to start anew") from error


def _fingerprint(estimator, datasets):
    parameters = estimator.get_params()
    if not isinstance(parameters["random_state"], int):
        parameters["random_state"] = None
    text = repr(sorted((name, value) for name, value in parameters.items() if name not in _NO_MATTER))
    digest = hashlib.sha256(f"{type(estimator).__name__} {text}".encode())
    beginning = estimator.net_.module_ if estimator.warm_start and hasattr(estimator, "net_") else None
    if beginning is None and estimator.pretrained is not None:
        beginning, _ = read_pretrained(estimator.pretrained)
    for tensor in [] if beginning is None else beginning.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    for data in datasets:
        names = data.crystals.site_feature_names, data.crystals.interaction_feature_names
        digest.update(f"{names} {data.y.shape}".encode())
        for name in ("atomic_numbers", "site_features", "multiplicity", "pair_neighbor", "pair_distance", "pair_count"):
            digest.update(data.crystals.field(name).tobytes())
        digest.update(data.y.tobytes() + data.weight.tobytes())
    return digest.hexdigest()
