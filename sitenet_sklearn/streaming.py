"""Featurize more crystals than memory holds: straight to disk, chunk by chunk, resumable."""

import hashlib
import json
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from .ragged import RaggedCrystals
from .store import SCHEMA, concatenate_stores
from .structures import CrystalError, as_structure


def featurize_to_store(featurizer, X, path, *, chunk_size=1024):
    """Featurize crystals into a folder.

    Finished chunks are kept in a folder beside it until all are done. The same call, made again after an
    interruption, computes only what is missing, and the folder comes out the same.

    Parameters
    ----------
    featurizer : SupercellFeaturizer
        Its parameters count; with `on_error="raise"` all chunks are done before the failures are listed.
    X : iterable of crystals
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
        If the folder exists.
    FeaturizationError
        If crystals fail and `on_error` is "raise"; their index counts from the first crystal.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists: open it with RaggedCrystals.open, or remove it")
    partial = path.with_name(f"{path.name}.partial")
    folders, failures, crystals, start = [], [], iter(X), 0
    with tqdm(desc="featurize", unit="crystal", disable=not featurizer.verbose) as bar:
        while chunk := list(islice(crystals, chunk_size)):
            folders.append(partial / f"{len(folders):06d}-{_fingerprint(featurizer, chunk)}")
            if not folders[-1].exists():
                featurized, failed = featurizer.transform_with_failures(chunk, start)
                failures += failed
                if not failed or featurizer.on_error == "mask":
                    featurized.save(folders[-1])
            start += len(chunk)
            bar.update(len(chunk))
    if not folders:
        raise ValueError("at least one crystal is expected, got none")
    featurizer.report(failures)
    concatenate_stores(path, [RaggedCrystals.open(folder).stored() for folder in folders])
    shutil.rmtree(partial)
    return RaggedCrystals.open(path)


def _fingerprint(featurizer, chunk):
    """Short name for the content of a chunk and all that its record depends on."""
    digest = hashlib.sha256(SCHEMA.encode())
    parameters = {name: value for name, value in featurizer.get_params().items() if name not in ("n_jobs", "verbose")}
    digest.update(json.dumps(parameters, sort_keys=True, default=str).encode())
    for item in chunk:
        digest.update(content_of(item))
    return digest.hexdigest()[:16]


def content_of(item):
    """Lattice, positions and species of a crystal as bytes, or the reason why it cannot be read.

    Parameters
    ----------
    item : pymatgen Structure, path, dict or ASE Atoms
        A crystal.

    Returns
    -------
    bytes
        Equal for copies of a crystal, whatever was computed with them.
    """
    try:
        structure = as_structure(item)
    except CrystalError as error:
        return str(error).encode()
    species = " ".join(map(str, structure.species_and_occu))
    numbers = np.vstack([structure.lattice.matrix, structure.frac_coords]).round(8) + 0.0
    return species.encode() + numbers.tobytes()
