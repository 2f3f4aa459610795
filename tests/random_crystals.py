"""Random crystals, most of them impossible."""

import numpy as np
from pymatgen.core import DummySpecies, Element, Lattice, Species, Structure


def random_lattice(rng):
    """Ordinary, skewed, flat, elongated, huge, tiny, left-handed or impossible basis vectors."""
    matrix = Lattice.from_parameters(*rng.uniform(2, 12, 3), *rng.uniform(65, 115, 3)).matrix.copy()
    kind = rng.integers(10)
    if kind == 1:
        for _ in range(rng.integers(1, 8)):
            i, j = rng.choice(3, 2, replace=False)
            matrix[i] += rng.integers(-30, 31) * matrix[j]
    elif kind == 2:
        matrix[2] = matrix[:2].T @ rng.normal(size=2) + 10.0 ** -rng.uniform(0, 12) * matrix[2]
    elif kind in (3, 4, 5):
        matrix[: rng.integers(1, 4)] *= 10.0 ** rng.uniform(-9, 9)
    elif kind == 6:
        matrix *= -1
    elif kind == 7:
        matrix[rng.integers(3), rng.integers(3)] = rng.choice([np.nan, np.inf, 0, 1e300])
    elif kind == 8:
        matrix = np.eye(3) * rng.uniform(2, 12) + 10.0 ** -rng.uniform(2, 15) * rng.normal(size=(3, 3))
    return matrix


def random_species(rng):
    """An element, an ion, deuterium, what is no element, or a mixture."""
    element = Element.from_Z(int(rng.integers(1, 119)))
    choices = [
        lambda: element,
        lambda: Species(element.symbol, rng.choice([-4, -2, 0, 1, 2.5, 7, 1e6])),
        lambda: Element(rng.choice(["D", "T"])),
        lambda: DummySpecies("X", 1),
        lambda: {element: rng.uniform(1e-6, 1)},
        lambda: {element: 0.5, Element("Fe"): 0.5},
    ]
    return choices[rng.choice(6, p=[0.6, 0.2, 0.1, 0.02, 0.04, 0.04])]()


def random_structure(rng):
    """1 to 60 sites at random, on a grid, together or nowhere."""
    n, kinds = int(rng.integers(1, 61)), [random_species(rng) for _ in range(rng.integers(1, 4))]
    positions = rng.random((n, 3))
    kind = rng.integers(8)
    if kind in (0, 1, 2):
        grid = int(rng.choice([2, 3, 4]))
        cells = rng.permutation(grid**3)[:n]
        positions = np.stack(np.unravel_index(cells, (grid,) * 3), axis=1) / grid
    elif kind == 3:
        positions[rng.integers(n)] = positions[rng.integers(n)] + 10.0 ** -rng.uniform(1, 16)
    elif kind == 4:
        positions[rng.integers(n), rng.integers(3)] = rng.choice([np.nan, np.inf, 1e15, -1e300, 12345.678])
    species = [kinds[k] for k in rng.integers(len(kinds), size=len(positions))]
    return Structure(random_lattice(rng), species, positions)
