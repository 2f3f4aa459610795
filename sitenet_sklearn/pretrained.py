"""Models that come with the library: trained, saved with `save_model`, and described by a card each."""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .estimators.persistence import load_model

__all__ = ["list_pretrained", "load_pretrained", "model_card", "pretrained_file"]

_FOLDER = Path(__file__).parent / "models"


def list_pretrained() -> list[str]:
    """Name the models that come with the library.

    Returns
    -------
    list of str
        In alphabetical order.

    Examples
    --------
    >>> from sitenet_sklearn import list_pretrained
    >>> "band_gap" in list_pretrained()
    True
    """
    return sorted(path.parent.name for path in _FOLDER.glob("*/card.json"))


def load_pretrained(name, *, device="auto") -> Any:
    """Load a model that comes with the library. Nothing is downloaded.

    Parameters
    ----------
    name : str
        One out of `list_pretrained`.
    device : str or torch.device, default="auto"
        Where to compute; "auto" is the first CUDA GPU or else the CPU.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted, with the steps "featurizer" and "sitenet". It takes what `SupercellFeaturizer` takes.

    Raises
    ------
    ValueError
        If there is no such model.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> from sitenet_sklearn import load_pretrained
    >>> rock_salt = Structure.from_spacegroup(
    ...     "Fm-3m", Lattice.cubic(5.69), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ... )
    >>> bool(4 < load_pretrained("band_gap").predict([rock_salt])[0] < 6)  # eV
    True
    """
    return load_model(pretrained_file(name), device=device)


def pretrained_file(name) -> Path:
    """Tell where the file of a model is, for example to fine-tune it.

    Parameters
    ----------
    name : str
        One out of `list_pretrained`.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        If there is no such model.

    Examples
    --------
    >>> from sitenet_sklearn.pretrained import pretrained_file
    >>> pretrained_file("band_gap").name
    'model.safetensors'
    """
    known = list_pretrained()
    if name not in known:
        likely = get_close_matches(f"{name!s:.80}", known, n=1, cutoff=0.4) or known or ["a file"]
        raise ValueError(f"no model {name!r:.80} comes with the library; did you mean {' or '.join(likely)}?")
    return _FOLDER / name / "model.safetensors"


def model_card(name) -> dict:
    """Read the card of a model: what it predicts, from which data it learned, how far it can be trusted.

    Parameters
    ----------
    name : str
        One out of `list_pretrained`.

    Returns
    -------
    dict
        With the entries "property", "unit", "data", "licence", "training", "errors", "do not use for" and others.

    Raises
    ------
    ValueError
        If there is no such model.

    Examples
    --------
    >>> from sitenet_sklearn.pretrained import model_card
    >>> model_card("band_gap")["unit"]
    'eV'
    """
    return json.loads(pretrained_file(name).with_name("card.json").read_text())


def card_of(path) -> dict:
    """Read the card of the model that a file holds; empty unless it came with the library."""
    name = Path(path).parent.name
    return model_card(name) if name in list_pretrained() and Path(path) == pretrained_file(name) else {}
