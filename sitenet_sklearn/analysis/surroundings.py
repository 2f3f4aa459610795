"""What networks attend to around every site of one crystal, with positions: what a picture of it needs."""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from sitenet_sklearn.featurization.records import find_geometry
from sitenet_sklearn.geometry.lattice import nearest_images
from sitenet_sklearn.geometry.supercell import distinct_translations


class Surroundings(NamedTuple):
    """Attention among the n sites of a primitive cell and the n * m sites of its supercell.

    Attributes
    ----------
    atomic_numbers : ndarray of int, shape (n,)
        Elements of the primitive sites.
    attention : ndarray of shape (n, n * m)
        Attention of every primitive site to every site of the supercell, of which column j belongs to primitive site
        j // m: the mean over networks, blocks and heads. Rows sum to 1.
    displacements : ndarray of shape (n, n * m, 3)
        From the first to the second, in angstrom, up to vectors of the supercell.
    supercell : ndarray of shape (3, 3)
        Basis vectors of the supercell as rows, in angstrom, Minkowski-reduced.
    """

    atomic_numbers: np.ndarray
    attention: np.ndarray
    displacements: np.ndarray
    supercell: np.ndarray

    @property
    def received(self):
        """Attention that every primitive site and its copies get from one of each of the n sites: 1 on average."""
        n = len(self.atomic_numbers)
        return self.attention.reshape(n, n, -1).sum(axis=(0, 2))

    def neighbors(self, site):
        """List what surrounds one site, itself left out.

        Parameters
        ----------
        site : int
            A primitive site.

        Returns
        -------
        sites : ndarray of int, shape (k,)
            Primitive sites that the neighbours are copies of.
        positions : ndarray of shape (k, 3)
            Where they are, as seen from the site, in angstrom.
        shares : ndarray of shape (k,)
            Attention to each. Where several images of one neighbour are equally near, each has its part.
        """
        n, columns = self.attention.shape
        images_of, positions = nearest_images(self.displacements[site], self.supercell)
        shares = self.attention[site, images_of] / np.bincount(images_of, minlength=columns)[images_of]
        others = images_of != site * (columns // n)
        return images_of[others] // (columns // n), positions[others], shares[others]


def surroundings_of(structure, featurizer, networks):
    """Look at the attention in one crystal, site by site.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        An ordered crystal.
    featurizer : SupercellFeaturizer
        What the networks were trained with.
    networks : list of SiteNetRegressor or SiteNetClassifier
        Fitted.

    Returns
    -------
    Surroundings

    Raises
    ------
    CrystalError, FeaturizationError
        If the crystal cannot be featurized.
    """
    whole = clone(featurizer).set_params(compress=False, on_error="raise", cache=None, n_jobs=None, verbose=0)
    X = whole.transform([structure])
    _, cell, supercell = find_geometry(structure, whole.record_parameters())
    weights = np.mean([network.attention(X)[0].weights.mean(axis=(1, 2)) for network in networks], axis=0)
    translations = distinct_translations(supercell.matrix[None])[0] @ cell.lattice
    copies = (cell.positions[:, None] + translations).reshape(-1, 3)
    return Surroundings(
        X[0].atomic_numbers,
        weights.reshape(supercell.distances.shape),
        copies - cell.positions[:, None],
        supercell.matrix @ cell.lattice,
    )
