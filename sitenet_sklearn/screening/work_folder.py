"""The folder beside the output of a screening, in which everything is kept until the output is there."""

import re
from contextlib import suppress
from pathlib import Path

from sitenet_sklearn._files import temporary_beside
from sitenet_sklearn.estimators.persistence import save_model
from sitenet_sklearn.network.weights_file import stored_checksum

from .ledger import Ledger
from .stages import ModelFile

LEDGER = "ledger.sqlite"
_OWN = re.compile(
    r"ledger\.sqlite(-wal|-shm|-journal)?|[0-9a-f]{16}\.safetensors|\.{1,2}model\.safetensors(\.[0-9a-f]{12}\.tmp)+"
)
"""Names of the files of a work folder: the ledger with what SQLite puts beside it, models, and models half written."""


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
    """
    path = Path(output).with_name(f"{Path(output).name}.partial")
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise FileExistsError(f"{path} is to be the folder of unfinished work, but is none: choose another output")
    for file in sorted(path.iterdir()) if path.is_dir() else ():
        if not _OWN.fullmatch(file.name) or file.is_symlink() or not file.is_file():
            raise FileExistsError(f"{file} was not written by a screening: move it away, or choose another output")
    return path


class WorkFolder:
    """The folder ``<output>.partial``, of which nobody else writes the output meanwhile.

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
    TypeError
        If the model holds what `save_model` cannot save.
    ValueError
        If the folder belongs to another model, other sources or other options.
    """

    def __init__(self, output, model, job):
        self.path = work_folder_of(output)
        before = set(self.path.iterdir()) if self.path.is_dir() else None
        try:
            self.path.mkdir(exist_ok=True)
            self.model_file = _save(model, self.path)
            self.ledger = Ledger(self.path / LEDGER, {"model": self.model_file.checksum} | job)
        except BaseException:
            for path in set(self.path.glob("*")) - (before or set()):
                path.unlink()
            if before is None and self.path.is_dir():
                self.path.rmdir()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.ledger.close()
        if kind is None:
            self._remove()

    def _remove(self):
        """Remove the folder with its own files; where others have come meanwhile, it stays with these."""
        for path in sorted(self.path.iterdir(), key=lambda path: path.name == LEDGER):  # a kill leaves the ledger
            if _OWN.fullmatch(path.name):
                path.unlink()
        with suppress(OSError):
            self.path.rmdir()


def _save(model, folder):
    """Save a model under a name that follows from its content."""
    temporary = temporary_beside(folder / "model.safetensors")
    try:
        save_model(model, temporary)
        checksum = stored_checksum(temporary)
        return ModelFile(str(temporary.replace(folder.resolve() / f"{checksum[:16]}.safetensors")), checksum)
    finally:
        temporary.unlink(missing_ok=True)
