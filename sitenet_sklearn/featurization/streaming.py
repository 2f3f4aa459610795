"""More crystals than memory holds: featurized chunk by chunk, straight to disk, resumably."""

import json
import shutil
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from numbers import Integral
from pathlib import Path

from tqdm.auto import tqdm

from sitenet_sklearn._files import write_whole_file
from sitenet_sklearn.crystals.cache import fingerprint
from sitenet_sklearn.crystals.ragged import RaggedCrystals
from sitenet_sklearn.crystals.store import concatenate_stores
from sitenet_sklearn.crystals.structures import only_column
from sitenet_sklearn.exceptions import Failure, StoreError


def featurize_to_store(featurizer, X, path, *, chunk_size=1024) -> RaggedCrystals:
    """Featurize crystals into a folder.

    Finished chunks are kept in a folder beside it until all are done. The same call, made again after an
    interruption, computes only what is missing, and the folder comes out the same.

    Parameters
    ----------
    featurizer : SupercellFeaturizer
        Its parameters count; with `on_error="raise"` all chunks are done before the failures are listed.
    X : iterable of crystals or one-column DataFrame
        Any form that the featurizer takes; a generator is read chunk by chunk.
    path : path-like
        Folder to make.
    chunk_size : int, default=1024
        Crystals to hold in memory at a time.

    Returns
    -------
    RaggedCrystals
        The crystals, memory-mapped.

    Raises
    ------
    FileExistsError
        If the folder exists, or another process on the same work has just finished it.
    OSError
        If it cannot be written, for instance on a full disk; finished chunks are kept.
    FeaturizationError
        If crystals fail and `on_error` is "raise"; their index counts from the first crystal.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists: open it with RaggedCrystals.open, or remove it")
    partial = path.with_name(f"{path.name}.partial")
    try:
        folders, failures = _featurize_chunks(featurizer, X, partial, chunk_size)
        featurizer.raise_or_warn(failures)
        concatenate_stores(path, folders)
    except (StoreError, FileExistsError, FileNotFoundError) as error:
        if not path.exists():
            raise
        shutil.rmtree(partial, ignore_errors=True)
        raise FileExistsError(f"{path} was made by another process meanwhile: open it, or remove it") from error
    shutil.rmtree(partial, ignore_errors=True)
    return RaggedCrystals.open(path)


def _featurize_chunks(featurizer, X, partial, chunk_size):
    """Featurize the chunks that are not there yet; return the folders of all, and the crystals that failed."""
    names = featurizer.interaction_feature_names_out_
    parameters = featurizer.record_parameters() | {"on_error": featurizer.on_error, "interaction_features": names}
    folders, failures, start = [], [], 0
    with tqdm(desc="featurize", unit="crystal", disable=not featurizer.verbose) as bar:
        for chunk in in_chunks(X, chunk_size, type(featurizer).__name__):
            folders.append(partial / f"{len(folders):06d}-{fingerprint(parameters, chunk).hexdigest()[:16]}")
            known = folders[-1].with_name(f"{folders[-1].name}.failures.json")
            if folders[-1].exists():
                failures += _read_failures(known)
            else:
                featurized, failed = featurizer.transform_with_failures(chunk, start)
                failures += failed
                if not failed or featurizer.on_error == "mask":
                    if failed:
                        partial.mkdir(parents=True, exist_ok=True)
                        write_whole_file(known, json.dumps([asdict(failure) for failure in failed]).encode())
                    with suppress(FileExistsError):  # another process on the same work was first
                        featurized.save(folders[-1])
            start += len(chunk)
            bar.update(len(chunk))
    if not folders:
        raise ValueError("at least one crystal is expected, got none")
    return folders, failures


def _read_failures(path):
    """Failures of a chunk that was finished earlier; none where there is no file."""
    return [Failure(**values) for values in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []


def in_chunks(X, size, owner):
    """Cut crystals into chunks.

    Parameters
    ----------
    X : RaggedCrystals, one-column DataFrame or iterable of crystals
        What to cut.
    size : int
        Crystals in a chunk.
    owner : str
        Name for messages.

    Yields
    ------
    RaggedCrystals, Series or list
        Slices of a container, of a column with its labels, or lists of what an iterable holds; one empty slice of an
        empty container.
    """
    if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
        raise ValueError(f"chunk_size must be a positive integer, got {size!r}")
    X = only_column(X, owner)
    if isinstance(X, RaggedCrystals) or hasattr(X, "iloc"):
        rows = getattr(X, "iloc", X)
        yield from (rows[start : start + size] for start in range(0, max(len(X), 1), size))
    else:
        crystals = iter(X)
        yield from iter(lambda: list(islice(crystals, size)), [])
