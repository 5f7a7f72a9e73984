"""Rows that choose, many at a time: sorted by path, run apart, sums by chunk."""

from __future__ import annotations

import numpy as np
import pytest

import autodiff as ad

N = 40_000  # more than two chunks
X = np.random.default_rng(7).standard_normal(N)


def pieces(p, x):
    """Return a function of a row in five pieces, one of which does not use p."""
    if x > 1.0:
        return p[0] * x
    if x < -1.0:
        return p[1] * x * x if x > -2.0 else p[0] * p[1]
    return x if x > 0.0 else p[1] * ad.exp(x)


def by_where(p, x):
    """The same on whole arrays."""
    low = ad.where(x > -2.0, p[1] * x * x, p[0] * p[1])
    middle = ad.where(x > 0.0, x, p[1] * ad.exp(x))
    return ad.where(x > 1.0, p[0] * x, ad.where(x < -1.0, low, middle))


P = np.array([1.5, -0.5])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_row_of_many_takes_its_own_path(threads):
    f = ad.vmap(pieces, in_axes=(None, 0), threads=threads)
    expected = np.asarray(by_where(ad.tensor(P), X).numpy())
    for _ in range(2):  # the first records, the second knows all paths
        np.testing.assert_allclose(f(P, X), expected, rtol=1e-14)
    assert len(f.programs) == 5


def test_sums_over_sorted_rows_are_those_of_whole_arrays():
    rows = ad.vmap(pieces, in_axes=(None, 0))
    g = ad.grad(lambda p: ad.sum(rows(p, X)))
    expected = ad.grad(lambda p: ad.sum(by_where(p, X)))(P)
    for _ in range(2):
        np.testing.assert_allclose(g(P), expected, rtol=1e-12)


def test_sums_over_sorted_rows_do_not_depend_on_the_number_of_threads():
    found = []
    for threads in (1, 2, 3):
        rows = ad.vmap(pieces, in_axes=(None, 0), threads=threads)
        g = ad.grad(lambda p, rows=rows: ad.sum(rows(p, X)))
        g(P)
        found.append(g(P))
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_rows_of_arrays_are_sorted_too():
    rows = X[:30_000].reshape(-1, 3)
    f = ad.vmap(lambda r: r * 2.0 if r[0] > r[1] else r[::-1])
    for _ in range(2):
        left = rows[:, :1] > rows[:, 1:2]
        np.testing.assert_array_equal(
            f(rows), np.where(left, rows * 2.0, rows[:, ::-1])
        )


def test_a_nan_in_a_choice_stays_in_its_row():
    x = X[:100].copy()
    x[::7] = np.nan
    f = ad.vmap(lambda x: x * 2.0 if x > 0 else (-x if x <= 0 else 5.0))
    for _ in range(2):
        expected = np.where(np.isnan(x), 5.0, np.where(x > 0, 2 * x, -x))
        np.testing.assert_array_equal(f(x), expected)


def test_a_sum_of_rows_in_compile_keeps_no_rows():
    rows = ad.vmap(lambda p, x: p[0] * ad.exp(p[1] * x), in_axes=(None, 0))
    f = ad.compile(lambda p: ad.sum(rows(p, X)))
    value, gradient = f.value_and_grad(P)
    e = np.exp(P[1] * X)
    np.testing.assert_allclose(value, (P[0] * e).sum(), rtol=1e-12)
    expected = [e.sum(), (P[0] * X * e).sum()]
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)
    derived = f.programs[0].with_outputs([0])
    shapes = {i.op: i.shape for i in derived.instructions()}
    assert shapes["scan"] == (1,)


def tridiagonal(x):
    return ad.sum((x[1:] - x[:-1] ** 2) ** 2) + x[0] ** 4


def arrow(x):
    return ad.sum(x[0] * x**2) + ad.sum(ad.exp(x))


def separable(x):
    return ad.sum(ad.sin(x))


@pytest.mark.parametrize("function", [tridiagonal, arrow, separable])
@pytest.mark.parametrize("n", [15, 16, 60])
def test_a_dense_hessian_with_structure_is_that_of_every_column(function, n):
    x = X[:n]
    f = ad.compile(function)
    for point in (x, x + 1.0):
        np.testing.assert_allclose(
            f.hessian(point), ad.hessian(function)(point), rtol=1e-12, atol=1e-14
        )


def test_a_hessian_by_structure_follows_the_path():
    f = ad.compile(lambda x: ad.sum(x**3) if x[0] > 0 else ad.sum(x**2))
    x = np.ones(20)
    for sign in (1.0, -1.0, 1.0):
        expected = np.diag(6.0 * x) if sign > 0 else np.diag(2.0 * x)
        np.testing.assert_array_equal(f.hessian(sign * x), expected)


def test_a_hessian_of_a_matrix_has_its_shape_twice():
    x = X[:24].reshape(4, 6)
    found = ad.compile(lambda x: ad.sum(x**3)).hessian(x)
    assert found.shape == (4, 6, 4, 6)
    np.testing.assert_allclose(found.reshape(24, 24), np.diag(6.0 * x.ravel()))
