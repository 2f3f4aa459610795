"""Other descriptions of the same crystal."""

import numpy as np
from pymatgen.core import Lattice, Structure


def random_unimodular(rng, steps=4):
    """Integer matrix of determinant +1 or -1 that makes a skewed cell."""
    matrix = np.eye(3, dtype=int)[rng.permutation(3)] * rng.choice([-1, 1], size=3)
    for _ in range(steps):
        i, j = rng.choice(3, size=2, replace=False)
        matrix[i] += rng.integers(-2, 3) * matrix[j]
    return matrix


def random_rotation(rng):
    """Rotation or, half of the time, a rotation with a reflection."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.diag(r)) * rng.choice([-1, 1])


def redescribe(structure, rng, supercell=None):
    """Describe a crystal by another cell, origin, orientation, handedness and order of sites."""
    structure = structure.copy()
    if supercell is not None:
        structure.make_supercell(supercell, to_unit_cell=False)
    change = random_unimodular(rng)
    lattice = change @ structure.lattice.matrix @ random_rotation(rng)
    coords = structure.frac_coords @ np.linalg.inv(change) + rng.random(3)
    order = rng.permutation(len(structure))
    return Structure(Lattice(lattice), [structure.species[k] for k in order], (coords % 1)[order])
