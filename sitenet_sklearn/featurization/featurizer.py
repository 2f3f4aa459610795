"""`SupercellFeaturizer`: pymatgen Structures in, `RaggedCrystals` out."""

import os
import warnings
from copy import copy
from numbers import Integral, Real
from typing import Self

from joblib import delayed
from sklearn.utils import gen_batches
from tqdm.auto import tqdm

from sitenet_sklearn._parallel import results_of
from sitenet_sklearn._validation import (
    Interval,
    StrOptions,
    _fit_context,
    check_complete,
    validate_parameters,
)
from sitenet_sklearn.crystals.crystal import empty_crystal
from sitenet_sklearn.crystals.interaction_features import interaction_feature_names
from sitenet_sklearn.crystals.ragged import RaggedCrystals
from sitenet_sklearn.crystals.site_features import GROUPS
from sitenet_sklearn.crystals.structures import formula_of, is_usable, list_crystals
from sitenet_sklearn.exceptions import Failure, FeaturizationError
from sitenet_sklearn.geometry.sublattice import SHAPES

from .own_features import invariant_features, split_features
from .presets import FeaturizerPresets
from .records import ChosenSupercell, choose_supercell, featurize_chunk
from .transformer import CrystalTransformer

MAX_ATOMS = 10_000
_CHUNK = 64


class SupercellFeaturizer(FeaturizerPresets, CrystalTransformer):
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
    max_atoms : int, default=50
        Largest number of sites in a supercell, from 1 to 10,000. More sites reach further and cost more; the paper
        uses 50, 100 and 500. A primitive cell with more sites is kept as it is, and marked as `oversized`.
    shape : {"cubic", "compact"}, default="cubic"
        What the supercell maximises: "cubic" the effective edge (m / M)^(1/3) / kappa, with the index m of at
        most M and kappa = 1 for a cube; "compact" the shortest lattice translation, hence the sphere of
        surroundings that the minimum-image convention represents completely.
    compress : bool, default=True
        Whether to merge equivalent sites and neighbours. False keeps every pair, as an oracle for tests.
    site_features : str or tuple of str, default="all"
        What describes a site. Names of features or of groups: "paper", its nine features;
        "elements", all elemental properties of matminer (a missing value is the mean over the elements that have one)
        and the oxidation state; "environment", how neighbours within 5.5 angstrom are spread over distances and
        directions; "symmetry", of the crystal and of the site in it; "all". A list may also hold
        featurizers of matminer, and pairs (function, names) of a function (Structure) -> array (n_sites, k) or (k,).
    oxidation_states : {"given", "guess"}, default="given"
        "given" takes them from the structure, 0 where it has none; "guess" lets pymatgen choose the likeliest
        charge-neutral ones for crystals that have none, the same for all sites of an element, 0 where it finds none.
    interaction_features : tuple of str or "gaussians", default="gaussians"
        What the network is told of a pair of sites: names out of `interaction_feature_names()`. "gaussians" are the
        paper's two features and a basis of the distance.
    symprec : float, default=0.01
        Tolerance in angstrom of primitive cell and symmetry. The paper's 0.5 merges distinct sites.
    tol : float, default=0.0001
        Largest difference in angstrom of distances that are merged.
    on_error : {"raise", "mask"}, default="raise"
        What to do with crystals that cannot be featurized: "raise" one error that lists them all, or "mask"
        them: keep an empty row each, see `RaggedCrystals.valid`, with a warning that lists them.
    cache : path-like, default=None
        File that remembers the records of crystals between calls and processes, see `CrystalCache`; None for none.
    n_jobs : int, default=None
        Number of parallel jobs of joblib; None means 1 unless a joblib context says otherwise.
    verbose : int, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    site_feature_names_out_, interaction_feature_names_out_ : tuple of str
        Names of the site features and of the interaction features.

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
        "max_atoms": [Interval(Integral, 1, MAX_ATOMS, closed="both")],
        "shape": [StrOptions(set(SHAPES))],
        "compress": ["boolean"],
        "site_features": [tuple, list, StrOptions(set(GROUPS))],
        "oxidation_states": [StrOptions({"given", "guess"})],
        "interaction_features": [tuple, list, StrOptions({"gaussians"})],
        "symprec": [Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "on_error": [StrOptions({"raise", "mask"})],
        "cache": [str, os.PathLike, None],
        "n_jobs": [Interval(Integral, None, None, closed="neither"), None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        max_atoms=50,
        *,
        shape="cubic",
        compress=True,
        site_features="all",
        oxidation_states="given",
        interaction_features="gaussians",
        symprec=0.01,
        tol=0.0001,
        on_error="raise",
        cache=None,
        n_jobs=None,
        verbose=0,
    ) -> None:
        self.max_atoms = max_atoms
        self.shape = shape
        self.compress = compress
        self.site_features = site_features
        self.oxidation_states = oxidation_states
        self.interaction_features = interaction_features
        self.symprec = symprec
        self.tol = tol
        self.on_error = on_error
        self.cache = cache
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None) -> Self:
        """Check parameters and the kind of input; nothing is learned.

        Parameters
        ----------
        X : sequence of crystals
            pymatgen Structures, paths of files that pymatgen reads, text in CIF, POSCAR or JSON, dicts of Structures or
            ASE Atoms, in a list, tuple, array, Series, one-column DataFrame or generator.
        y : array-like of shape (n,), default=None
            Target, checked here so that a wrong one is refused before the work of `transform`; with
            ``on_error="mask"`` NaN is left to the estimator, as it may be that of a crystal that will be masked.

        Returns
        -------
        SupercellFeaturizer
            The estimator itself.
        """
        self._check_features()
        if hasattr(X, "__len__"):  # a generator is read once, by transform
            list_crystals(X, type(self).__name__)
        if y is not None:
            check_complete(y, X, may_be_unknown=self.on_error == "mask")
        return self

    def transform(self, X) -> RaggedCrystals:
        """Featurize crystals.

        Parameters
        ----------
        X : sequence of crystals
            As in `fit`.

        Returns
        -------
        RaggedCrystals
            One record a crystal, in order.

        Raises
        ------
        FeaturizationError
            If any crystal fails and `on_error` is "raise": it lists index, name, formula and reason of all that do.
        """
        X, failures = self.transform_with_failures(X)
        self.raise_or_warn(failures)
        return X

    def transform_with_failures(self, X, start=0) -> tuple[RaggedCrystals, list[Failure]]:
        """Featurize crystals whatever `on_error` is.

        Parameters
        ----------
        X : sequence of crystals
            As in `fit`.
        start : int, default=0
            Index of the first crystal in the reported failures.

        Returns
        -------
        X : RaggedCrystals
            With an empty row for every crystal that fails.
        failures : list of Failure
            Those crystals and why.

        Raises
        ------
        ValueError
            If a parameter is wrong.
        """
        validate_parameters(self)
        self._check_features()
        items, names = list_crystals(X, type(self).__name__)
        parameters = self.record_parameters()
        if self.on_error == "raise" and not all(map(is_usable, items)):
            parameters["max_atoms"] = 1  # the call will fail: find all that is wrong without the long work
        records = self._run(items, parameters)
        failed = [k for k, record in enumerate(records) if isinstance(record, str)]
        failures = [Failure(start + k, names[k], formula_of(items[k]), records[k]) for k in failed]
        for k in failed:
            records[k] = empty_crystal(len(self.site_feature_names_out_))
        metadata = {
            "site_feature_names": self.site_feature_names_out_,
            "interaction_feature_names": self.interaction_feature_names_out_,
            "max_atoms": self.max_atoms,
        }
        crystals = RaggedCrystals.from_crystals(records, **metadata)
        crystals.index = X.index if hasattr(X, "iloc") else None
        crystals.featurizer = copy(self)
        return crystals, failures

    def raise_or_warn(self, failures):
        """Raise a FeaturizationError that lists failures, or warn of them, as `on_error` says."""
        if failures and self.on_error == "raise":
            raise FeaturizationError(failures)
        if failures:
            warnings.warn(f"masked: {FeaturizationError(failures)}", stacklevel=3)

    def supercell(self, crystal) -> ChosenSupercell:
        """Choose the supercell of one crystal, to look at it or to write it to a file.

        Parameters
        ----------
        crystal : pymatgen Structure, path, dict or ASE Atoms
            An ordered crystal.

        Returns
        -------
        ChosenSupercell
            The supercell as a pymatgen Structure, with its matrix, number of images and score.

        Raises
        ------
        CrystalError
            If the crystal cannot be featurized.

        Examples
        --------
        >>> from pymatgen.core import Lattice, Structure
        >>> from sitenet_sklearn import SupercellFeaturizer
        >>> caesium = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
        >>> chosen = SupercellFeaturizer(max_atoms=60).supercell(caesium)
        >>> chosen.images, chosen.structure.formula
        (30, 'Cs30 Cl30')
        """
        validate_parameters(self)
        return choose_supercell(crystal, self.record_parameters())

    def record_parameters(self):
        """Return the parameters that the record of a crystal depends on, as a dict."""
        names = ("max_atoms", "shape", "compress", "oxidation_states", "symprec", "tol")
        parameters = {name: getattr(self, name) for name in names}
        parameters["site_features"], own = split_features(self.site_features)
        return parameters | ({"own_features": [features.names for features in own]} if own else {})

    def _check_features(self):
        if split_features(self.site_features)[1] and self.cache is not None:
            raise ValueError("a cache keeps no site features of your own, which may change unnoticed: set cache=None")
        interaction_feature_names(self.interaction_features)

    def _run(self, items, parameters):
        """Featurize chunks of crystals in parallel; where one fails, its record is the reason as text."""
        own = invariant_features(self.site_features, items)
        chunks = [items[chunk] for chunk in gen_batches(len(items), _CHUNK)]
        jobs = results_of(
            (delayed(featurize_chunk)(chunk, parameters, self.cache, own) for chunk in chunks), n_jobs=self.n_jobs
        )
        records = []
        with tqdm(total=len(items), desc="featurize", unit="crystal", disable=not self.verbose) as bar:
            for chunk in jobs:
                records.extend(chunk)
                bar.update(len(chunk))
        return records

    @property
    def site_feature_names_out_(self):
        """Names of the site features."""
        known, own = split_features(self.site_features)
        return sum((features.names for features in own), known)

    @property
    def interaction_feature_names_out_(self):
        """Names of the interaction features."""
        return interaction_feature_names(self.interaction_features)
