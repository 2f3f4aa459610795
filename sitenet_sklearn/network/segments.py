"""Sums, maxima and softmax over segments of rows, with what torch has built in."""

import torch


def segment_sum(values, segment, n_segments):
    """Sum rows that belong to the same segment.

    Parameters
    ----------
    values : Tensor of shape (p, ...)
        Rows.
    segment : Tensor of int64, shape (p,)
        Segment of every row.
    n_segments : int
        Number of segments s.

    Returns
    -------
    Tensor of shape (s, ...)
    """
    return values.new_zeros(n_segments, *values.shape[1:]).index_add_(0, segment, values)


def segment_max(values, segment, n_segments):
    """Largest entry of every column in each segment; shapes as in `segment_sum`."""
    index = segment[:, None].expand_as(values)
    return values.new_full((n_segments, values.shape[1]), -torch.inf).scatter_reduce(0, index, values, "amax")


def segment_softmax(logits, count, segment, n_segments):
    """Softmax within segments over entries that stand for several equal ones each.

    Parameters
    ----------
    logits : Tensor of shape (p, h)
        Logits; -inf gives no weight. Every segment needs a finite one.
    count : Tensor of shape (p,)
        Number of equal entries that a row stands for.
    segment : Tensor of int64, shape (p,)
        Segment of every row.
    n_segments : int
        Number of segments.

    Returns
    -------
    Tensor of shape (p, h)
        Weight of all the entries of a row together; the sum over a segment is 1.

    Examples
    --------
    >>> import torch
    >>> zeros, count = torch.zeros(2, 1), torch.tensor([3.0, 1.0])
    >>> segment_softmax(zeros, count, torch.tensor([0, 0]), 1).flatten()
    tensor([0.7500, 0.2500])
    """
    largest = segment_max(logits.detach(), segment, n_segments)
    weights = torch.exp(logits - largest.index_select(0, segment)) * count[:, None]
    return weights / segment_sum(weights, segment, n_segments).index_select(0, segment)
