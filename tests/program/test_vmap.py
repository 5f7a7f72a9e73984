"""vmap: rows and axes, threads, errors that name the row, gradients through it."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff.errors import ArgumentError, ShapeError

X = np.array([1.0, 2.0, 3.0, 4.0])


def piecewise(x: Any) -> Any:
    if x < -1:
        return -x
    if x < 1:
        return x * x
    return ad.sqrt(x)


def piecewise_rows(x: Any) -> Any:
    return np.where(x < -1, -x, np.where(x < 1, x * x, np.sqrt(np.abs(x))))


# ---- Rows ----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 513, 100_000])
def test_any_number_of_rows_gives_the_same_by_any_number_of_threads(n):
    x = np.random.default_rng(n).normal(size=n) * 2
    results = [ad.vmap(piecewise, threads=k)(x) for k in (1, 2, 3)]
    for found in results:
        np.testing.assert_array_equal(found, piecewise_rows(x))


@pytest.mark.parametrize("n", [9, 513, 40_000])
def test_sums_over_rows_do_not_depend_on_the_number_of_threads(n):
    rng = np.random.default_rng(n)
    x, p = rng.normal(size=n), np.array([1.3, -0.4])

    def gradient(threads):
        f = ad.vmap(
            lambda x, p: ad.exp(p[0] * x) if x > 0 else ad.sin(p[1] * x),
            in_axes=(0, None),
            threads=threads,
        )
        return ad.grad(lambda p: f(x, p).sum())(p)

    results = [gradient(k) for k in (1, 2, 3)]
    assert results[0].tolist() == results[1].tolist() == results[2].tolist()
    wanted = [
        (x * np.exp(p[0] * x))[x > 0].sum(),
        (x * np.cos(p[1] * x))[x <= 0].sum(),
    ]
    np.testing.assert_allclose(results[0], wanted, rtol=1e-12)


def test_a_shared_number_stays_a_number():
    f = ad.vmap(lambda x, p: p * x**2, in_axes=(0, None))
    assert f(X, 2.0).tolist() == [2.0, 8.0, 18.0, 32.0]
    g = ad.vmap(ad.grad(lambda x, p: p * x**3), in_axes=(0, None))
    assert ad.grad(lambda p: g(X, p).sum())(2.0) == 90.0


@pytest.mark.parametrize(
    "x",
    [X.astype(np.float32), X.astype(int), np.repeat(X, 3)[::3], X[::-1][::-1], list(X)],
    ids=["f4", "int", "strided", "reversed", "list"],
)
def test_rows_of_any_dtype_and_layout_are_taken(x):
    if isinstance(x, list):
        x = np.array(x)
    assert ad.vmap(lambda x: x / 2)(x).tolist() == [0.5, 1.0, 1.5, 2.0]


def test_bools_are_masks_in_each_row():
    m = np.array([[True, False], [False, True], [True, True]])
    f = ad.vmap(lambda m, x: x[m].sum())
    assert f(m, np.arange(6.0).reshape(3, 2)).tolist() == [0.0, 3.0, 9.0]
    g = ad.vmap(lambda m, x: x if m else -x)
    assert g(X > 2, X).tolist() == [-1.0, -2.0, 3.0, 4.0]


def test_small_matrices_are_rows():
    a = np.eye(3) * X[:, None, None]
    found = ad.vmap(ad.linalg.solve)(a, np.ones((4, 3)))
    np.testing.assert_allclose(found, np.ones((4, 3)) / X[:, None])


# ---- Axes ----------------------------------------------------------------------------


def test_rows_lie_along_any_axis():
    x = np.arange(6.0).reshape(2, 3)
    assert ad.vmap(lambda a: a.sum(), in_axes=1)(x).tolist() == [3.0, 5.0, 7.0]
    assert ad.vmap(lambda a: a.sum(), in_axes=-1)(x).tolist() == [3.0, 5.0, 7.0]
    first, last = ad.vmap(lambda a: (a, 2 * a), out_axes=(0, -1))(x)
    assert first.tolist() == x.tolist()
    assert last.tolist() == (2 * x.T).tolist()


def test_axes_are_given_by_trees():
    f = ad.vmap(
        lambda d, k: d["a"] * d["b"][0] + k, in_axes=({"a": 0, "b": None}, None)
    )
    assert f({"a": X, "b": (2.0,)}, 1.0).tolist() == [3.0, 5.0, 7.0, 9.0]


def test_what_is_the_same_in_all_rows_may_come_out_once():
    rows, one = ad.vmap(lambda a: (a, 2.0), out_axes=(0, None))(X)
    assert rows.tolist() == X.tolist()
    assert one == 2.0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: ad.vmap(lambda a, b: a)(X, X[:2]), ShapeError, r"\[2, 4\]"),
        (lambda: ad.vmap(lambda a, b: a)(X, 1.0), ShapeError, "in_axes=None"),
        (lambda: ad.vmap(lambda a: a, in_axes=1)(X), ShapeError, "axis 1"),
        (lambda: ad.vmap(lambda a: a, in_axes=None)(X), ArgumentError, "at least one"),
        (lambda: ad.vmap(lambda a: a, in_axes=(0, 0))(X), ArgumentError, "2 entries"),
        (lambda: ad.vmap(lambda a: a, in_axes="a")(X), ArgumentError, "in_axes"),
        (lambda: ad.vmap(lambda a: a, out_axes=3)(X), ShapeError, "out_axes"),
        (lambda: ad.vmap(lambda a: a, out_axes=(0, 0))(X), ArgumentError, "out_axes"),
        (lambda: ad.vmap(lambda a: a, out_axes=None)(X), ArgumentError, "same in all"),
        (lambda: ad.vmap(lambda a: a, threads=0), ArgumentError, "threads"),
        (lambda: ad.vmap(lambda a: a, max_paths=0), ArgumentError, "max_paths"),
        (lambda: ad.vmap(3.0), TypeError, "takes a function"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()


# ---- Nesting -------------------------------------------------------------------------


def test_vmap_nests():
    f = ad.vmap(ad.vmap(lambda a, b: a * b, in_axes=(0, None)), in_axes=(None, 0))
    np.testing.assert_array_equal(f(X, X[:2]), X[:2, None] * X)
    g = ad.vmap(lambda a: ad.vmap(lambda b: a * b)(X))
    np.testing.assert_array_equal(g(X[:2]), X[:2, None] * X)


def test_derivatives_of_each_row():
    x = np.arange(4.0).reshape(2, 2)
    rows = ad.vmap(ad.hessian(lambda x: (x**3).sum()))(x)
    np.testing.assert_array_equal(rows, [np.diag(6 * row) for row in x])
    rows = ad.vmap(ad.jacobian(lambda x: x**3))(x)
    np.testing.assert_array_equal(rows, [np.diag(3 * row**2) for row in x])


def test_gradients_reach_what_the_function_closes_over_on_every_path():
    def rows(p, q):
        return ad.vmap(lambda x: p * p * x if x > 2.5 else q * x)(X).sum()

    assert ad.grad(rows, argnums=(0, 1))(2.0, 3.0) == (28.0, 3.0)
    assert ad.grad(ad.grad(rows))(2.0, 3.0) == 14.0
    value, along = ad.jvp(rows, (2.0, 3.0), (1.0, 10.0))
    assert (value, along) == (37.0, 58.0)


def test_hessians_of_sums_over_rows():
    def f(p, one):
        def row(x):
            return p[0] * ad.exp(-p[1] * x) if x > 2.5 else p[1] * x

        return (one(row) ** 2).sum()

    p = np.array([2.0, 0.5])
    found = ad.hessian(lambda p: f(p, lambda row: ad.vmap(row)(X)))(p)
    wanted = ad.hessian(lambda p: f(p, lambda row: ad.stack([row(x) for x in X])))(p)
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_vmap_in_compile_has_derivatives():
    f = ad.compile(lambda x: ad.vmap(lambda z: z * z)(x).sum())
    assert f.grad(X).tolist() == (2 * X).tolist()
    assert f.hessian(X).tolist() == np.diag([2.0] * 4).tolist()


def test_choices_by_rows_in_a_recorded_function_are_made_by_rows():
    f = ad.compile(lambda x: ad.vmap(piecewise)(x).sum())
    for x in (X, -X, X + 1.0):
        assert f(x) == pytest.approx(ad.vmap(piecewise)(x).sum(), rel=1e-14)


# ---- Rows that choose ----------------------------------------------------------------


def test_results_of_a_shape_of_their_own_may_follow_another_batch():
    f = ad.vmap(lambda x: x if x.sum() > 3 else x[:1])
    shapes = [f(np.full((2, 4), v)).shape for v in (1.0, 0.0, 1.0)]
    assert shapes == [(2, 4), (2, 1), (2, 4)]


def test_rows_with_results_of_two_shapes_or_structures_are_refused():
    with pytest.raises(ShapeError, match="one shape"):
        ad.vmap(lambda x: x if x > 2 else ad.stack([x, x]))(X)
    with pytest.raises(TypeError, match="one structure"):
        ad.vmap(lambda x: (x,) if x > 2 else [x])(X)


@pytest.mark.parametrize("name", ["exp", "log", "sin", "cos", "tanh", "erf", "atan"])
def test_a_choice_that_hangs_on_the_last_digit_is_that_of_the_function(name):
    g = getattr(ad, name)
    for at in np.random.default_rng(0).uniform(0.1, 2.0, 40):
        bound = float(g(ad.tensor(at)))

        def f(x, bound=bound):
            return x if g(x) > bound else -x

        assert ad.vmap(f)(np.full(9, at)).tolist() == [-at] * 9
        summed = ad.grad(lambda p, f=f: ad.vmap(lambda x: f(p * x))(np.ones(9)).sum())
        assert summed(at) == -9.0


def test_newton_iterations_run_until_each_row_has_converged():
    def root(a):
        x = a
        while abs(x * x - a) > 1e-12 * a:
            x = x - (x * x - a) / (2 * x)
        return x

    a = np.random.default_rng(0).uniform(0.1, 100.0, 3000)
    np.testing.assert_allclose(ad.vmap(root)(a), np.sqrt(a), rtol=1e-11)
    slope = ad.vmap(ad.grad(root))(a)
    np.testing.assert_allclose(slope, 0.5 / np.sqrt(a), rtol=1e-6)


def test_paths_are_recorded_once_for_all_rows_that_take_them():
    n_calls = [0]

    def f(x):
        n_calls[0] += 1
        return piecewise(x)

    mapped = ad.vmap(f)
    for seed in range(3):
        mapped(np.random.default_rng(seed).normal(size=1000) * 2)
    assert n_calls[0] == len(mapped.programs) == len(mapped.paths) == 3
    assert sum(n_used for _, n_used in mapped.paths) == 3000


# ---- Errors --------------------------------------------------------------------------


def _raises(x: Any) -> Any:
    if x > 3:
        raise ValueError("too big")
    return x


@pytest.mark.parametrize(("rows", "k"), [(X, 3), (X + 5, 0), (np.r_[X[:3]] + 0.5, 2)])
def test_an_error_of_the_function_names_the_row(rows, k):
    with pytest.raises(ValueError, match="too big") as caught:
        ad.vmap(_raises)(rows)
    assert f"row {k} " in caught.value.__notes__[0]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_singular_matrix_names_its_row(threads):
    a = np.tile(np.eye(2), (20_000, 1, 1))
    a[10_001] = 0
    with pytest.raises(ad.LinAlgError) as caught:
        ad.vmap(ad.linalg.solve, threads=threads)(a, np.ones((20_000, 2)))
    assert "row 10001 " in caught.value.__notes__[0]


def test_a_singular_matrix_of_a_path_not_taken_is_no_error():
    def f(a, b):
        return ad.linalg.solve(a, b) if ad.linalg.det(a) > 1e-9 else b * 0

    a = np.eye(2) * X[:, None, None]
    a[2] = 0
    found = ad.vmap(f)(a, np.ones((4, 2)))
    np.testing.assert_allclose(found[:, 0], [1.0, 0.5, 0.0, 0.25])


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_a_long_batch_and_leaves_the_function_whole(threads):
    def long(x):
        for _ in range(3000):
            x = ad.sin(x) + ad.cos(x) * 0.1
        return x

    f = ad.vmap(long, threads=threads)
    wanted = f(np.ones(2))
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        f(np.linspace(0, 1, 4_000_000))
    assert f(np.ones(2)).tolist() == wanted.tolist()


def test_ragged_rows_name_the_arguments_their_axes_and_shapes():
    f = ad.vmap(lambda a, d: a * d["b"], in_axes=(0, 1))
    with pytest.raises(ad.ShapeError) as caught:
        f(np.ones(3), {"b": np.ones((2, 4))})
    assert "argument 0 has 3 along axis 0 (shape (3,))" in str(caught.value)
    assert "argument 1['b'] has 4 along axis 1 (shape (2, 4))" in str(caught.value)


def test_a_list_for_rows_says_that_rows_are_an_array():
    with pytest.raises(ad.ShapeError, match=r"argument 0\[0\].*an array, not a list"):
        ad.vmap(lambda x: 2.0 * x)([1.0, 2.0])
