"""Sort out crystals that cannot be featurized before anything long begins."""

from typing import NamedTuple

import numpy as np

from sitenet_sklearn.crystals.structures import formula_of, list_crystals, usable_species
from sitenet_sklearn.exceptions import CrystalError, Failure

from .featurizer import SupercellFeaturizer


class Filtered(NamedTuple):
    """Crystals that can be featurized, and why the others cannot.

    Attributes
    ----------
    structures : list
        The crystals kept, as they were given.
    y : ndarray or None
        Their targets.
    failures : list of Failure
        The crystals left out, with index, name, formula and reason.
    """

    structures: list
    y: np.ndarray | None
    failures: list[Failure]


def filter_structures(structures, y=None, *, featurizer=None) -> Filtered:
    """Keep the crystals that can be featurized, and their targets.

    A transformer of a pipeline cannot drop samples, so do this before cross-validation.

    Parameters
    ----------
    structures : sequence of crystals
        Any form that `SupercellFeaturizer` takes.
    y : array-like of shape (n,) or (n, k), default=None
        Targets.
    featurizer : SupercellFeaturizer, default=None
        Whose `symprec`, `oxidation_states` and `n_jobs` count; None takes the defaults.

    Returns
    -------
    Filtered
        Named tuple of `structures`, `y` and `failures`.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> cube = Lattice.cubic(4.0)
    >>> alloy = Structure(cube, [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]])
    >>> iron = Structure(cube, ["Fe"], [[0, 0, 0]])
    >>> kept, y, failures = filter_structures([alloy, iron], [0.1, 0.2])
    >>> len(kept), y.tolist(), str(failures[0])[:45]
    (1, [0.2], 'index 0 (Fe0.5Co0.5): the structure is disord')
    """
    items, _ = list_crystals(structures, "filter_structures")
    if y is not None and len(y) != len(items):
        raise ValueError(f"y must hold one target for each of {len(items)} crystals, got {len(y)}")
    quick = {"max_atoms": 1, "on_error": "mask", "cache": None}  # what fails, fails before the search of a supercell
    parameters = (featurizer or SupercellFeaturizer()).get_params() | quick
    crystals, failures = SupercellFeaturizer(**parameters).transform_with_failures(items)
    kept = crystals.valid
    return Filtered([item for item, keep in zip(items, kept, strict=True) if keep], _rows(y, kept), failures)


def _rows(y, kept):
    return None if y is None else np.asarray(y)[kept]


def unusable(structures, ids, rows=None, *, start=0):
    """List the crystals that a look at them shows to be unusable.

    Parameters
    ----------
    structures : list of (pymatgen.core.Structure or None)
        n crystals.
    ids : list of str
        Their names.
    rows : sequence of int, default=None
        Which of them to look at; None for those that are there.
    start : int, default=0
        Index of the first one in failures.

    Returns
    -------
    list of Failure
    """
    failures = []
    for k in [k for k, found in enumerate(structures) if found is not None] if rows is None else rows:
        try:
            usable_species(structures[k])
        except CrystalError as error:
            failures.append(Failure(start + k, ids[k], formula_of(structures[k]), str(error)))
    return failures
