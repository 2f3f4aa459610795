import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redescribe import random_unimodular

from sitenet_sklearn.exceptions import CrystalError
from sitenet_sklearn.geometry.lattice import reduce_basis
from sitenet_sklearn.geometry.sublattice import SHAPES, _thresholds, best_sublattices


def hermite_normal_forms(index):
    """Every sublattice of an index, once."""
    for a, b in itertools.product(range(1, index + 1), repeat=2):
        if index % (a * b) == 0:
            c = index // (a * b)
            for d, e, f in itertools.product(range(b), range(c), range(c)):
                yield np.array([[a, d, e], [0, b, f], [0, 0, c]])


def brute_force_scores(basis, max_index):
    """Best cubic edge and best shortest translation over all sublattices, from Minkowski-reduced bases."""
    cubic, compact = 0.0, 0.0
    edge = (max_index * np.linalg.det(basis)) ** (1 / 3)
    for index in range(1, max_index + 1):
        for form in hermite_normal_forms(index):
            gram = np.linalg.norm(reduce_basis(form @ basis), axis=1) ** 2
            kappa = gram.sum() / (3 * (index * np.linalg.det(basis)) ** (2 / 3))
            cubic = max(cubic, (index / max_index) ** (1 / 3) / kappa)
            compact = max(compact, np.sqrt(gram.min()) / edge)
    return cubic, compact


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_optimum_is_that_of_brute_force_over_hermite_normal_forms(seed, max_index):
    rng = np.random.default_rng(seed)
    axes = np.diag(np.exp(rng.uniform(0.5, 2.5, size=3)))
    basis = reduce_basis(random_unimodular(rng) @ (axes + rng.normal(size=(3, 3)) * 0.5))
    expected = brute_force_scores(basis, max_index)
    for shape, score in zip(("cubic", "compact"), expected, strict=True):
        assert best_sublattices(basis, max_index, shape)[1] == pytest.approx(score, rel=2e-5)


def test_number_of_hermite_normal_forms_is_the_known_one():
    counts = [sum(1 for _ in hermite_normal_forms(index)) for index in range(1, 7)]
    assert counts == [1, 7, 13, 35, 31, 91]  # sequence A001001


@pytest.mark.parametrize("shape", ["cubic", "compact"])
@pytest.mark.parametrize("max_index", [1, 7, 40, 166])
def test_score_belongs_to_the_matrices(shape, max_index):
    basis = reduce_basis(np.array([[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]]))
    matrices, score = best_sublattices(basis, max_index, shape)
    edge = (max_index * np.linalg.det(basis)) ** (1 / 3)
    for matrix in matrices:
        index = np.linalg.det(matrix)
        assert 1 <= round(index) <= max_index
        squares = np.linalg.norm(reduce_basis(matrix @ basis), axis=1) ** 2
        np.testing.assert_allclose(squares, np.sort(np.linalg.norm(matrix @ basis, axis=1) ** 2), rtol=1e-6)
        expected = 3 * index / max_index * edge**2 / squares.sum() if shape == "cubic" else np.sqrt(squares[0]) / edge
        assert score == pytest.approx(expected)


def test_ties_are_distinct_sublattices():
    basis = reduce_basis(np.array([[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]]))
    matrices, _ = best_sublattices(basis, 30)
    assert len(matrices) > 1
    for a, b in itertools.combinations(matrices, 2):
        assert not np.allclose(a @ np.linalg.inv(b), np.rint(a @ np.linalg.inv(b)))


def test_simple_cubic_lattice_has_the_perfect_cube():
    matrices, score = best_sublattices(3.0 * np.eye(3), 27)
    assert score == pytest.approx(1)
    assert round(np.linalg.det(matrices[0])) == 27


def test_compact_finds_the_face_centred_packing():
    _, score = best_sublattices(3.0 * np.eye(3), 16, "compact")
    assert score == pytest.approx(2 ** (1 / 6))


def test_cells_too_elongated_for_the_search_are_refused():
    with pytest.raises(
        CrystalError,
        match=r"the primitive cell \(1 : 1 : 312\) is too elongated, or max_atoms too large; pass a smaller",
    ):
        best_sublattices(np.diag([3.2, 3.2, 1000.0]), 4, "compact")


@pytest.mark.parametrize("shape", ["cubic", "compact"])
@pytest.mark.parametrize("height", [12.0, 36.0, 60.0])
@pytest.mark.parametrize("max_index", [2, 4, 20, 100])
def test_layer_in_a_wide_vacuum_is_searched(shape, height, max_index):
    basis = reduce_basis(np.diag([3.2, 3.2, height]))
    matrices, score = best_sublattices(basis, max_index, shape)
    assert score > 0
    assert round(np.linalg.det(matrices[0])) <= max_index
    thresholds = _thresholds(basis, max_index, SHAPES[shape])
    assert (np.diff(thresholds) < 0).all()
