"""Rows that branch, in hostile hands: all paths at once, sorted, and asked one by one.

What rows are compared with is the function itself, called with one row at a time.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff.errors import TraceError
from autodiff.programs import joined

N = 97


@pytest.fixture(params=["at once", "sorted", "asked"])
def way(request, monkeypatch):
    """How rows find their paths: by all in one, by one question, or path by path."""
    if request.param != "at once":
        monkeypatch.setattr(joined, "MOST_PATHS", 0)
    if request.param == "asked":
        monkeypatch.setattr(joined, "MOST_DECIDED", 0)
    return request.param


def branching(seed: int) -> Callable[[Any, Any], Any]:
    """Return a function of parameters (3,) and a row (2,), full of choices."""

    def function(p: Any, x: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = [p[0], p[1] * x[0], x[1] - p[2], x[0] * x[1]]
        for _ in range(6):
            a, b, c = (values[k] for k in rng.integers(0, len(values), 3))
            kind = rng.integers(0, 6)
            if kind == 0:
                z = ad.sin(a) * b if a > c else a - 0.5 * b
            elif kind == 1:
                z = max(a, b, 0.1 * c)
            elif kind == 2:
                z = a
                while z * z > 0.5:
                    z = 0.6 * z
            elif kind == 3:
                z = sorted([a, b, c])[1] * 1.5
            elif kind == 4:
                z = [a, ad.exp(-b * b), ad.tanh(c)][
                    int(ad.stop_gradient(3 * ad.sigmoid(b)))
                ]
            else:
                z = abs(a) ** 1.5 if -0.3 < b < 0.7 else ad.cos(a + c)
            values.append(ad.tanh(z))
        return values[-1] + values[-2] * values[-3]

    return function


def rows_of(seed: int, n: int = N) -> Any:
    return np.random.default_rng(50 + seed).normal(size=(n, 2))


P = np.array([0.7, -1.2, 0.4])


@pytest.mark.parametrize("seed", range(8))
def test_random_functions_that_branch_are_those_of_each_row(seed, way):
    f, x = branching(seed), rows_of(seed)
    wanted = [float(f(ad.tensor(P), ad.tensor(row))) for row in x]
    slopes = [ad.grad(f, (0, 1))(P, row) for row in x]
    rows = ad.vmap(f, in_axes=(None, 0))
    total = ad.value_and_grad(lambda p, x: ad.sum(rows(p, x)), (0, 1))
    for _ in range(2):  # all paths are new, then none is
        np.testing.assert_allclose(rows(P, x), wanted, rtol=1e-12, atol=1e-13)
        value, (by_p, by_x) = total(P, x)
        np.testing.assert_allclose(value, sum(wanted), rtol=1e-11)
        np.testing.assert_allclose(by_p, sum(s[0] for s in slopes), atol=1e-11)
        np.testing.assert_allclose(by_x, [s[1] for s in slopes], atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_recorded_sum_over_rows_that_branch_is_right_at_other_values(seed):
    f = branching(seed)
    rows = ad.vmap(f, in_axes=(None, 0))
    g = ad.compile(lambda p, x: ad.sum(rows(p, x)))
    for k in range(3):
        x, p = rows_of(10 * seed + k, 20), P * (1.0 + 0.3 * k)
        wanted = sum(float(f(ad.tensor(p), ad.tensor(row))) for row in x)
        slopes = sum(ad.grad(f)(p, row) for row in x)
        np.testing.assert_allclose(g(p, x), wanted, rtol=1e-11)
        np.testing.assert_allclose(g.grad(p, x), slopes, atol=1e-11)


def test_results_do_not_depend_on_the_number_of_threads(way):
    x = rows_of(3, 40_000)

    def f(p: Any, x: Any) -> Any:
        if x[0] > 0.5:
            return p[0] * ad.exp(x[1])
        return p[1] * x[0] if x[1] > p[2] else ad.sin(p[0] * x[0])

    found = []
    for threads in (1, 2, 5):
        rows = ad.vmap(f, in_axes=(None, 0), threads=threads)
        g = ad.value_and_grad(lambda p, rows=rows: ad.sum(rows(p, x)))
        g(P)
        value, slopes = g(P)
        found.append([value, *slopes])
    assert found[0] == found[1] == found[2]


def test_rows_that_are_not_finite_stay_in_their_lanes(way):
    def f(p: Any, x: Any) -> Any:
        if x > 1.0:
            return p * ad.log(x)
        return p * x * x if x > -1.0 else ad.sqrt(-x) * p

    x = np.random.default_rng(0).normal(size=60)
    clean = x.copy()
    x[[3, 17, 40]] = np.nan, np.inf, -np.inf
    rows = ad.vmap(f, in_axes=(None, 0))
    slopes = ad.vmap(ad.grad(f, (0, 1)), in_axes=(None, 0))
    good = np.isfinite(x)
    for _ in range(2):
        np.testing.assert_array_equal(rows(2.0, x)[good], rows(2.0, clean)[good])
        wanted = [float(f(ad.tensor(2.0), ad.tensor(row))) for row in x]
        np.testing.assert_allclose(rows(2.0, x), wanted, rtol=1e-14)
        for k, found in enumerate(slopes(2.0, x)):
            wanted = [ad.grad(f, k)(2.0, row) for row in x]
            np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_nan_of_a_path_that_a_row_does_not_take_does_not_count(way):
    def f(p: Any, x: Any) -> Any:
        return p * ad.sqrt(x) if x > 0.0 else p * ad.log(-x) if x < 0.0 else p

    x = np.array([-2.0, 0.0, 3.0, -0.5, 4.0, 0.0])
    rows = ad.vmap(f, in_axes=(None, 0))
    g = ad.grad(lambda p, x: ad.sum(rows(p, x)), (0, 1))
    wanted = [ad.grad(f, (0, 1))(1.5, row) for row in x]
    for _ in range(2):
        by_p, by_x = g(1.5, x)
        np.testing.assert_allclose(by_p, sum(w[0] for w in wanted), rtol=1e-14)
        np.testing.assert_allclose(by_x, [w[1] for w in wanted], rtol=1e-14)


def test_each_row_is_counted_once_by_a_value_and_its_gradient(way):
    rows = ad.vmap(lambda p, x: p * x if x > 0 else p - x, in_axes=(None, 0))
    x = np.array([1.0, -1.0, 2.0, 3.0, -4.0])
    for k in range(1, 4):
        ad.grad(lambda p: ad.sum(rows(p, x)))(2.0)
        counts = sorted(n for _, n in rows.paths)
        assert counts == [2 * k, 3 * k]


def test_too_many_paths_name_the_line_and_leave_the_known_ones_whole(way):
    def f(x: Any) -> Any:
        n = 0.0
        while x > n:
            n = n + 1.0  # the line above branches
        return x * n

    rows = ad.vmap(f, max_paths=3)
    few = np.array([0.5, 1.5, -1.0, 0.2])
    wanted = [0.5, 3.0, -0.0, 0.2]
    np.testing.assert_allclose(rows(few), wanted)
    with pytest.raises(TraceError, match=r"max_paths=3.*test_rows_that_branch"):
        rows(np.arange(9.0))
    np.testing.assert_allclose(rows(few), wanted)
    assert len(rows.programs) == 3


def test_an_error_on_some_rows_names_the_row_and_nothing_is_remembered(way):
    is_broken = True

    def f(x: Any) -> Any:
        if x > 2.0:
            if is_broken:
                raise ZeroDivisionError("no such row")
            return 3.0 * x
        return x if x > 0.0 else -x

    x = np.array([1.0, -1.0, 0.5, 2.5, 2.6])
    rows = ad.vmap(f)
    rows(x[:3])
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="no such row") as caught:
            rows(x)
        assert "in row 3" in "".join(caught.value.__notes__)
    assert len(rows.programs) == 2
    is_broken = False
    np.testing.assert_allclose(rows(x), [1.0, 1.0, 0.5, 7.5, 3.0 * 2.6])


def test_an_error_while_a_compiled_function_is_recorded_again_leaves_it_whole():
    is_broken = True

    def f(x: Any) -> Any:
        if x > 0:
            return x * x
        if is_broken:
            raise KeyError("not yet")
        return -x

    g = ad.compile(f)
    assert g(3.0) == 9.0
    for call in (g, g.grad, g.value_and_grad):
        with pytest.raises(KeyError, match="not yet"):
            call(-1.0)
        assert g(2.0) == 4.0
        assert g.grad(2.0) == 4.0
    is_broken = False
    assert g(-1.0) == 1.0
    assert g.value_and_grad(-1.0) == (1.0, -1.0)


def test_calls_that_alternate_between_paths_are_right():
    def f(x: Any) -> Any:
        if x > 2.0:
            return x * x
        if x > 1.0:
            return 3.0 * x
        return -x if x > 0.0 else ad.exp(x)

    g = ad.compile(f)
    at = np.random.default_rng(5).uniform(-1.0, 3.0, 200)
    for x in at:
        y = ad.tensor(float(x), requires_grad=True)
        wanted = f(y)
        wanted.backward()
        assert g(float(x)) == pytest.approx(wanted.item(), rel=1e-15)
        value, slope = g.value_and_grad(float(x))
        assert (value, slope) == pytest.approx((wanted.item(), y.grad.item()))
        assert g.grad(float(x)) == pytest.approx(y.grad.item(), rel=1e-15)
    assert sum(n for _, n in g.paths) == 3 * len(at)


def test_paths_with_results_of_another_structure_do_not_mix():
    f = ad.compile(lambda x: (x, 2.0 * x) if x > 0 else x if x < -1 else x * np.ones(2))
    for _ in range(3):
        assert f(1.0) == (1.0, 2.0)
        assert f(-2.0) == -2.0
        assert f(-0.5).tolist() == [-0.5, -0.5]
        assert f.grad(-2.0) == 1.0
        with pytest.raises((ad.ShapeError, TypeError)):
            f.grad(1.0)
        with pytest.raises(ad.ShapeError):
            f.grad(-0.5)


def test_a_path_that_closes_over_a_parameter_carries_its_gradient():
    w = ad.tensor(2.0, requires_grad=True)
    f = ad.compile(lambda x: w * x if x > 0 else -x)
    assert f(-1.0) == 1.0
    assert f(-3.0) == 3.0
    for _ in range(3):
        w.grad = None
        f(5.0).backward()
        assert w.grad.item() == 5.0
        assert float(f(-1.0)) == 1.0


def test_a_compiled_function_may_go_while_it_runs():
    x = rows_of(1, 300_000)
    wanted = np.where(x[:, 0] > 0, np.sin(x[:, 0]), x[:, 1] ** 2)
    holder = [ad.vmap(lambda r: ad.sin(r[0]) if r[0] > 0 else r[1] * r[1], threads=2)]
    found: list[Any] = []

    def run(f: Any) -> None:
        found.append(f(x))

    threads = [threading.Thread(target=run, args=(holder[0],)) for _ in range(2)]
    for thread in threads:
        thread.start()
    del holder[0]
    gc.collect()
    for thread in threads:
        thread.join()
    for each in found:
        np.testing.assert_allclose(each, wanted, rtol=1e-14)
    assert len(found) == 2


def test_threads_that_meet_new_paths_at_once_agree(way):
    rows = ad.vmap(branching(2), in_axes=(None, 0))
    batches = [rows_of(k, 60) for k in range(4)]
    wanted = [ad.vmap(branching(2), in_axes=(None, 0))(P, x) for x in batches]
    found: dict[int, Any] = {}

    def run(k: int) -> None:
        for _ in range(5):
            found[k] = rows(P, batches[k])

    threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, expected in enumerate(wanted):
        np.testing.assert_allclose(found[k], expected, rtol=1e-12)


def test_a_mutated_argument_does_not_change_the_gradient_silently(way):
    x = np.array([1.0, -1.0, 2.0])
    rows = ad.vmap(lambda p, x: p * x * x if x > 0 else p * x, in_axes=(None, 0))
    rows(1.0, x)
    p = ad.tensor(3.0, requires_grad=True)
    total = ad.sum(rows(p, x))
    x[:] = -x
    total.backward()
    assert p.grad.item() == 4.0


def test_a_jacobian_of_a_function_that_branches_asks_once(way):
    def f(x: Any) -> Any:
        return ad.sin(x) * 2.0 if x[0] > 0 else x * x

    g = ad.compile(f)
    at = np.array([0.3, -0.2, 0.9])
    g(-at)
    np.testing.assert_allclose(g.jacobian(at), np.diag(2.0 * np.cos(at)))
    np.testing.assert_allclose(g.jacobian(-at), np.diag(-2.0 * at))
    np.testing.assert_allclose(g.jacobian(at), np.diag(2.0 * np.cos(at)))
