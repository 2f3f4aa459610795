"""`SupercellFeaturizer`: pymatgen Structures in, `RaggedCrystals` out."""

from numbers import Integral, Real

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_consistent_length, gen_batches
from tqdm.auto import tqdm

from ._validation import FeaturizationError, Interval, StrOptions, _fit_context, check_structures, describe
from .crystal import SITE_FEATURES, make_crystal
from .primitive import find_primitive
from .ragged import RaggedCrystals
from .supercell import canonical_supercell

MIN_DISTANCE = 0.1
"""Sites of one crystal closer than this, in angstrom, are refused as overlapping."""

_CHUNK = 64


class SupercellFeaturizer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Turn crystals into the sites and pairs that a Site-Net attends over.

    Every structure is reduced to its primitive cell, repeated into the best supercell of at most `max_atoms`
    sites, and described by the features of its primitive sites and the periodic distances from them to all
    sites of the supercell [1]_. The supercell is chosen by exhaustive search, so that the result depends on the
    crystal alone and not on the cell, axes, origin or order of sites it is given in. What the network cannot
    tell apart is merged, which changes nothing but the cost.

    The transformer is stateless: it learns nothing in `fit`, and a crystal gives the same record whatever
    else is transformed with it. Structures are never changed.

    Parameters
    ----------
    max_atoms : int, default=500
        Largest number of sites in a supercell, at least 1. More sites reach further and cost more; the paper
        uses 50, 100 and 500. A primitive cell with more sites is kept as it is.
    shape : {"cubic", "compact"}, default="cubic"
        What the supercell maximises: "cubic" the effective edge (m / M)^(1/3) / kappa, with the index m of at
        most M and kappa = 1 for a cube; "compact" the shortest lattice translation, hence the sphere of
        surroundings that the minimum-image convention represents completely.
    compress : bool, default=True
        Whether to merge equivalent sites and neighbours. False keeps every pair, as an oracle for tests.
    symprec : float, default=0.01
        Tolerance in angstrom with which spglib looks for a smaller primitive cell. The paper's 0.5 merges
        distinct sites of distorted crystals.
    tol : float, default=0.0001
        Largest difference in angstrom of distances that are merged.
    n_jobs : int, default=None
        Number of parallel jobs of joblib; None means 1 unless a joblib context says otherwise.
    verbose : int, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    site_feature_names_out_ : tuple of str
        Names of the site features.

    See Also
    --------
    SiteNetRegressor : What to put after this transformer.
    RaggedCrystals : What `transform` returns.

    References
    ----------
    .. [1] M. Moran, M. W. Gaultois, V. V. Gusev, M. J. Rosseinsky, Digital Discovery 2 (2023) 1297, section 2.1,
       doi:10.1039/d3dd00005b.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> from sitenet_sklearn import SupercellFeaturizer
    >>> rock_salt = Structure.from_spacegroup(
    ...     "Fm-3m", Lattice.cubic(5.69), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ... )
    >>> crystal = SupercellFeaturizer(max_atoms=64).fit_transform([rock_salt])[0]
    >>> crystal.atomic_numbers, crystal.pair_distance.round(2)[:4]
    (array([11, 17], dtype=int16), array([0.  , 4.02, 5.69, 6.97], dtype=float32))
    """

    _parameter_constraints = {
        "max_atoms": [Interval(Integral, 1, None, closed="left")],
        "shape": [StrOptions({"cubic", "compact"})],
        "compress": ["boolean"],
        "symprec": [Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self, max_atoms=500, *, shape="cubic", compress=True, symprec=0.01, tol=0.0001, n_jobs=None, verbose=0
    ):
        self.max_atoms = max_atoms
        self.shape = shape
        self.compress = compress
        self.symprec = symprec
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check parameters and crystals; nothing is learned.

        Parameters
        ----------
        X : sequence of pymatgen.core.Structure
            Ordered crystals.
        y : array-like of shape (n,), default=None
            Target, checked here so that a wrong one is refused before the work of `transform`.

        Returns
        -------
        SupercellFeaturizer
            The estimator itself.
        """
        structures = check_structures(X, self)
        if y is not None:
            _check_complete(y, structures)
        return self

    def transform(self, X):
        """Featurize crystals.

        Parameters
        ----------
        X : sequence of pymatgen.core.Structure
            Ordered crystals.

        Returns
        -------
        RaggedCrystals
            One record a crystal, in order.

        Raises
        ------
        FeaturizationError
            If any crystal fails: it lists index, formula and reason of all that do.
        """
        self._validate_params()
        structures = check_structures(X, self)
        chunks = list(gen_batches(len(structures), _CHUNK))
        jobs = Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(_featurize_chunk)(self, structures[chunk]) for chunk in chunks
        )
        with tqdm(total=len(structures), desc="featurize", unit="crystal", disable=not self.verbose) as bar:
            records = []
            for chunk in jobs:
                records.extend(chunk)
                bar.update(len(chunk))
        failures = [(i, describe(structures[i]), r) for i, r in enumerate(records) if isinstance(r, str)]
        if failures:
            raise FeaturizationError(failures)
        return RaggedCrystals.from_crystals(records)

    @property
    def site_feature_names_out_(self):
        """Names of the site features."""
        return SITE_FEATURES

    def set_output(self, *, transform=None):  # noqa: ARG002
        """Do nothing: crystals fit into no data frame, and a pipeline that asks for one must not fail.

        Parameters
        ----------
        transform : str, default=None
            Ignored.

        Returns
        -------
        SupercellFeaturizer
            The estimator itself.
        """
        return self

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags


def featurize(structure, *, max_atoms, shape, compress, symprec, tol):
    """Featurize one crystal: primitive cell, supercell, distances, compression.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        An ordered crystal.
    max_atoms, shape, compress, symprec, tol
        As in `SupercellFeaturizer`.

    Returns
    -------
    Crystal

    Raises
    ------
    RuntimeError
        If no primitive cell is found or sites overlap.
    """
    atomic_numbers = np.array([specie.Z for specie in structure.species])
    oxidation_states = np.array([float(getattr(specie, "oxi_state", 0) or 0) for specie in structure.species])
    kinds = np.unique(np.column_stack([atomic_numbers, oxidation_states]), axis=0, return_inverse=True)[1].ravel()
    cell = find_primitive(structure.lattice.matrix, structure.cart_coords, kinds, symprec)
    atomic_numbers, oxidation_states = atomic_numbers[cell.origin], oxidation_states[cell.origin]
    weights = np.cbrt(atomic_numbers) * np.exp(oxidation_states / 10)
    distances = canonical_supercell(cell, weights, max_atoms, shape).distances
    _refuse_overlap(distances)
    return make_crystal(atomic_numbers, oxidation_states, distances, compressed=compress, tol=tol)


def _featurize_chunk(featurizer, structures):
    """Featurize some crystals; where one fails, its record is the reason as text."""
    names = ("max_atoms", "shape", "compress", "symprec", "tol")
    parameters = {name: getattr(featurizer, name) for name in names}
    records = []
    for structure in structures:
        try:
            records.append(featurize(structure, **parameters))
        except RuntimeError as error:
            records.append(str(error))
    return records


def _refuse_overlap(distances):
    n, columns = distances.shape
    rows = np.arange(n)
    others = distances.copy()
    others[rows, rows * (columns // n)] = np.inf
    if others.min() < MIN_DISTANCE:
        raise RuntimeError(f"two sites are {others.min():.3g} angstrom apart, at least {MIN_DISTANCE} is expected")


def _check_complete(y, structures):
    check_consistent_length(structures, y)
    values = np.asarray(y)
    if values.dtype.kind == "f" and values.ndim == 1 and np.isnan(values).any():
        index = int(np.flatnonzero(np.isnan(values))[0])
        raise ValueError(f"y is NaN at index {index} ({describe(structures[index])}): drop that crystal or its target")
