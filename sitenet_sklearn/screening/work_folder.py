"""The folder beside the output of a screening, in which everything is kept until the output is there."""

import secrets
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

from sitenet_sklearn.estimators.persistence import contents_of_model
from sitenet_sklearn.network.weights_file import checksum_of_model, read_model, stored_checksum, write_model

from .ledger import Ledger, is_ledger, stored_job
from .stages import ModelFile

LEDGER = "ledger.sqlite"
_LEDGER_FILES = (LEDGER, f"{LEDGER}-journal")


def work_folder_of(output):
    """Name the folder of unfinished work, ``<output>.partial``.

    Parameters
    ----------
    output : path-like
        The table that will be written.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FileExistsError
        If what has its name is not such a folder, or holds files that a screening did not write.
    OSError, ValueError
        If its ledger cannot be read.
    """
    path = Path(output).with_name(f"{Path(output).name}.partial")
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise FileExistsError(f"{path} is to be the folder of unfinished work, but is none: choose another output")
    files = sorted(path.iterdir()) if path.is_dir() else []
    ledger = path / LEDGER
    has_ledger = ledger.is_file() and not ledger.is_symlink() and is_ledger(ledger)
    token = stored_job(ledger).get("token") if has_ledger else None
    for file in files:
        is_own = has_ledger if file.name in _LEDGER_FILES else _is_of(token, file)
        if not is_own or file.is_symlink() or not file.is_file():
            lost = "" if token else f"; if {path} is unfinished work that has lost its ledger, remove it"
            raise FileExistsError(
                f"{file} was not written by a screening: move it away, or choose another output{lost}"
            )
    return path


class WorkFolder:
    """The folder ``<output>.partial``, of which nobody else writes the output meanwhile.

    It holds the ledger, and files with the token of the ledger in their names: nothing else is ever removed.

    Parameters
    ----------
    output : path-like
        The table that will be written.
    model : estimator or Pipeline
        Fitted; it is saved in the folder, for all processes.
    job : dict of str to str
        What else the answers follow from. A folder of another job is refused.

    Attributes
    ----------
    ledger : Ledger
        What is finished.
    model_file : ModelFile
        The saved model.

    Raises
    ------
    FileExistsError
        If the folder holds what a screening did not write.
    OSError
        If the folder cannot be read or written.
    RuntimeError
        At the end of a with block, if one of the processes was killed in it.
    TypeError
        If the model holds what `save_model` cannot save.
    ValueError
        If the folder belongs to another model, other sources or other options, or is damaged.
    """

    def __init__(self, output, model, job):
        self.path = work_folder_of(output)
        header, tensors = contents_of_model(model)
        checksum = checksum_of_model(header, tensors)
        is_new = not (self.path / LEDGER).exists()
        self.path.mkdir(exist_ok=True)
        self.ledger = None
        try:
            self.ledger = Ledger(self.path / LEDGER, {"model": checksum} | job)
            self.model_file = ModelFile(str(self.path.resolve() / f"{self.ledger.token}.model.safetensors"), checksum)
            self._clear(but=Path(self.model_file.path).name)
            if not _is_whole(self.model_file):
                write_model(self.model_file.path, header, tensors)
        except BaseException:
            if self.ledger is not None:
                self.ledger.close()
            if is_new:
                self._remove()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.ledger.close()
        if kind is None:
            self._remove()
        elif isinstance(error, BrokenProcessPool):
            raise RuntimeError(
                "a process of the screening was killed, perhaps because memory ran out: finished rows are kept in "
                f"{self.path}, run the same command again to go on (with fewer processes or smaller chunks, less "
                "memory is needed)"
            ) from error

    def unfinished(self, path):
        """Name a file of this folder, never used before, in which `path` is written until it is whole."""
        return self.path / f"{self.ledger.token}.{secrets.token_hex(4)}{path.suffix}"

    def _clear(self, *, but=None):
        """Remove all files of this screening but the ledger and one other, such as tables that a kill cut off."""
        token = self.ledger and self.ledger.token
        for file in list(self.path.iterdir()):
            if _is_of(token, file) and file.name != but:
                file.unlink()

    def _remove(self):
        """Remove the folder with its own files; where others have come meanwhile, it stays with these."""
        self._clear()
        for name in reversed(_LEDGER_FILES):  # a kill leaves the ledger
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()


def _is_of(token, file):
    """Whether a file has the token of a ledger in its name; one that is half written has a dot before it."""
    return token is not None and file.name.removeprefix(".").startswith(f"{token}.")


def _is_whole(model_file):
    """Whether a model is there and what it should be."""
    try:
        read_model(model_file.path)
    except (OSError, ValueError):
        return False
    return stored_checksum(model_file.path) == model_file.checksum
