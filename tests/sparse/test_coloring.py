"""Colourings: few sweeps, and every entry comes back from them."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sparse.matrices import arrow, banded, finite_elements, grid, random

from autodiff.errors import ArgumentError, ShapeError
from autodiff.sparse import Coloring, Pattern

SQUARE = {
    "diagonal": np.eye(7),
    "tridiagonal": banded(30),
    "pentadiagonal": banded(30, 2, 2),
    "lower bidiagonal": banded(20, 1, 0),
    "upper band": banded(20, 0, 3),
    "arrow down": arrow(25, 24),
    "arrow up": arrow(25, 0),
    "arrow in the middle": arrow(25, 12),
    "blocks": np.kron(np.eye(6), np.ones((4, 4))),
    "blocks with border": np.maximum(np.kron(np.eye(6), np.ones((4, 4))), arrow(24, 3)),
    "grid": grid(7),
    "finite elements": finite_elements(6),
    "random": random(60, 1),
    "random, denser": random(40, 2, 0.2),
    "dense": np.ones((6, 6)),
    "empty": np.zeros((5, 5)),
    "one": np.ones((1, 1)),
    "none": np.zeros((0, 0)),
}
OBLONG = {
    "one dense row": np.vstack([np.ones((1, 9)), np.eye(9)]),
    "one dense column": np.hstack([np.ones((9, 1)), np.eye(9)]),
    "wide": random(50, 3)[:20],
    "tall": random(50, 4)[:, :20],
    "no rows": np.zeros((0, 4)),
    "no columns": np.zeros((4, 0)),
}


def filled(pattern, rng):
    return np.where(pattern, rng.uniform(1, 2, pattern.shape), 0)


@pytest.mark.parametrize("kind", ["column", "row", None])
@pytest.mark.parametrize("name", {**SQUARE, **OBLONG})
def test_a_matrix_comes_back_from_its_compressed_products(name, kind, rng):
    matrix = filled({**SQUARE, **OBLONG}[name], rng)
    coloring = Pattern.of(matrix).color(kind)
    back = matrix if coloring.kind == "row" else matrix.T
    result = coloring.compute(lambda seeds: seeds @ back)
    assert isinstance(result, sp.csr_array)
    assert np.array_equal(result.toarray(), matrix)


@pytest.mark.parametrize("name", SQUARE)
def test_a_symmetric_matrix_comes_back_from_a_star_colouring(name, rng):
    half = filled(SQUARE[name], rng)
    matrix = half + half.T
    coloring = Pattern.of(matrix).color("symmetric")
    result = coloring.compute(lambda seeds: seeds @ matrix)
    assert np.array_equal(result.toarray(), matrix)


@pytest.mark.parametrize("name", SQUARE)
def test_a_star_colouring_has_no_path_of_four_with_two_colours(name):
    pattern = Pattern.of(SQUARE[name]).symmetrized()
    colors, near = pattern.color("symmetric").colors, pattern.dense()
    np.fill_diagonal(near, False)
    for v, w in zip(*near.nonzero(), strict=True):
        assert colors[v] != colors[w]
        for x in near[w].nonzero()[0]:
            if x != v and colors[x] == colors[v]:
                ends = [y for y in near[x].nonzero()[0] if y not in (v, w)]
                assert colors[w] not in colors[ends]


@pytest.mark.parametrize(
    ("name", "kind", "n_colors"),
    [
        ("diagonal", "column", 1),
        ("tridiagonal", "column", 3),
        ("tridiagonal", "symmetric", 3),
        ("pentadiagonal", "column", 5),
        ("lower bidiagonal", "column", 2),
        ("arrow down", "symmetric", 2),
        ("arrow up", "symmetric", 2),
        ("blocks", "column", 4),
        ("blocks", "symmetric", 4),
        ("dense", "symmetric", 6),
        ("empty", "column", 1),
        ("none", "column", 0),
    ],
)
def test_regular_patterns_take_the_least_number_of_colours(name, kind, n_colors):
    assert Pattern.of(SQUARE[name]).color(kind).n_colors == n_colors


def test_a_star_colouring_takes_fewer_colours_than_columns_do():
    pattern = Pattern.of(grid(12))
    by_columns = pattern.color("column").n_colors
    assert pattern.color("symmetric").n_colors <= by_columns
    assert pattern.color("symmetric").n_colors <= 7


@pytest.mark.parametrize(
    ("name", "kind"), [("one dense row", "row"), ("one dense column", "column")]
)
def test_rows_or_columns_are_chosen_by_their_number(name, kind):
    coloring = Pattern.of(OBLONG[name]).color()
    assert (coloring.kind, coloring.n_colors) == (kind, 2)


def test_many_neighbours_cost_no_square():
    n = 50_000  # squared: 2.5 thousand million
    at = np.arange(n)
    rows, columns = np.r_[at, at, at * 0], np.r_[at, at * 0, at]
    pattern = Pattern.of_entries((n, n), rows, columns)
    assert pattern.color("symmetric").n_colors == 2
    assert pattern.color("column").n_colors == n


def test_stored_zeros_of_a_sparse_matrix_are_entries():
    matrix = sp.csr_array(([0.0, 1.0], [0, 1], [0, 1, 2]), shape=(2, 2))
    assert Pattern.of(matrix).n_entries == 2


def test_the_union_of_patterns_has_the_entries_of_either():
    a, b = random(20, 5), random(20, 6)
    assert np.array_equal((Pattern.of(a) | Pattern.of(b)).dense(), a | b)


def test_transposing_twice_changes_nothing():
    pattern = Pattern.of(OBLONG["wide"])
    assert np.array_equal(pattern.transposed().dense(), OBLONG["wide"].T)
    assert pattern.transposed().transposed() == pattern


@pytest.mark.parametrize("kind", ["column", "row", "symmetric"])
def test_a_colouring_is_saved_and_pickled_whole(kind, tmp_path, rng):
    matrix = filled(grid(5), rng)
    matrix = matrix + matrix.T
    coloring = Pattern.of(matrix).color(kind)
    coloring.save(tmp_path / "c.npz")
    for copy in (
        Coloring.load(tmp_path / "c.npz"),
        pickle.loads(pickle.dumps(coloring)),
    ):
        assert copy.pattern == coloring.pattern
        assert np.array_equal(copy.seeds(), coloring.seeds())
        result = copy.compute(lambda seeds: seeds @ matrix)
        assert np.array_equal(result.toarray(), matrix)


def test_a_matrix_that_is_changed_leaves_its_pattern_alone():
    pattern = Pattern.of(banded(5))
    kept = Pattern.of(banded(5))
    values = np.arange(pattern.n_entries) % 2.0
    pattern.with_values(values).eliminate_zeros()
    assert pattern == kept
    assert pattern.with_values(np.ones(13)).nnz == 13


def test_a_pattern_is_saved_whole(tmp_path):
    pattern = Pattern.of(OBLONG["tall"])
    pattern.save(tmp_path / "p.npz")
    assert Pattern.load(tmp_path / "p.npz") == pattern


@pytest.mark.parametrize(
    ("kind", "colors"),
    [("column", [0, 0, 1]), ("row", [0, 1, 1]), ("symmetric", [0, 0, 0])],
)
def test_colours_that_mix_entries_are_refused(kind, colors):
    with pytest.raises(ArgumentError):
        Coloring(Pattern.of(banded(3)), kind, np.array(colors), 2)


@pytest.mark.parametrize("colors", [[0, 1], [0, 1, 5], [0, -1, 1]])
def test_colours_out_of_range_or_number_are_refused(colors):
    with pytest.raises(ArgumentError):
        Coloring(Pattern.of(np.eye(3)), "column", np.array(colors), 2)


@pytest.mark.parametrize(
    ("starts", "columns"),
    [
        ([0, 1], [0]),
        ([0, 1, 3], [0, 1]),
        ([1, 1, 2], [0, 1]),
        ([0, 2, 1], [0]),
        ([0, 2, 2], [1, 0]),
        ([0, 2, 2], [1, 1]),
        ([0, 1, 2], [0, 2]),
        ([0, 1, 2], [0, -1]),
        ([0, 1, 2], [0, 2**32]),
    ],
)
def test_what_is_no_pattern_is_refused(starts, columns):
    with pytest.raises(ArgumentError):
        Pattern((2, 2), np.array(starts), np.array(columns))


def test_a_symmetric_colouring_needs_a_symmetric_pattern():
    with pytest.raises(ArgumentError, match="symmetrized"):
        Pattern.of(banded(5, 1, 0)).color("symmetric")


def test_products_of_another_shape_are_refused():
    coloring = Pattern.of(banded(5)).color("column")
    with pytest.raises(ShapeError, match=r"\(3, 5\)"):
        coloring.values(np.ones((5, 3)))


def test_a_checker_of_colours_can_fail(rng):
    """One entry more than the pattern says, and the products are wrong."""
    matrix = filled(banded(9), rng)
    coloring = Pattern.of(matrix).color("column")
    matrix[0, 8] = 5.0
    result = coloring.compute(lambda seeds: seeds @ matrix.T)
    assert not np.array_equal(result.toarray(), matrix)
