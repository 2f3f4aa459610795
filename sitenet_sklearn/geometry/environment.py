r"""The surroundings of a site in numbers: how its neighbours are spread over distances and directions.

Neighbours j of site i in the infinite crystal, each with a weight w_j, make a density. Its moments

.. math::

    c_{nlm}(i) = \sum_j w_j\, g_n(r_{ij})\, C_{lm}(\hat r_{ij}),\qquad
    g_n(r) = e^{-((r - r_n) / s)^2}\, \tfrac12 \big(1 + \cos(\pi r / r_c)\big)

rotate with the crystal; the lengths of their vectors over m do not. These are the diagonal of the smooth power spectrum
of Bartók, Kondor and Csányi (doi:10.1103/PhysRevB.87.184115), and for one shell of neighbours the bond-order parameters
of Steinhardt, Nelson and Ronchetti (doi:10.1103/PhysRevB.28.784).
"""

from typing import NamedTuple

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres
from scipy.spatial import cKDTree

from sitenet_sklearn.exceptions import CrystalError

RADII = (1.6, 2.2, 2.8, 3.6, 4.6)
"""Centres r_n of the radial functions, in angstrom."""

WIDTH = 0.5
"""Width s of the radial functions, in angstrom."""

CUTOFF = 5.5
"""Distance r_c in angstrom at which neighbours cease to count."""

MAX_DEGREE = 6
"""Highest degree l."""

MAX_NEIGHBORS = 3_000_000
"""Most neighbours of all sites of a cell together: more than twice what 10,000 sites of diamond have."""

LONGEST = 300.0
"""Longest basis vector in angstrom with which pymatgen looks for neighbours."""

_CHUNK = 2**15


class Neighbors(NamedTuple):
    """All p pairs of a site and a neighbour within the cut-off, sorted by site.

    Attributes
    ----------
    site, neighbor : ndarray of int, shape (p,)
        Site i, and the site j whose image the neighbour is.
    vector : ndarray of shape (p, 3)
        From i to the neighbour, in angstrom.
    distance : ndarray of shape (p,)
        Its length.
    """

    site: np.ndarray
    neighbor: np.ndarray
    vector: np.ndarray
    distance: np.ndarray


def find_neighbors(cell, cutoff=CUTOFF):
    """Find the neighbours of all sites in the infinite crystal.

    Parameters
    ----------
    cell : PrimitiveCell
        The primitive cell, n sites.
    cutoff : float, default=5.5
        Largest distance in angstrom.

    Returns
    -------
    Neighbors

    Raises
    ------
    CrystalError
        If sites are packed so densely that there would be more than 3 million neighbours.
    """
    n = len(cell.positions)
    expected = n**2 * 4 / 3 * np.pi * cutoff**3 / abs(np.linalg.det(cell.lattice))
    if expected > MAX_NEIGHBORS:
        raise CrystalError(
            f"its {n} sites have about {expected / n:.0f} neighbours each within {cutoff} angstrom: "
            "look for lengths in a wrong unit"
        )
    lattice, inverse = np.ascontiguousarray(cell.lattice), np.linalg.inv(cell.lattice)
    positions = cell.positions - np.floor(cell.positions @ inverse) @ lattice
    if np.linalg.norm(lattice, axis=1).max() > LONGEST:
        site, neighbor, image, distance = _neighbors_in_a_long_cell(positions, lattice, cutoff)
    else:
        site, neighbor, image, distance = find_points_in_spheres(
            positions, positions, cutoff, np.ones(3, dtype=np.int64), lattice, 1e-8
        )
    others = np.flatnonzero(distance > 1e-8)
    rows = others[np.argsort(site[others], kind="stable")]
    site, neighbor = site[rows], neighbor[rows]
    vector = positions[neighbor] + image[rows] @ lattice - positions[site]
    return Neighbors(site, neighbor, vector, distance[rows])


def _neighbors_in_a_long_cell(positions, lattice, cutoff):
    """Find neighbours of positions in the cell with a tree, as pymatgen's grid of cubes would fill memory."""
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    reach = [np.arange(-k, k + 1) for k in np.ceil(cutoff / heights).astype(int)]
    images = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, 3)
    points = (positions + (images @ lattice)[:, None]).reshape(-1, 3)
    low, high = positions.min(axis=0) - cutoff, positions.max(axis=0) + cutoff
    near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    trees = cKDTree(positions), cKDTree(points[near])
    found = trees[0].sparse_distance_matrix(trees[1], cutoff, output_type="ndarray")
    image, neighbor = np.divmod(near[found["j"]], len(positions))
    return found["i"], neighbor, images[image], found["v"]


def power_spectrum(cell, weights):
    """Describe the surroundings of every site by the lengths of the moments of its neighbours.

    Invariant under every other description of the crystal, continuous in the positions, and the same for sites that a
    symmetry of the crystal maps onto each other, up to rounding.

    Parameters
    ----------
    cell : PrimitiveCell
        The primitive cell, n sites.
    weights : ndarray of shape (n, w)
        What every site counts as a neighbour, in each of w densities.

    Returns
    -------
    ndarray of shape (n, w, 5, 7)
        For every site, density, radial function n and degree l. The moment itself where l is 0, which has a sign, and
        (sum_m c_nlm^2)^(1/2) for the others.

    Raises
    ------
    CrystalError
        As `find_neighbors`.

    Examples
    --------
    A simple cubic crystal with 6 neighbours at 2.8 angstrom: none of odd degree, and of even degree, for instance
    l = 4, what fits a cube.

    >>> import numpy as np
    >>> from sitenet_sklearn.geometry.primitive import PrimitiveCell
    >>> cube = PrimitiveCell(2.8 * np.eye(3), np.zeros((1, 3)), np.arange(1))
    >>> power_spectrum(cube, np.ones((1, 1)))[0, 0, 2].round(3) + 0.0
    array([2.924, 0.   , 0.   , 0.   , 2.224, 0.   , 1.025])
    """
    near = find_neighbors(cell)
    moments = np.zeros((*weights.shape, len(RADII), (MAX_DEGREE + 1) ** 2))
    flat = moments.reshape(len(weights), -1, moments.shape[-1])
    for start in range(0, len(near.site), _CHUNK):
        part = Neighbors(*(values[start : start + _CHUNK] for values in near))
        radial = weights[part.neighbor][:, :, None] * radial_functions(part.distance)[:, None]
        radial = radial.reshape(len(part.site), -1).T
        angular = spherical_harmonics(part.vector / part.distance[:, None]).T
        first, last = part.site[0], part.site[-1] + 1
        ends = np.searchsorted(part.site, np.arange(first, last + 1))
        for i, a, b in zip(range(first, last), ends, ends[1:], strict=False):
            flat[i] += radial[:, a:b] @ angular[a:b]
    lengths = np.sqrt(np.add.reduceat(moments**2, np.arange(MAX_DEGREE + 1) ** 2, axis=-1))
    lengths[..., 0] = moments[..., 0]
    return lengths


def radial_functions(distance):
    """Values of the 5 radial functions g_n at distances (p,) in angstrom: ndarray of shape (p, 5)."""
    smooth = 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance / CUTOFF, 1))
    return np.exp(-(((distance[:, None] - RADII) / WIDTH) ** 2)) * smooth[:, None]


def spherical_harmonics(directions, max_degree=MAX_DEGREE):
    """Compute real spherical harmonics in Racah's normalisation, C_lm = (4 pi / (2 l + 1))^(1/2) Y_lm.

    Products summed over m are Legendre polynomials of the angle between two directions. The recursion runs over
    degrees for every order m, on polynomials of the coordinates.

    Parameters
    ----------
    directions : ndarray of shape (p, 3)
        Unit vectors.
    max_degree : int, default=6
        Highest degree L.

    Returns
    -------
    ndarray of shape ((L + 1)^2, p)
        Row l^2 + l + m belongs to degree l and order m = -l, ..., l.

    Examples
    --------
    >>> spherical_harmonics(np.array([[0.0, 0.0, 1.0]]), 2)[:, 0].tolist()
    [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    """
    x, y, z = directions.T
    found = np.empty(((max_degree + 1) ** 2, len(directions)))
    cosine, sine, highest = np.ones_like(x), np.zeros_like(x), np.ones_like(x)
    for m in range(max_degree + 1):
        if m:
            cosine, sine = cosine * x - sine * y, cosine * y + sine * x
            highest = highest * np.sqrt((2 * m - 1) / (2 * m))
        before, value = np.zeros_like(z), highest
        for degree in range(m, max_degree + 1):
            if degree > m:
                following = (2 * degree - 1) * z * value - np.sqrt((degree - 1) ** 2 - m**2) * before
                before, value = value, following / np.sqrt(degree**2 - m**2)
            centre = degree**2 + degree
            if m:
                found[centre + m], found[centre - m] = np.sqrt(2) * value * cosine, np.sqrt(2) * value * sine
            else:
                found[centre] = value
    return found
