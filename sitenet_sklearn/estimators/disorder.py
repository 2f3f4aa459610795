"""Disordered crystals: ordered approximants, and predictions aggregated over them."""

import math
from itertools import product
from numbers import Integral
from typing import Self

import numpy as np
import pandas as pd
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Structure
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from sympy.utilities.iterables import multiset_permutations

from sitenet_sklearn._validation import HasMethods, Interval, _fit_context
from sitenet_sklearn.crystals.structures import CrystalError, as_structure

CANDIDATES = 4
"""Arrangements drawn for every one that is kept, where oxidation states rank them."""


def ordered_approximants(structure, n=16, *, max_sites=60, random_state=None) -> list[Structure]:
    """Replace partial occupancies by whole atoms in a supercell.

    The supercell is the smallest of at most `max_sites` sites in which all occupancies come out as whole numbers of
    atoms, or else the one in which they come out best. Where there are at most n arrangements all are listed, equal
    ones as often as they occur; otherwise n are drawn at random. Where every species has an oxidation state, four times
    as many are drawn and those of lowest electrostatic energy (Ewald) are kept.

    Parameters
    ----------
    structure : pymatgen Structure
        Ordered or disordered; an occupancy below 1 in total leaves vacancies.
    n : int, default=16
        Largest number of approximants.
    max_sites : int, default=60
        Largest number of sites of a supercell; the given cell is always allowed.
    random_state : int, RandomState instance or None, default=None
        Source of the arrangements.

    Returns
    -------
    list of pymatgen Structure
        Ordered; an ordered structure is its only approximant.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> alloy = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    >>> [approximant.formula for approximant in ordered_approximants(alloy)]
    ['Cu1 Au1', 'Cu1 Au1']
    """
    if structure.is_ordered:
        return [structure]
    supercell = structure * _scaling(structure, max_sites)
    groups = _groups(supercell)
    n_arrangements = math.prod(_multinomial(counts) for _, _, counts in groups)
    if n_arrangements <= n:
        choices = [multiset_permutations(_filling(kinds, counts)) for _, kinds, counts in groups]
        return [_filled(supercell, groups, arrangement) for arrangement in product(*map(list, choices))]
    random = check_random_state(random_state)
    charged = all(getattr(species, "oxi_state", None) is not None for species in supercell.composition)
    drawn = []
    for _ in range(n * CANDIDATES if charged else n):
        arrangement = [random.permutation(np.array(_filling(kinds, counts), object)) for _, kinds, counts in groups]
        drawn.append(_filled(supercell, groups, arrangement))
    return sorted(drawn, key=lambda s: EwaldSummation(s).total_energy)[:n] if charged else drawn


class DisorderedRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Predict for disordered crystals, and for trajectories, by averaging over ordered structures.

    Every crystal may be an ordered structure, one with partial occupancies, or a list of ordered frames, for example
    snapshots of molecular dynamics.

    Parameters
    ----------
    estimator : regressor or Pipeline
        Takes ordered structures.
    n_approximants : int, default=16
        Largest number of approximants of a disordered crystal.
    max_sites : int, default=60
        Largest number of sites of an approximant.
    random_state : int, RandomState instance or None, default=None
        Source of the arrangements.

    Attributes
    ----------
    estimator_ : regressor or Pipeline
        Fitted.

    See Also
    --------
    ordered_approximants : What one crystal becomes.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> from sklearn.pipeline import make_pipeline
    >>> from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> structures, band_gap = load_dielectric(return_X_y=True)
    >>> pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), SiteNetRegressor(max_epochs=1))
    >>> model = DisorderedRegressor(pipeline, random_state=0).fit(structures[:30], band_gap[:30])
    >>> alloy = Structure(Lattice.cubic(5.9), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> model.predict_distribution([alloy]).columns.tolist()
    ['mean', 'std', 'q0.05', 'q0.5', 'q0.95', 'n']
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"])],
        "n_approximants": [Interval(Integral, 1, None, closed="left")],
        "max_sites": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator, *, n_approximants=16, max_sites=60, random_state=None) -> None:
        self.estimator = estimator
        self.n_approximants = n_approximants
        self.max_sites = max_sites
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None) -> Self:
        """Fit the estimator; approximants of one crystal share its target and its weight.

        Parameters
        ----------
        X : list
            n crystals: structures, ordered or not, or lists of frames.
        y : array-like of shape (n,)
            Targets.
        sample_weight : array-like of shape (n,), default=None
            Weights of the crystals. Given, or where a crystal has several approximants, the last step of the estimator
            must take sample weights.

        Returns
        -------
        DisorderedRegressor
        """
        ordered, owner = self._expand(X)
        weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
        weight = (weight / np.bincount(owner, minlength=len(X)))[owner]
        self.estimator_ = clone(self.estimator)
        options = {} if sample_weight is None and len(ordered) == len(X) else {self._weight_name(): weight}
        self.estimator_.fit(ordered, np.asarray(y)[owner], **options)
        return self

    def predict(self, X) -> np.ndarray:
        """Predict the mean over the approximants or frames of every crystal, an ndarray of shape (n,)."""
        return self.predict_distribution(X)["mean"].to_numpy()

    def predict_distribution(self, X, *, quantiles=(0.05, 0.5, 0.95)) -> pd.DataFrame:
        """Predict mean, spread and quantiles over the approximants or frames of every crystal.

        Parameters
        ----------
        X : list
            n crystals: structures, ordered or not, or lists of frames.
        quantiles : tuple of float, default=(0.05, 0.5, 0.95)
            Which quantiles.

        Returns
        -------
        pandas.DataFrame
            n rows: `mean`, `std`, the quantiles, and `n`, the number of approximants or frames.
        """
        check_is_fitted(self)
        ordered, owner = self._expand(X)
        groups = pd.Series(self.estimator_.predict(ordered)).groupby(owner)
        columns = {"mean": groups.mean(), "std": groups.std(ddof=0)}
        columns |= {f"q{q:g}": groups.quantile(q) for q in quantiles}
        return pd.DataFrame(columns | {"n": groups.size()})

    def _expand(self, X):
        """List the ordered structures of all crystals, and the index of the crystal that each belongs to."""
        random, ordered, owner = check_random_state(self.random_state), [], []
        seeds = random.randint(2**31 - 1, size=len(X))
        for k, (crystal, seed) in enumerate(zip(X, seeds, strict=True)):
            try:
                frames = self._frames(crystal, int(seed))
            except CrystalError as error:
                raise CrystalError(f"crystal {k} ({crystal!s:.80}): {error}") from error
            if not frames:
                raise ValueError(f"crystal {k} is a list without frames")
            ordered += frames
            owner += [k] * len(frames)
        return ordered, np.array(owner)

    def _frames(self, crystal, seed):
        if isinstance(crystal, list | tuple):
            return list(crystal)
        return ordered_approximants(
            as_structure(crystal), self.n_approximants, max_sites=self.max_sites, random_state=seed
        )

    def _weight_name(self):
        steps = getattr(self.estimator, "steps", None)
        return f"{steps[-1][0]}__sample_weight" if steps else "sample_weight"


def _groups(structure):
    """Sites that share their occupancies: (sites, species with None for a vacancy, number of sites of each)."""
    sites = {}
    for k, site in enumerate(structure):
        if not site.is_ordered:
            sites.setdefault(tuple(sorted(site.species.items(), key=str)), []).append(k)
    groups = []
    for occupancies, members in sites.items():
        shares = np.array([share for _, share in occupancies] + [max(0.0, 1 - sum(s for _, s in occupancies))])
        groups.append((members, [species for species, _ in occupancies] + [None], _whole(shares * len(members))))
    return groups


def _whole(amounts):
    """Round amounts to whole numbers of the same sum, by largest remainders."""
    counts = np.floor(amounts + 1e-6).astype(int)
    missing = round(amounts.sum()) - counts.sum()
    counts[np.argsort(counts - amounts, kind="stable")[:missing]] += 1
    return counts


def _scaling(structure, max_sites):
    """Choose the multiples of the cell: occupancies come out best, then fewest sites, then most cubic."""
    largest = max(1, max_sites // len(structure))
    lengths = np.array(structure.lattice.abc)
    shares = [
        (share, sum(other.species == site.species for other in structure))
        for site in structure
        if not site.is_ordered
        for share in site.species.values()
    ]

    def cost(scaling):
        m = math.prod(scaling)
        error = max(abs(share * m * n - round(share * m * n)) / (m * n) for share, n in shares)
        edges = lengths * scaling
        return round(error, 3), m, edges.max() / edges.min()

    sides = range(1, largest + 1)
    return min((s for s in product(sides, repeat=3) if math.prod(s) <= largest), key=cost)


def _multinomial(counts):
    return math.factorial(counts.sum()) // math.prod(math.factorial(int(c)) for c in counts)


def _filling(kinds, counts):
    return [kind for kind, count in zip(range(len(kinds)), counts, strict=True) for _ in range(count)]


def _filled(supercell, groups, arrangement):
    """Put whole atoms on the sites of every group, and leave out vacancies."""
    species = [None if not site.is_ordered else site.specie for site in supercell]
    for (sites, kinds, _), chosen in zip(groups, arrangement, strict=True):
        for site, kind in zip(sites, chosen, strict=True):
            species[site] = kinds[kind]
    kept = [k for k, kind in enumerate(species) if kind is not None]
    return Structure(supercell.lattice, [species[k] for k in kept], supercell.frac_coords[kept])
