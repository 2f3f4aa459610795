"""More crystals than memory holds: featurized straight to disk, resumably, and predicted chunk by chunk."""

import shutil
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from sitenet_sklearn.crystals.cache import fingerprint
from sitenet_sklearn.crystals.ragged import RaggedCrystals
from sitenet_sklearn.crystals.store import concatenate_stores
from sitenet_sklearn.crystals.structures import only_column
from sitenet_sklearn.exceptions import FeaturizationError, StoreError


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
        featurizer.report(failures)
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
        for chunk in _chunks(X, chunk_size, type(featurizer).__name__):
            folders.append(partial / f"{len(folders):06d}-{fingerprint(parameters, chunk).hexdigest()[:16]}")
            if not folders[-1].exists():
                featurized, failed = featurizer.transform_with_failures(chunk, start)
                failures += failed
                if not failed or featurizer.on_error == "mask":
                    with suppress(FileExistsError):  # another process on the same work was first
                        featurized.save(folders[-1])
            start += len(chunk)
            bar.update(len(chunk))
    if not folders:
        raise ValueError("at least one crystal is expected, got none")
    return folders, failures


def predict_in_chunks(model, X, *, method="predict", chunk_size=1024, verbose=0) -> np.ndarray:
    """Predict for more crystals than memory holds.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted.
    X : iterable
        What the model takes: crystals in any form, also from a generator, or `RaggedCrystals`, also from a store.
    method : str, default="predict"
        Method of the model that makes an array with one row for every crystal, such as "predict_proba".
    chunk_size : int, default=1024
        Crystals to hold in memory at a time.
    verbose : int, default=0
        Whether to show progress.

    Returns
    -------
    ndarray of shape (n,) or (n, k)

    Raises
    ------
    FeaturizationError
        If crystals of a chunk fail in a pipeline; their index counts from the first crystal of all. A featurizer with
        ``on_error="mask"`` warns instead, with indices within the chunk, and their predictions are NaN.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, predict_in_chunks
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> model = make_pipeline(SupercellFeaturizer(max_atoms=20), SiteNetRegressor(max_epochs=1))
    >>> model = model.fit(structures[:30], band_gap[:30])
    >>> predict_in_chunks(model, (structure for structure in structures[:50]), chunk_size=20).shape
    (50,)
    """
    predictions, start = [], 0
    with tqdm(desc=method, unit="crystal", disable=not verbose) as bar:
        for chunk in _chunks(X, chunk_size, "predict_in_chunks"):
            try:
                predictions.append(getattr(model, method)(chunk))
            except FeaturizationError as error:
                failures = [replace(failure, index=start + failure.index) for failure in error.failures]
                raise FeaturizationError(failures) from None
            start += len(chunk)
            bar.update(len(chunk))
    return np.concatenate(predictions or [getattr(model, method)([])])


def _chunks(X, size, owner):
    """Yield parts of X: slices of a container, of a column with its labels, or lists of what an iterable holds."""
    X = only_column(X, owner)
    if isinstance(X, RaggedCrystals) or hasattr(X, "iloc"):
        rows = getattr(X, "iloc", X)
        yield from (rows[start : start + size] for start in range(0, max(len(X), 1), size))
    else:
        crystals = iter(X)
        yield from iter(lambda: list(islice(crystals, size)), [])
