"""How complicated a crystal structure is: bits of information in its orbits."""

from typing import NamedTuple

import numpy as np
import spglib

from sitenet_sklearn.crystals.structures import as_structure, usable_species
from sitenet_sklearn.geometry.lattice import or_none

ANGLE_TOLERANCE = 5.0
"""Tolerance of angles of the lattice in degrees, as in pymatgen."""


class Complexity(NamedTuple):
    """Information of a crystal structure, in bits.

    Attributes
    ----------
    combinatorial : float
        Bits per position: which orbit a site belongs to.
    coordinational : float
        Bits per degree of freedom: which orbit a free coordinate belongs to.
    configurational : float
        Bits per position and degree of freedom: both together.
    n_positions : int
        Positions in the primitive cell.
    n_coordinates : int
        Free coordinates of all orbits.
    """

    combinatorial: float
    coordinational: float
    configurational: float
    n_positions: int
    n_coordinates: int

    @property
    def total(self):
        """Bits of the configuration per primitive cell."""
        return self.configurational * (self.n_positions + self.n_coordinates)


def complexity(structure, symprec=5e-3):
    r"""Measure the complexity of a crystal structure.

    Over crystallographic orbits k, each with m_k positions in the primitive cell and the arity a_k of its Wyckoff
    position, the number of its free coordinates,

    .. math::

        I = -\sum_k p_k \log_2 p_k,

    with p_k = m_k / M for the combinatorial information, a_k / A for the coordinational one and both m_k / (M + A) and
    a_k / (M + A) for the configurational one, where M and A are the sums (Hornfeck, Acta Cryst. A 76 (2020) 534,
    doi:10.1107/S2053273320006634; Krivovichev, Acta Cryst. A 68 (2012) 393, doi:10.1107/S0108767312012044).

    Parameters
    ----------
    structure : crystal
        In any form that `SupercellFeaturizer` takes.
    symprec : float, default=5e-3
        Tolerance of symmetry in angstrom.

    Returns
    -------
    Complexity

    Raises
    ------
    ValueError
        If no symmetry is found at this tolerance.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> rutile = Structure.from_spacegroup(
    ...     "P4_2/mnm", Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    ... )
    >>> found = complexity(rutile)
    >>> round(found.combinatorial, 4), round(found.configurational, 4), round(found.total, 3)
    (0.9183, 1.3788, 9.651)
    """
    structure = as_structure(structure)
    numbers = [species.Z for species in usable_species(structure)]
    cell = (structure.lattice.matrix, structure.frac_coords, numbers)
    dataset = or_none(spglib.get_symmetry_dataset, cell, symprec=symprec, angle_tolerance=ANGLE_TOLERANCE)
    if dataset is None:
        formula = structure.composition.reduced_formula
        raise ValueError(f"no symmetry of {formula} is found with symprec={symprec}: try another tolerance")
    orbits = [np.flatnonzero(dataset.equivalent_atoms == first) for first in np.unique(dataset.equivalent_atoms)]
    positions = np.array([len(np.unique(dataset.mapping_to_primitive[sites])) for sites in orbits])
    arities = np.array([_arity(structure, sites, dataset) for sites in orbits])
    information = [_information(counts) for counts in (positions, arities, np.concatenate([positions, arities]))]
    return Complexity(*information, int(positions.sum()), int(arities.sum()))


def _information(counts):
    share = counts[counts > 0] / counts.sum() if counts.any() else np.ones(1)
    return float(np.abs((share * np.log2(share)).sum()))


def _arity(structure, orbit, dataset):
    """Dimension of the space that the symmetry of a site leaves fixed: the trace of its average rotation.

    Of all operations, as many as there are operations to a site of the orbit leave the site where it is.
    """
    position = structure.frac_coords[orbit[0]]
    moved = dataset.rotations @ position + dataset.translations - position
    distance = np.linalg.norm((moved - np.round(moved)) @ structure.lattice.matrix, axis=1)
    own = np.argsort(distance, kind="stable")[: len(distance) // len(orbit)]
    return round(np.trace(dataset.rotations[own].mean(axis=0)))
