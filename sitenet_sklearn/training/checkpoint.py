"""Checkpoints of training: after an interruption or a kill the same call to `fit` goes on with the next epoch."""

import hashlib
import io
import zipfile
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import torch
from skorch.history import History

from sitenet_sklearn._files import as_python, lock_of, unlock, write_whole_file

from .data_parallel import is_distributed, is_first_process

_EARLY_STOPPING = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")
_MAGIC = b"sitenet checkpoint 2\n"
_REMEDY = "delete it to start anew"
_NO_MATTER = ("checkpoint_dir", "callbacks", "device", "pretrained", "verbose")
"""Parameters that a training may change half-way; of a pretrained model the weights count."""


class TrainingCheckpoint:
    """A file that holds all of training after every epoch, and is removed at the end unless it is to be kept.

    While a training uses it, others that are the same have files of their own: enter it as a context.

    Parameters
    ----------
    folder : path-like
        Made if it does not exist.
    fingerprint : str
        What names the file, from `fingerprint_of_training`.
    seed : int
        What the random numbers of a new training follow from.
    keep : bool, default=False
        Whether to leave the file at the end, for whoever has more to do before all is done.

    Attributes
    ----------
    path : Path
        The file, always whole.
    seed : int
        That of the file, if there is one.
    """

    def __init__(self, folder, fingerprint, seed, *, keep=False):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.keep = keep
        self.path, self.lock = _free_file(folder, f"sitenet-{fingerprint[:20]}")
        try:
            self.seed = _seed_of(self.path) if self.path.is_file() else seed
        except BaseException:  # a damaged file, or Ctrl-C while it was read
            self._unlock()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._unlock()

    def _unlock(self):
        if self.lock is not None:
            unlock(self.lock)

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
            "random": torch.get_rng_state() if net.generator_ is None else net.generator_.get_state(),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getvalue()
        write_whole_file(self.path, _MAGIC + hashlib.sha256(content).digest() + content)

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
        try:
            self._give(state, net, callbacks)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"{self.path} does not fit this training ({error!s:.200}): {_REMEDY}") from error
        return True

    @staticmethod
    def _give(state, net, callbacks):
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        for parameter, values in net.optimizer_.state.items():
            if any(value.shape not in {(), parameter.shape} for value in values.values() if torch.is_tensor(value)):
                raise ValueError("the state of the optimizer has other shapes")
        callbacks["lr_scheduler"].lr_scheduler_.load_state_dict(state["schedule"])
        for name in _EARLY_STOPPING if state["early_stopping"] else ():
            setattr(callbacks["early_stopping"], name, state["early_stopping"][name])
        if len(state["history"]) > net.max_epochs:
            raise ValueError(f"it has {len(state['history'])} epochs of {net.max_epochs}")
        net.history = History({**row, "batches": []} for row in state["history"])
        net.order_.set_state(state["order"])
        set_state = torch.set_rng_state if net.generator_ is None else net.generator_.set_state
        set_state(state["random"])

    def finish(self):
        """Remove the file, as training has ended, unless it is to be kept."""
        if is_first_process() and not self.keep:
            remove_checkpoint(self.path)


_KEPT: ContextVar[list[Path] | None] = ContextVar("kept_checkpoints", default=None)


@contextmanager
def checkpoints_kept():
    """Remove no checkpoint before all that is done here has ended well: after a kill, an equal `fit` trains no more."""
    paths = []
    token = _KEPT.set(paths)
    try:
        yield
    finally:
        _KEPT.reset(token)
    for path in paths:
        path.unlink(missing_ok=True)


def remove_checkpoint(path):
    """Remove the checkpoint of a training that has ended, now or where `checkpoints_kept` ends."""
    kept = _KEPT.get()
    if kept is None:
        path.unlink(missing_ok=True)
    else:
        kept.append(path)


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
    counted = {key: _as_given(value) for key, value in parameters.items() if key not in _NO_MATTER}
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


def _as_given(value):
    """Turn a parameter of NumPy's into Python's, and lists into tuples, which mean the same."""
    return tuple(map(as_python, value)) if isinstance(value, list | tuple) else as_python(value)


def _free_file(folder, stem):
    """Choose the file of a training, one that was left first, and lock it; processes that share a batch share it."""
    paths = [folder / f"{stem}{end}.ckpt" for end in ("", *(f"-{k}" for k in range(2, 1000)))]
    if is_distributed():
        return paths[0], None
    for path in sorted(paths, key=lambda path: not path.is_file()):  # stable: those that are there come first
        if (lock := lock_of(path)) is not None:
            return path, lock
    raise RuntimeError(f"{folder} is in use by {len(paths)} equal trainings: choose another checkpoint_dir")


def _seed_of(path):
    state = _load(path)
    if not isinstance(state, dict) or not isinstance(state.get("seed"), int):
        raise ValueError(f"{path} is no checkpoint of training (it has no seed): {_REMEDY}")  # noqa: TRY004
    return state["seed"]


def _load(path):
    try:
        return torch.load(io.BytesIO(_checked(path.read_bytes())), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch raises for a damaged file
        raise ValueError(f"{path} is no checkpoint of training ({error!s:.100}): {_REMEDY}") from error


def _checked(content):
    """Return what torch has to load, if it is as it was written; files of version 0.1.0 have no checksum."""
    if content.startswith(_MAGIC):
        start = len(_MAGIC) + hashlib.sha256().digest_size
        expected, content = content[len(_MAGIC) : start], content[start:]
        if hashlib.sha256(content).digest() != expected:
            raise ValueError("its checksum does not match")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("it is compressed")
    if sum(entry.file_size for entry in entries) > len(content):
        raise ValueError("its parts overlap")
    return content
