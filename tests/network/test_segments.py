import torch

from sitenet_sklearn.network.segments import segment_max, segment_softmax, segment_sum

SEGMENT = torch.tensor([0, 0, 2, 2, 2])
VALUES = torch.tensor([[1.0, -1.0], [2.0, 5.0], [3.0, 0.0], [-4.0, 1.0], [5.0, 1.0]])


def test_segment_sum_and_max():
    assert segment_sum(VALUES, SEGMENT, 3).tolist() == [[3, 4], [0, 0], [4, 2]]
    assert segment_max(VALUES, SEGMENT, 3)[[0, 2]].tolist() == [[2, 5], [5, 1]]


def test_softmax_with_counts_is_the_softmax_of_repeated_entries():
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    count = torch.tensor([3, 1, 2, 5])
    segment = torch.tensor([0, 0, 1, 1])
    weights = segment_softmax(logits, count.double(), segment, 2)
    for k in range(2):
        rows = segment == k
        repeated = logits[rows].repeat_interleave(count[rows], 0).softmax(0)
        merged = torch.stack([part.sum(0) for part in repeated.split(count[rows].tolist())])
        torch.testing.assert_close(weights[rows], merged)


def test_softmax_survives_large_and_excluded_logits():
    logits = torch.tensor([[1e4], [-torch.inf], [1e4]])
    weights = segment_softmax(logits, torch.ones(3), torch.tensor([0, 0, 0]), 1)
    assert weights.flatten().tolist() == [0.5, 0.0, 0.5]
