"""Work on pairs tile by tile, so that what is computed for a pair stays in cache and is never all in memory.

A tile holds all pairs of a few sites i. The forward pass keeps what it computed for as many tiles as fit into a budget;
the backward pass computes the others again before it takes their derivative.
"""

import math
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from .segments import segment_sum
from .threads import map_in_threads

CPU_TILE = 4096
"""Pairs in a tile on a CPU: many enough that calls of torch cost little, few enough to bound memory."""
KEPT_BYTES = 2**27
"""What the forward pass of a block may keep for its backward pass: memory for time."""
LARGE_TILE = 2**17
"""Pairs in a tile on other devices: what fills them and still bounds memory."""
USUAL_NEIGHBORS = 8
"""What sums over near neighbours are divided by, to be about as large as means."""


class Tile(NamedTuple):
    """Pairs of some consecutive sites i.

    Attributes
    ----------
    sites, pairs, neighbors : slice
        The sites i, their pairs, and a range with all sites j, within the batch.
    row : Tensor of int64, shape (t,)
        Site i of every pair, counted within the tile.
    neighbor : Tensor of int64, shape (t,)
        Site j of every pair, counted within the batch.
    distance, count, weight : Tensor of shape (t,)
        Distance in angstrom; neighbours that a pair stands for; uncompressed pairs that it stands for.
    """

    sites: slice
    pairs: slice
    neighbors: slice
    row: torch.Tensor
    neighbor: torch.Tensor
    distance: torch.Tensor
    count: torch.Tensor  # type: ignore[assignment]
    weight: torch.Tensor

    @property
    def n_rows(self):
        """Number of sites i."""
        return self.sites.stop - self.sites.start

    def nearness(self, reach):
        """Neighbours that a pair stands for, weighted by a cosine that falls from 1 to 0 at `reach`: Tensor (t,)."""
        inside = (self.distance > 0) & (self.distance < reach)
        smooth = 0.5 + 0.5 * torch.cos(math.pi / reach * self.distance)
        return torch.where(inside, self.count * smooth / USUAL_NEIGHBORS, 0.0)

    def shares(self, attention, reach):
        """Weights of the sums over neighbours: attention (t, h), and with a `reach` nearness as one more column."""
        return attention if reach is None else torch.cat([attention, self.nearness(reach)[:, None]], 1)

    def sum_rows(self, values):
        """Sum the values of pairs (t, c) over the pairs of every site (n_rows, c)."""
        return segment_sum(values, self.row, self.n_rows)

    def sum_neighbors(self, values):
        """Sum the values of pairs (t, c) over the pairs of every site j in the range `neighbors`."""
        return segment_sum(values, self.neighbor - self.neighbors.start, self.neighbors.stop - self.neighbors.start)


def make_tiles(batch, size=None):
    """Cut the pairs of a batch into tiles of whole sites i.

    Parameters
    ----------
    batch : CrystalBatch
        p pairs.
    size : int, default=None
        Pairs in a tile, but for those of the site that reaches this number; None for what suits the device. There are
        one or an even number of tiles, all about as large, so that two cores end together.

    Returns
    -------
    list of Tile
    """
    size = size or (CPU_TILE if batch.pair_site.device.type == "cpu" else LARGE_TILE)
    ends = np.cumsum(batch.row_sizes)
    n_tiles = 1 if ends[-1] <= size else 2 * math.ceil(ends[-1] / size / 2)
    last = np.unique(np.searchsorted(ends, np.arange(1, n_tiles + 1) * ends[-1] // n_tiles)) + 1
    sites = pairwise([0, *last.tolist()])
    pairs = pairwise([0, *ends[last - 1].tolist()])
    return [_cut(batch, slice(*i), slice(*ij)) for i, ij in zip(sites, pairs, strict=True)]


def whole_tile(batch):
    """All pairs of a batch as one tile."""
    return _cut(batch, slice(0, len(batch.row_sizes)), slice(0, len(batch.pair_site)))


def _cut(batch, sites, pairs):
    row, neighbor, count = batch.pair_site[pairs], batch.pair_neighbor[pairs], batch.pair_count[pairs]
    neighbors = slice(0, len(batch.row_sizes))
    if neighbor.device.type == "cpu":  # elsewhere, to ask would be to wait
        neighbors = slice(int(neighbor.min()), int(neighbor.max()) + 1)
    weight = count * batch.multiplicity[row]
    return Tile(sites, pairs, neighbors, row - sites.start, neighbor, batch.pair_distance[pairs], count, weight)


def gather_bond(of_i, of_j, tile):
    """Add up what sites (s, c) contribute to the pairs of a tile: Tensor of shape (t, c)."""
    return of_i[tile.sites].index_select(0, tile.row) + of_j.index_select(0, tile.neighbor)


class Workspace:
    """Memory that every tile uses again: fresh memory costs more time than what is written to it."""

    def __init__(self):
        self._memory = {}

    def take(self, name, example, n_rows=None):
        """Tensor like an example, possibly with another number of rows, its content undefined.

        It shares its memory with whatever was taken before under that name.
        """
        shape = len(example) if n_rows is None else n_rows, *example.shape[1:]
        size = math.prod(shape)
        if name not in self._memory or len(self._memory[name]) < size:
            self._memory[name] = example.new_empty(size)
        return self._memory[name][:size].view(shape)

    def gather_bond(self, of_i, of_j, tile):
        """Compute `gather_bond` in this memory, under the names "bond" and "scratch"."""
        bond, other = (self.take(name, of_i, len(tile.row)) for name in ("bond", "scratch"))
        torch.index_select(of_j, 0, tile.neighbor, out=bond)
        torch.index_select(of_i[tile.sites], 0, tile.row, out=other)
        return bond.add_(other)


class Workspaces:
    """A `Workspace` for every thread that works at a time."""

    def __init__(self):
        self._free = []

    @contextmanager
    def borrow(self):
        """Give a workspace that no other thread has, and take it back."""
        space = self._free.pop() if self._free else Workspace()
        yield space
        self._free.append(space)


def map_tiles(kernel, tiles, of_i, of_j, inputs, *, weights):
    """Run a kernel on every tile.

    Parameters
    ----------
    kernel : RecordedKernel or PairKernel
        What to compute. Its ``run(tile, bond, inputs, weights, space, record=False)`` gives a pass with the outputs
        `sums`, a row for every site of the tile, `updated`, a row for every pair or None, and `attention`. A recorded
        pass has ``backward(d_sums, d_updated, space)``, which gives the gradients of bond, inputs and weights. Both may
        overwrite bond and use space, a `Workspace`; a pass that is kept has its own. `kept_columns` says how many
        numbers it then holds for every pair and column of bond; None where no pass may be kept. Tiles are worked on in
        threads, see `map_in_threads`.
    tiles : list of Tile
        All pairs.
    of_i, of_j : Tensor of shape (s, c)
        What a site contributes to its bonds as site i and as site j; `bond` is their sum for the pairs of a tile.
    inputs : Tensor of shape (p, e)
        Input of every pair.
    weights : sequence of Tensor or None
        Whatever else the outputs depend on.

    Returns
    -------
    tuple of Tensor or None
        The outputs for all sites or pairs. Attention has no gradient.
    """
    n_kept = _n_kept(kernel, tiles, of_i) if torch.is_grad_enabled() else 0
    return _MapTiles.apply(kernel, tiles, n_kept, of_i, of_j, inputs, *weights)


def _n_kept(kernel, tiles, of_i):
    """Count the tiles, from the first, whose passes fit into the budget."""
    if kernel.kept_columns is None:
        return 0
    sizes = np.cumsum([len(tile.row) for tile in tiles]) * kernel.kept_columns * of_i[:1].nbytes
    return int(np.searchsorted(sizes, KEPT_BYTES, side="right"))


class _MapTiles(torch.autograd.Function):
    @staticmethod
    def forward(ctx, kernel, tiles, n_kept, of_i, of_j, inputs, *weights):  # noqa: PLR0917
        ctx.kernel, ctx.tiles, ctx.spaces = kernel, tiles, Workspaces()
        ctx.save_for_backward(of_i, of_j, inputs, *weights)

        def work(number):
            tile, keep = tiles[number], number < n_kept
            with nullcontext(Workspace()) if keep else ctx.spaces.borrow() as space:
                bond = space.gather_bond(of_i, of_j, tile)
                done = kernel.run(tile, bond, inputs[tile.pairs], weights, space, record=keep)
                return done.sums, done.updated, done.attention, done if keep else None

        *outputs, ctx.kept = zip(*map_in_threads(work, range(len(tiles))), strict=True)
        sums, updated, attention = (None if parts[0] is None else torch.cat(parts) for parts in outputs)
        ctx.mark_non_differentiable(attention)
        return sums, updated, attention

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_sums, d_updated, _):
        of_i, of_j, inputs, *weights = ctx.saved_tensors
        d_i, d_j, d_inputs = torch.empty_like(of_i), torch.zeros_like(of_j), torch.empty_like(inputs)
        totals = [None if weight is None else torch.zeros_like(weight) for weight in weights]
        kept, ctx.kept = ctx.kept, [None] * len(ctx.tiles)  # their memory is free again after this

        def work(number):
            tile, done = ctx.tiles[number], kept[number]
            with ctx.spaces.borrow() as space:
                if done is None:
                    bond = space.gather_bond(of_i, of_j, tile)
                    done = ctx.kernel.run(tile, bond, inputs[tile.pairs], weights, space, record=True)
                d_updated_here = None if d_updated is None else d_updated[tile.pairs]
                d_bond, d_inputs[tile.pairs], parts = done.backward(d_sums[tile.sites], d_updated_here, space)
                d_i[tile.sites] = tile.sum_rows(d_bond)
                return tile.sum_neighbors(d_bond), parts

        results = map_in_threads(work, range(len(ctx.tiles)))
        for tile, (of_neighbors, parts) in zip(ctx.tiles, results, strict=True):
            d_j[tile.neighbors] += of_neighbors  # in the order of tiles: sums do not depend on the threads
            for total, part in zip(totals, parts, strict=True):
                if part is not None:
                    total.add_(part)
        return None, None, None, d_i, d_j, d_inputs, *totals


class RecordedKernel:
    """A kernel whose derivative is left to automatic differentiation.

    Parameters
    ----------
    function : callable
        Called as ``function(tile, bond, inputs, weights)``; gives `sums`, `updated` and `attention` of a pass.
    precision : callable
        Makes a context manager with the precision to compute in: it belongs to a thread, and to the forward pass.
    """

    kept_columns = None

    def __init__(self, function, precision):
        self.function, self.precision = function, precision

    def run(self, tile, bond, inputs, weights, space, *, record=False):  # noqa: ARG002
        """Compute a tile, and record it where its derivative will be asked for."""
        inputs = [bond.detach().requires_grad_(record), inputs.detach().requires_grad_(record)]
        with torch.set_grad_enabled(record), self.precision():
            return _RecordedPass([*inputs, *weights], *self.function(tile, *inputs, weights))


class _RecordedPass(NamedTuple):
    """Outputs of a tile and what they depend on."""

    inputs: list
    sums: torch.Tensor
    updated: torch.Tensor | None
    attention: torch.Tensor

    def backward(self, d_sums, d_updated, space):  # noqa: ARG002
        """Gradients of bond, inputs and weights."""
        outputs, gradients = [self.sums], [d_sums]
        if d_updated is not None:
            outputs, gradients = [*outputs, self.updated], [*gradients, d_updated]
        d_bond, d_inputs, *parts = torch.autograd.grad(outputs, self.inputs, gradients)
        return d_bond, d_inputs, parts
