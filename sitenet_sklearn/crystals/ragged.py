"""`RaggedCrystals`: many crystals of different sizes in flat arrays, indexable like an array."""

from collections.abc import Iterator
from typing import Any, Self, overload

import numpy as np

from sitenet_sklearn._files import as_python

from .crystal import SITE_FIELDS, Crystal, make_crystal
from .elements import MAX_ATOMIC_NUMBER
from .interaction_features import INTERACTION_FEATURES
from .positions import only_key, positions
from .site_features import SITE_FEATURES, describe_sites
from .store import read_store, write_store
from .stored_crystals import check_layout, check_values


class RaggedCrystals:
    """A one-dimensional, immutable container of crystals for scikit-learn and skorch.

    Every field of `Crystal` is stored once, concatenated over the crystals, with the offsets at which each
    crystal starts. Selecting rows makes a lazy view: cross-validation copies indices, not crystals. Pickling a
    view writes its own rows only.

    `X[i]` is a `Crystal`; `X[rows]`, with a slice, an array of indices or a boolean mask, is a `RaggedCrystals`.

    Parameters
    ----------
    fields : dict of str to ndarray
        Concatenated fields of `Crystal`.
    site_offsets, pair_offsets : ndarray of int, shape (n + 1,)
        Where the sites and the pairs of each crystal start.
    site_feature_names : tuple of str, default=SITE_FEATURES
        Names of the columns of `site_features`.
    interaction_feature_names : tuple of str, default=INTERACTION_FEATURES
        Names of the features that the network makes of distances and elements.
    max_atoms : int, default=None
        Largest supercell asked for, None where unknown.

    Attributes
    ----------
    site_feature_names, interaction_feature_names, max_atoms
        The same.
    index : pandas.Index or None
        Labels of the crystals, where they came from a Series or DataFrame; not stored.

    Examples
    --------
    Rock salt as two sites, one image each:

    >>> import numpy as np
    >>> X = RaggedCrystals.from_distances([[11, 17]], [np.array([[0, 2.8], [2.8, 0]])], [1])
    >>> X
    RaggedCrystals(1 crystals, 2 sites, 4 pairs)
    >>> X[0].pair_distance
    array([0. , 2.8, 2.8, 0. ], dtype=float32)
    """

    ndim = 1

    def __init__(
        self,
        fields,
        site_offsets,
        pair_offsets,
        *,
        site_feature_names=SITE_FEATURES,
        interaction_feature_names=INTERACTION_FEATURES,
        max_atoms=None,
    ) -> None:
        self._fields = dict(fields)
        self._site_offsets = site_offsets
        self._pair_offsets = pair_offsets
        self._rows = None
        self.site_feature_names = tuple(site_feature_names)
        self.interaction_feature_names = tuple(interaction_feature_names)
        self.max_atoms = as_python(max_atoms)
        self.index = None
        self.featurizer: Any = None  # what made these crystals, until they are pickled or saved

    @classmethod
    def from_crystals(cls, crystals, **metadata) -> Self:
        """Concatenate records.

        Parameters
        ----------
        crystals : list of Crystal
            At least one record.
        **metadata
            `site_feature_names`, `interaction_feature_names` and `max_atoms` of the class.

        Returns
        -------
        RaggedCrystals
        """
        crystals = list(crystals)
        if not crystals:
            raise ValueError("from_crystals expects at least one crystal, got none")
        fields = {name: np.concatenate([getattr(c, name) for c in crystals]) for name in Crystal._fields}
        site_offsets = _offsets([len(c.multiplicity) for c in crystals])
        pair_offsets = _offsets([len(c.pair_count) for c in crystals])
        return cls(fields, site_offsets, pair_offsets, **metadata)

    @classmethod
    def from_distances(cls, atomic_numbers, distances, images, oxidation_states=None, compress=True) -> Self:
        """Build crystals from distances computed elsewhere.

        Parameters
        ----------
        atomic_numbers : sequence of array-like of int, shape (n,)
            For every crystal the elements of its n primitive sites.
        distances : sequence of array-like of shape (n, n * m)
            For every crystal its distances in angstrom; column j belongs to primitive site j // m.
        images : sequence of int
            For every crystal the number m of primitive cells in its supercell.
        oxidation_states : sequence of array-like of shape (n,), default=None
            For every crystal its oxidation states; 0 where None.
        compress : bool, default=True
            Whether to merge what the network cannot tell apart.

        Returns
        -------
        RaggedCrystals

        Raises
        ------
        ValueError
            If the lengths or shapes of a crystal do not fit together; its index is named.
        """
        if oxidation_states is None:
            oxidation_states = [np.zeros(len(numbers)) for numbers in atomic_numbers]
        lengths = [len(part) for part in (atomic_numbers, distances, images, oxidation_states)]
        if len(set(lengths)) != 1:
            raise ValueError(f"from_distances expects as many entries in every argument, got {lengths}")
        crystals = []
        for k, m in enumerate(images):
            z, q = np.asarray(atomic_numbers[k]), np.asarray(oxidation_states[k], dtype=float)
            d = np.asarray(distances[k], dtype=float)
            if not np.isfinite(d).all() or (d < 0).any() or not np.isfinite(q).all():
                raise ValueError(
                    f"crystal {k}: distances and oxidation states must be finite, and no distance negative"
                )
            if z.dtype.kind not in "iu" or not ((z >= 1) & (z <= MAX_ATOMIC_NUMBER)).all():
                raise ValueError(f"crystal {k}: atomic_numbers must be integers from 1 to {MAX_ATOMIC_NUMBER}, got {z}")
            if z.ndim != 1 or q.shape != z.shape or d.shape != (len(z), len(z) * m):
                raise ValueError(
                    f"crystal {k}: atomic_numbers (n,), oxidation_states (n,), distances (n, n * {m}) expected, "
                    f"got {z.shape}, {q.shape}, {d.shape}"
                )
            features, kinds = describe_sites(SITE_FEATURES, z, q)
            crystals.append(make_crystal(z, features, kinds, d, compressed=compress))
        return cls.from_crystals(crystals)

    @property
    def shape(self) -> tuple[int]:
        """Tuple `(n,)`."""
        return (len(self),)

    @property
    def site_sizes(self) -> np.ndarray:
        """Sites left after compression: ndarray of int, shape (n,)."""
        return _sizes(self._site_offsets, self._rows)

    @property
    def pair_sizes(self) -> np.ndarray:
        """Pairs left after compression: ndarray of int, shape (n,)."""
        return _sizes(self._pair_offsets, self._rows)

    @property
    def primitive_sizes(self) -> np.ndarray:
        """Sites of the primitive cell, as the paper counts them: ndarray of int, shape (n,)."""
        return np.diff(_offsets(self.field("multiplicity"))[_offsets(self.site_sizes)])

    @property
    def valid(self) -> np.ndarray:
        """Whether a crystal could be featurized; the others have no sites: ndarray of bool, shape (n,)."""
        return self.site_sizes > 0

    @property
    def oversized(self) -> np.ndarray:
        """Whether the primitive cell alone exceeds `max_atoms`: ndarray of bool, shape (n,)."""
        return self.primitive_sizes > (np.inf if self.max_atoms is None else self.max_atoms)

    @property
    def metadata(self) -> dict:
        """What describes all crystals together, as a dict of the keyword arguments of the class."""
        names = ("site_feature_names", "interaction_feature_names", "max_atoms")
        return {name: getattr(self, name) for name in names}

    def field(self, name: str) -> np.ndarray:
        """Concatenate one field of `Crystal` over the crystals of this container.

        Parameters
        ----------
        name : str
            A field of `Crystal`.

        Returns
        -------
        ndarray
            Entries in the order of the crystals; `pair_site` and `pair_neighbor` count within each crystal.
        """
        return self._gather([name])[name]

    def _gather(self, names):
        """Concatenate some fields over the crystals of this container, as a dict."""
        if self._rows is None:
            return {name: self._fields[name] for name in names}
        entries = {
            kind: _ranges(offsets[self._rows], _sizes(offsets, self._rows))
            for kind, offsets in ((True, self._site_offsets), (False, self._pair_offsets))
            if any((name in SITE_FIELDS) == kind for name in names)
        }
        return {name: self._fields[name][entries[name in SITE_FIELDS]] for name in names}

    def compact(self) -> "RaggedCrystals":
        """Copy the rows of a view into arrays of their own; a container that is no view is returned as it is."""
        if self._rows is None:
            return self
        fields = self._gather(Crystal._fields)
        whole = RaggedCrystals(fields, _offsets(self.site_sizes), _offsets(self.pair_sizes), **self.metadata)
        whole.index, whole.featurizer = self.index, self.featurizer
        return whole

    def save(self, path) -> None:
        """Write the crystals into a new folder, which appears only when it is complete.

        Parameters
        ----------
        path : path-like
            Folder to make; it must not exist.
        """
        write_store(path, *self.stored())

    def stored(self):
        """Arrays and metadata that `save` writes."""
        whole = self.compact()
        return whole._fields | {"site_sizes": whole.site_sizes, "pair_sizes": whole.pair_sizes}, whole.metadata

    @classmethod
    def open(cls, path, *, verify=True) -> Self:
        """Open crystals that `save` wrote; they stay on disk and are read through memory maps.

        Parameters
        ----------
        path : path-like
            The folder.
        verify : bool, default=True
            Whether to read every byte once, compare checksums, and look whether the numbers can be those of crystals.

        Returns
        -------
        RaggedCrystals

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        StoreError
            If the folder holds something else, or a file is missing or altered.
        """
        arrays, metadata = read_store(path, verify=verify)
        check_layout(path, arrays, metadata)
        if verify:
            check_values(path, arrays)
        offsets = [_offsets(arrays.pop(name)) for name in ("site_sizes", "pair_sizes")]
        return cls(arrays, *offsets, **metadata)

    def __len__(self) -> int:
        return len(self._site_offsets) - 1 if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, key: int | np.integer) -> Crystal: ...

    @overload
    def __getitem__(self, key) -> "RaggedCrystals": ...

    def __getitem__(self, key):
        key = only_key(key)
        if isinstance(key, int | np.integer):
            return self._crystal(range(len(self))[key])
        view = RaggedCrystals(self._fields, self._site_offsets, self._pair_offsets, **self.metadata)
        rows = positions(key, len(self))
        view._rows = rows if self._rows is None else self._rows[rows]
        view.index = None if self.index is None else self.index[rows]
        view.featurizer = self.featurizer
        return view

    def _crystal(self, row):
        row = row if self._rows is None else self._rows[row]
        sites = slice(self._site_offsets[row], self._site_offsets[row + 1])
        pairs = slice(self._pair_offsets[row], self._pair_offsets[row + 1])
        return Crystal(**{name: a[sites if name in SITE_FIELDS else pairs] for name, a in self._fields.items()})

    def __iter__(self) -> Iterator[Crystal]:
        return (self[k] for k in range(len(self)))

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "RaggedCrystals is not an array of numbers, and only a Site-Net takes it: give scikit-learn's "
            'meta-estimators, such as BaggingRegressor, a pipeline and pd.DataFrame({"structure": structures})'
        )

    def __getstate__(self):
        features = getattr(self.featurizer, "site_features", "")
        can_travel = isinstance(features, str) or all(isinstance(name, str) for name in features)
        return vars(self.compact()) | {"featurizer": self.featurizer if can_travel else None}

    def __setstate__(self, state):
        vars(self).update({"featurizer": None} | state)  # pickles of 0.1.0 have none

    def __repr__(self):
        counts = f"{len(self)} crystals, {self.site_sizes.sum()} sites, {self.pair_sizes.sum()} pairs"
        return f"RaggedCrystals({counts})"


def _offsets(sizes):
    return np.append(0, np.cumsum(sizes, dtype=np.int64))


def _sizes(offsets, rows):
    """Sizes of some rows, at a cost that does not depend on how many others there are."""
    return np.diff(offsets) if rows is None else offsets[rows + 1] - offsets[rows]


def _ranges(starts, sizes):
    """Concatenate the integers start, ..., start + size - 1 of every row."""
    ends = np.cumsum(sizes)
    total = ends[-1] if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - sizes), sizes)
