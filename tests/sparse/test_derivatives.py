"""jacobian(sparse=True) and hessian(sparse=True) against the dense derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sparse.matrices import arrow, banded, finite_elements, grid, random

import autodiff as ad
from autodiff.errors import ArgumentError, GradientLossError, ShapeError
from autodiff.programs import compressed
from autodiff.sparse import Coloring, Pattern

MATRICES = {
    "a band": banded(15, 2, 1),
    "an arrow": arrow(12, 0),
    "an arrow upwards": arrow(12, 11),
    "blocks": np.kron(np.eye(5), np.ones((3, 3))),
    "a grid": grid(4),
    "finite elements": finite_elements(3),
    "random": random(30, 7),
    "tall": random(40, 8)[:, :9],
    "wide": random(40, 9)[:9],
    "nothing": np.zeros((4, 5)),
    "dense": np.ones((6, 5)),
}
WAYS = ["one program", "lanes"]


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    if request.param == "lanes":
        monkeypatch.setattr(compressed, "MOST_COLORS", 0)


def arrays(matrix: Any) -> Any:
    """Return a nonlinear function on whole arrays whose Jacobian has the pattern."""
    rows, columns = np.nonzero(matrix)
    scale = np.arange(1.0, 1.0 + rows.size)

    def f(x: Any) -> Any:
        each = ad.sin(scale * x[columns]) * x[columns]
        n = matrix.shape[0]
        at = [each[rows == i].sum() if (rows == i).any() else 0.0 for i in range(n)]
        return ad.stack(at)

    return f


def elements(matrix: Any) -> Any:
    """Return one that goes element by element, where neighbours multiply."""

    def f(x: Any) -> Any:
        found = []
        for row in matrix:
            s = 0.0
            for j in np.flatnonzero(row):
                s = s * 0.5 + x[int(j)] * x[int(j)] + ad.exp(0.1 * x[int(j)])
            found.append(s)
        return ad.stack(found)

    return f


def energy(matrix: Any) -> Any:
    """Return a number whose Hessian has the pattern of matrix and its transpose."""
    rows, columns = np.nonzero(matrix)

    def f(x: Any) -> Any:
        return (ad.sin(x[rows] * x[columns]) + x[rows] ** 3).sum()

    return f


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("form", [arrays, elements])
@pytest.mark.parametrize("name", MATRICES)
def test_a_sparse_jacobian_is_the_dense_one(name, form, rng):
    matrix = MATRICES[name]
    f = ad.compile(form(matrix))
    for _ in range(3):
        x = rng.standard_normal(matrix.shape[1])
        found = f.jacobian(x, sparse=True)
        assert isinstance(found, sp.csr_array)
        np.testing.assert_allclose(found.toarray(), f.jacobian(x), rtol=1e-13)
        assert found.nnz == np.count_nonzero(matrix)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "name", [k for k, m in MATRICES.items() if m.shape[0] == m.shape[1]]
)
def test_a_sparse_hessian_is_the_dense_one(name, rng):
    f = ad.compile(energy(MATRICES[name]))
    for _ in range(3):
        x = rng.standard_normal(MATRICES[name].shape[1])
        found = f.hessian(x, sparse=True)
        wanted = ad.hessian(f.fun)(x)
        np.testing.assert_allclose(found.toarray(), wanted, rtol=1e-12, atol=1e-14)


def piecewise(x: Any) -> Any:
    """Three paths: a band, an arrow, and a diagonal."""
    if x[0] > 1:
        return x[:-1] * x[1:]
    if x[0] < -1:
        return x[1:] * x[0]
    return x[1:] ** 2


@pytest.mark.usefixtures("way")
def test_the_pattern_is_the_union_over_paths(rng):
    f = ad.compile(piecewise)
    counts = []
    for first in (0.5, 2.0, -2.0, 0.5, 2.0, -2.0):
        x = np.r_[first, rng.standard_normal(5)]
        found = f.jacobian(x, sparse=True)
        counts.append(found.nnz)
        np.testing.assert_array_equal(found.toarray(), ad.jacobian(piecewise)(x))
    assert counts == [5, 10, 14, 14, 14, 14]


@pytest.mark.usefixtures("way")
def test_the_pattern_of_a_hessian_is_the_union_over_paths(rng):
    def f(x):
        return (x[:-1] * x[1:]).sum() if x[0] > 0 else (x**3).sum()

    compiled = ad.compile(f)
    for first in (1.0, -1.0, 1.0):
        x = np.r_[first, rng.standard_normal(5)]
        found = compiled.hessian(x, sparse=True)
        np.testing.assert_allclose(found.toarray(), ad.hessian(f)(x), atol=1e-14)


@pytest.mark.usefixtures("way")
def test_calls_count_on_the_path_that_they_took():
    f = ad.compile(piecewise)
    for first in (2.0, 2.0, 0.0):
        f.jacobian(np.r_[first, np.ones(3)], sparse=True)
    assert sum(path.n_used for path in next(iter(f._signatures.values())).paths.all) > 2


@pytest.mark.usefixtures("way")
def test_arrays_of_any_shape_are_flat_in_the_matrix(rng):
    x = rng.standard_normal((3, 4))
    f = ad.compile(lambda x: ad.sin(x.T) * 2)
    wanted = f.jacobian(x).reshape(12, 12)
    np.testing.assert_array_equal(f.jacobian(x, sparse=True).toarray(), wanted)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("x", "y"), [(2.0, 3.0), (2.0, X := np.arange(3.0)), (X, 3.0)])
def test_a_number_is_a_matrix_of_one_row_or_column(x, y):
    f = ad.compile(lambda x, y: (x * y).sum() if np.ndim(y) == 0 else x * y)
    shape = (np.size(y), np.size(x))
    wanted = np.reshape(f.jacobian(x, y), shape)
    np.testing.assert_array_equal(f.jacobian(x, y, sparse=True).toarray(), wanted)


@pytest.mark.usefixtures("way")
def test_the_argument_that_argnums_names_has_the_columns(rng):
    x, y = rng.standard_normal((2, 6))
    f = ad.compile(lambda x, y, s: x * y**2 * s)
    for argnums in (1, 0, -2, 1):
        found = f.jacobian(x, y, 3.0, argnums=argnums, sparse=True)
        wanted = f.jacobian(x, y, 3.0, argnums=argnums)
        np.testing.assert_allclose(found.toarray(), wanted, rtol=1e-14)


@pytest.mark.usefixtures("way")
def test_tensors_of_outside_are_read_anew():
    w = ad.tensor([1.0, 2.0, 3.0], requires_grad=True)
    f = ad.compile(lambda x: x * w)
    for _ in range(2):
        found = f.jacobian(np.ones(3), sparse=True)
        np.testing.assert_array_equal(found.toarray(), np.diag(w.detach().numpy()))
        with ad.no_grad():
            w.mul_(2.0)


@pytest.mark.usefixtures("way")
def test_what_does_not_count_makes_no_nan():
    f = ad.compile(lambda x: ad.where(x > 0, ad.log(x), 0.0))
    x = np.array([0.0, 1.0, 2.0])
    found = f.jacobian(x, sparse=True).toarray()
    np.testing.assert_array_equal(found, np.diag([0.0, 1.0, 0.5]))


@pytest.mark.usefixtures("way")
def test_a_nan_stays_with_the_entries_it_belongs_to():
    f = ad.compile(lambda x: ad.sin(x) * x)
    found = f.jacobian(np.array([1.0, np.nan, 2.0]), sparse=True).toarray()
    assert np.isnan(found).sum() == 1
    assert np.isnan(found[1, 1])


@pytest.mark.usefixtures("way")
def test_a_matrix_that_has_no_inverse_at_ones_is_recorded_where_it_has_one(rng):
    def f(x):
        return ad.cat([ad.linalg.inv(x[4 * k : 4 * k + 4].reshape((2, 2)))[0]
                       for k in range(3)])  # fmt: skip

    x = rng.standard_normal(12)
    found = ad.jacobian(f, sparse=True)(x)
    np.testing.assert_allclose(found.toarray(), ad.jacobian(f)(x), rtol=1e-12)
    assert found.nnz == 24


def test_a_dense_hessian_of_inverses_is_right(rng):
    def f(x):
        return sum(ad.linalg.inv(x[4 * k : 4 * k + 4].reshape((2, 2))).sum()
                   for k in range(6))  # fmt: skip

    x = rng.standard_normal(24)
    np.testing.assert_allclose(
        ad.compile(f).hessian(x), ad.hessian(f)(x), rtol=1e-9, atol=1e-9
    )


def test_a_matrix_is_the_callers_to_change():
    f = ad.compile(lambda x: x[1:] * x[:-1])
    x = np.arange(1.0, 6.0)
    first = f.jacobian(x, sparse=True)
    wanted = first.toarray()
    first.data[:] = 0
    first.eliminate_zeros()
    np.testing.assert_array_equal(f.jacobian(x, sparse=True).toarray(), wanted)


# ---- Patterns and colourings that are given ------------------------------------------

BAND = banded(6)
GIVEN = {
    "a Pattern": Pattern.of(BAND),
    "booleans": BAND != 0,
    "numbers": BAND,
    "lists": BAND.tolist(),
    "csr_array": sp.csr_array(BAND),
    "coo_matrix": sp.coo_matrix(BAND),
}


def tridiagonal(x: Any) -> Any:
    """Return a function whose Jacobian is a band."""
    zero = np.zeros(1)
    return x * x + ad.cat([x[1:], zero]) * x + ad.cat([zero, x[:-1]])


@pytest.mark.parametrize("name", GIVEN)
def test_a_pattern_is_given_in_many_forms(name, rng):
    x = rng.standard_normal(6)
    f = ad.compile(tridiagonal)
    for _ in range(2):
        found = f.jacobian(x, pattern=GIVEN[name])
        np.testing.assert_allclose(found.toarray(), f.jacobian(x), rtol=1e-14)
    energetic = ad.compile(lambda x: (tridiagonal(x) ** 2).sum())
    full = energetic.hessian(x, pattern=np.ones((6, 6)))
    np.testing.assert_allclose(full.toarray(), energetic.hessian(x), rtol=1e-13)


@pytest.mark.parametrize("kind", ["row", "column"])
def test_a_colouring_is_given_for_each_call(kind, rng):
    f = ad.compile(tridiagonal)
    x = rng.standard_normal(6)
    wanted = f.jacobian(x)
    for coloring in (None, Pattern.of(BAND).color(kind), None):
        found = f.jacobian(x, sparse=True, coloring=coloring)
        np.testing.assert_allclose(found.toarray(), wanted, rtol=1e-14)


@pytest.mark.parametrize("name", ["jacobian", "hessian"])
def test_a_pattern_of_another_shape_is_refused(name):
    f = ad.compile(lambda x: (x**2).sum() if name == "hessian" else x**2)
    with pytest.raises(ShapeError, match=r"\(3, 3\).*\(6, 6\)"):
        getattr(f, name)(np.ones(3), pattern=BAND)


WRONG = {
    "a number for a colouring": ({"coloring": 3}, ArgumentError, "Coloring, got 3"),
    "a pattern for a colouring": ({"coloring": BAND}, ArgumentError, "Coloring, got"),
    "a number for a pattern": ({"pattern": 3}, ShapeError, "two axes"),
    "a vector for a pattern": ({"pattern": [1, 0]}, ShapeError, "two axes"),
    "text for a pattern": ({"pattern": "band"}, ArgumentError, "pattern"),
    "ragged lists": ({"pattern": [[1], [1, 0]]}, ArgumentError, "pattern"),
    "both": ({"pattern": BAND, "coloring": Pattern.of(BAND).color()}, ArgumentError,
             "one too many"),
    "a mode that does not go with it": ({"sparse": True, "mode": "sideways"},
                                        (ValueError, ArgumentError), "mode"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_pattern_or_colouring_is_refused(name):
    options, kind, text = WRONG[name]
    with pytest.raises(kind, match=text):
        ad.compile(tridiagonal).jacobian(np.ones(6), **options)
    with pytest.raises(kind, match=text):
        ad.jacobian(tridiagonal, **options)(np.ones(6))


@pytest.mark.parametrize(("mode", "kind"), [("forward", "column"), ("reverse", "row")])
def test_a_mode_that_is_asked_for_says_what_is_coloured(mode, kind, rng):
    x = rng.standard_normal(6)
    f = ad.compile(tridiagonal)
    for _ in range(2):
        found = f.jacobian(x, sparse=True, mode=mode)
        np.testing.assert_allclose(found.toarray(), f.jacobian(x), rtol=1e-14)
    kept = [v for v in f.quick_matrices.values() if hasattr(v, "colors")]
    assert kept[0].colors.kind == kind


def test_a_hessian_takes_colours_of_columns_too(rng):
    x = rng.standard_normal(6)
    f = ad.compile(lambda x: (x[1:] * x[:-1]).sum())
    coloring: Coloring = Pattern.of(BAND).color("column")
    found = f.hessian(x, coloring=coloring)
    np.testing.assert_allclose(found.toarray(), ad.hessian(f.fun)(x), rtol=1e-14)


def test_a_gradient_is_not_lost_in_a_matrix():
    f = ad.compile(lambda x: x**2)
    with pytest.raises(GradientLossError, match="sparse=True"):
        ad.grad(lambda x: f.jacobian(x, sparse=True).sum())(np.ones(3))


def test_a_result_of_several_parts_is_refused():
    f = ad.compile(lambda x, y: (x, y))
    with pytest.raises(ShapeError, match="one result"):
        f.jacobian(np.ones(2), 1.0, sparse=True)
    with pytest.raises(ArgumentError, match="one array"):
        f.jacobian(np.ones(2), 1.0, argnums=(0, 1), sparse=True)
    with pytest.raises(ShapeError, match="one number"):
        ad.compile(lambda x: x).hessian(np.ones(2), sparse=True)
