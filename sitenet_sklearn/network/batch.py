"""Batches: many crystals as one flat graph of sites and pairs, bounded by primitive sites."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler


@dataclass(frozen=True, slots=True)
class CrystalBatch:
    """Crystals of a batch, b of them, with s sites and p pairs in all, without padding.

    Attributes
    ----------
    site_features : Tensor of shape (s, f)
        Site features.
    atomic_numbers : Tensor of int64, shape (s,)
        Elements.
    multiplicity : Tensor of shape (s,)
        Number of primitive sites that a site stands for.
    site_crystal : Tensor of int64, shape (s,)
        Crystal of every site, ascending from 0 to b - 1.
    pair_site, pair_neighbor : Tensor of int64, shape (p,)
        Sites i and j of every pair, counted through the batch; the first ascends.
    pair_distance : Tensor of shape (p,)
        Distances d_ij in angstrom.
    pair_count : Tensor of shape (p,)
        Number of supercell sites that a pair stands for.
    row_sizes : ndarray of int, shape (s,)
        Number of pairs of every site, known without asking the device.
    n_crystals : int
        Number of crystals b, also the length of the batch.
    """

    site_features: torch.Tensor
    atomic_numbers: torch.Tensor
    multiplicity: torch.Tensor
    site_crystal: torch.Tensor
    pair_site: torch.Tensor
    pair_neighbor: torch.Tensor
    pair_distance: torch.Tensor
    pair_count: torch.Tensor
    row_sizes: np.ndarray
    n_crystals: int

    def __len__(self):
        return self.n_crystals

    def to(self, *args, **kwargs):
        """Move every tensor to another device; a floating dtype converts the floating tensors only."""
        return self._map(
            lambda tensor: (
                tensor.to(*args, **kwargs)
                if tensor.is_floating_point()
                else tensor.to(
                    *(a for a in args if not isinstance(a, torch.dtype)),
                    **{k: v for k, v in kwargs.items() if k != "dtype"},
                )
            )
        )

    def part(self, start, stop):
        """Crystals from `start` up to but not including `stop`, as a batch."""
        limits = torch.tensor([start, stop], device=self.site_crystal.device)
        sites = slice(*torch.searchsorted(self.site_crystal, limits).tolist())
        ends = np.append(0, np.cumsum(self.row_sizes))
        pairs = slice(int(ends[sites.start]), int(ends[sites.stop]))
        return CrystalBatch(
            site_features=self.site_features[sites],
            atomic_numbers=self.atomic_numbers[sites],
            multiplicity=self.multiplicity[sites],
            site_crystal=self.site_crystal[sites] - start,
            pair_site=self.pair_site[pairs] - sites.start,
            pair_neighbor=self.pair_neighbor[pairs] - sites.start,
            pair_distance=self.pair_distance[pairs],
            pair_count=self.pair_count[pairs],
            row_sizes=self.row_sizes[sites],
            n_crystals=stop - start,
        )

    def within(self, cutoff):
        """Leave out the pairs of sites further apart than `cutoff` angstrom."""
        near = self.pair_distance <= cutoff
        names = ("pair_site", "pair_neighbor", "pair_distance", "pair_count")
        pairs = {name: getattr(self, name)[near] for name in names}
        row_sizes = torch.bincount(pairs["pair_site"], minlength=len(self.row_sizes)).cpu().numpy()
        return replace(self, **pairs, row_sizes=row_sizes)

    def pin_memory(self):
        """Copy every tensor into page-locked memory, for faster transfer to a GPU."""
        return self._map(torch.Tensor.pin_memory)

    def _map(self, function):
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return CrystalBatch(**{k: function(v) if isinstance(v, torch.Tensor) else v for k, v in values.items()})


def collate(crystals, dtype=torch.float32):
    """Join the crystals of a container into one batch.

    Parameters
    ----------
    crystals : RaggedCrystals
        At least one crystal.
    dtype : torch.dtype, default=torch.float32
        Type of the floating tensors.

    Returns
    -------
    CrystalBatch
    """
    crystals = crystals.compact()  # reads the rows of a view once
    sites, pairs = crystals.site_sizes, crystals.pair_sizes
    first_site = np.repeat(np.cumsum(sites) - sites, pairs)
    pair_site = crystals.field("pair_site") + first_site

    def floats(name):
        return torch.as_tensor(np.array(crystals.field(name)), dtype=dtype)

    def integers(values):
        return torch.as_tensor(np.asarray(values, dtype=np.int64))

    return CrystalBatch(
        site_features=floats("site_features"),
        atomic_numbers=integers(crystals.field("atomic_numbers")),
        multiplicity=floats("multiplicity"),
        site_crystal=integers(np.repeat(np.arange(len(crystals)), sites)),
        pair_site=integers(pair_site),
        pair_neighbor=integers(crystals.field("pair_neighbor") + first_site),
        pair_distance=floats("pair_distance"),
        pair_count=floats("pair_count"),
        row_sizes=np.bincount(pair_site, minlength=sites.sum()),
        n_crystals=len(crystals),
    )


class CrystalDataset(Dataset):
    """Crystals and targets for a data loader that fetches whole batches.

    Parameters
    ----------
    crystals : RaggedCrystals
        Crystals.
    y : ndarray of shape (n,) or (n, k), default=None
        Targets; zeros where None.
    weight : ndarray of shape (n,), default=None
        Weights in the loss; ones where None.
    """

    def __init__(self, crystals, y=None, weight=None):
        self.crystals = crystals
        self.y = np.zeros(len(crystals)) if y is None else np.asarray(y)
        self.weight = np.ones(len(crystals)) if weight is None else np.asarray(weight)

    def __len__(self):
        return len(self.crystals)

    def __getitem__(self, index):
        return self.__getitems__([index])

    def __getitems__(self, indices):
        """Return a pair, as skorch asks for: a batch with weights (b,) of its crystals, and targets (b,) or (b, k)."""
        rows = np.asarray(indices, dtype=int)
        y, weight = (torch.as_tensor(values[rows], dtype=torch.float32) for values in (self.y, self.weight))
        return (collate(self.crystals[rows]), weight), y


class SiteBudgetSampler(Sampler):
    """Batches of crystals that hold at most `batch_size` primitive sites together.

    A crystal with more sites forms a batch of its own.

    Parameters
    ----------
    sizes : ndarray of int, shape (n,)
        Primitive sites of every crystal.
    batch_size : int
        Largest sum of sizes in a batch.
    generator : torch.Generator, default=None
        Source of a new random order for every epoch; None keeps the order given.

    Examples
    --------
    >>> list(SiteBudgetSampler([2, 3, 9, 1], batch_size=5))
    [[0, 1], [2], [3]]
    """

    def __init__(self, sizes, batch_size, generator=None):
        self.sizes = np.asarray(sizes)
        self.batch_size = batch_size
        self.generator = generator

    def __iter__(self):
        n = len(self.sizes)
        order = torch.randperm(n, generator=self.generator).tolist() if self.generator else range(n)
        batch, total = [], 0
        for index in order:
            size = self.sizes[index]
            if batch and total + size > self.batch_size:
                yield batch
                batch, total = [], 0
            batch.append(index)
            total += size
        if batch:
            yield batch
