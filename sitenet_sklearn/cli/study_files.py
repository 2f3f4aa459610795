"""The files that commands `tune` write: those that share a study may, others may not."""

import hashlib
import json
from contextlib import ExitStack, contextmanager, suppress

import typer

from sitenet_sklearn._files import lock_of, unlock, write_whole_file

PATIENCE = 10.0
"""Seconds to wait for another command that shares the study and is writing."""

_REPLACE = "or replace it with --overwrite"


class StudyFiles:
    """Model and table of a study. `<stem>-study.json` beside them says which study they are of.

    Parameters
    ----------
    output : Path
        Model.
    study : str
        Name of the study.
    overwrite : bool
        Whether files of other studies and commands may be replaced.

    Attributes
    ----------
    table : Path
        Table of trials, `<stem>-trials.csv`.
    """

    def __init__(self, output, study, *, overwrite):
        self.output, self.table = output, table_of(output)
        self.record = output.with_name(f"{output.stem}-study.json")
        self.study, self.overwrite = study, overwrite

    @contextmanager
    def claimed(self):
        """Keep other studies away, in a with block and after it; after an error only if something was written.

        Raises
        ------
        typer.BadParameter
            If another study or command writes them.
        ValueError
            If `<stem>-study.json` is something else.
        """
        try:
            with self._alone():
                is_new = not self.record.exists()
                self._remember(self._written())
        except FileExistsError as error:
            raise typer.BadParameter(f"--output: {error}") from error
        try:
            yield
        except BaseException:
            with suppress(FileExistsError), self._alone():
                if is_new and self._read() == (self.study, {}):
                    self.record.unlink()
            raise

    @contextmanager
    def writing(self):
        """Let a with block write the files, alone.

        Raises
        ------
        FileExistsError
            If another command has written or begun them meanwhile.
        """
        with self._alone():
            self._written()
            yield
            self._remember({path.name: _hash(path) for path in (self.output, self.table)})

    def _written(self):
        """Hashes of what this study has written; FileExistsError if there is anything else."""
        study, hashes = self._read()
        if study not in (None, self.study) and not self.overwrite:
            of_another = f"{self.output} is of the study {study} ({self.record})"
            raise FileExistsError(f"{of_another}: choose another name, {_REPLACE}")
        for path in (self.output, self.table):
            if not self.overwrite and path.exists() and hashes.get(path.name) != _hash(path):
                raise FileExistsError(f"{path} was written by another command: choose another name, {_REPLACE}")
        return hashes if study == self.study else {}

    def _read(self):
        if not self.record.exists():
            return None, {}
        try:
            state = json.loads(self.record.read_text(encoding="utf-8"))
            return str(state["study"]), dict(state["sha256"])
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f"{self.record} exists and is no record of a study: remove it, or choose another --output"
            ) from error

    def _remember(self, hashes):
        content = json.dumps({"study": self.study, "sha256": hashes})
        write_whole_file(self.record, content.encode())

    @contextmanager
    def _alone(self):
        with ExitStack() as stack:
            for path in (self.output, self.table):
                lock = lock_of(path, patience=PATIENCE)
                if lock is None:
                    raise FileExistsError(f"{path} is being written by another command: choose another name")
                stack.callback(unlock, lock)
            yield


def table_of(output):
    """Where the table of trials goes."""
    return output.with_name(f"{output.stem}-trials.csv")


def _hash(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
