"""Long files that survive a kill half-way."""

import json
import os
from pathlib import Path

from ._files import written_whole


class PartialFile:
    """Text that grows in ``<path>.partial``, in steps that are finished or not there, and becomes `path` at the end.

    A small file ``<path>.partial.json`` beside it says how much is finished, and of what.

    Parameters
    ----------
    path : path-like
        The file at the end.
    fingerprint : str
        What the content follows from: a file begun with another one is not continued.

    Attributes
    ----------
    rows : int
        How many rows are finished.

    Raises
    ------
    ValueError
        If what is there was begun from something else, or is damaged.
    """

    def __init__(self, path, fingerprint):
        self.path = Path(path)
        self.partial = self.path.with_name(f"{self.path.name}.partial")
        self.sidecar = self.path.with_name(f"{self.path.name}.partial.json")
        self.fingerprint, self.rows, self.n_bytes = fingerprint, 0, 0
        if self.sidecar.exists():
            self._resume()

    def append(self, text, rows):
        """Add text that holds so many rows; afterwards it is on the disk."""
        mode = "r+b" if self.rows or self.n_bytes else "wb"
        with self.partial.open(mode) as file:
            file.truncate(self.n_bytes)  # of a step that a kill interrupted
            file.seek(self.n_bytes)
            self.n_bytes += file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        self.rows += rows
        state = {"fingerprint": self.fingerprint, "rows": self.rows, "bytes": self.n_bytes}
        with written_whole(self.sidecar) as temporary:
            temporary.write_text(json.dumps(state), encoding="utf-8")

    def finish(self):
        """Give the file its name."""
        with self.partial.open("r+b") as file:
            file.truncate(self.n_bytes)
        self.partial.replace(self.path)
        self.sidecar.unlink()

    def _resume(self):
        remedy = f"remove {self.partial} and {self.sidecar} to begin anew"
        try:
            state = json.loads(self.sidecar.read_text(encoding="utf-8"))
            fingerprint, rows, n_bytes = state["fingerprint"], int(state["rows"]), int(state["bytes"])
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f"{self.sidecar} is damaged: {remedy}") from error
        if fingerprint != self.fingerprint:
            raise ValueError(f"{self.partial} was begun with another model, other data or options: {remedy}")
        if not self.partial.is_file() or self.partial.stat().st_size < n_bytes:
            raise ValueError(f"{self.partial} is shorter than the {n_bytes} bytes that were finished: {remedy}")
        self.rows, self.n_bytes = rows, n_bytes
