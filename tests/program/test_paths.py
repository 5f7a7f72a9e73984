"""Functions that choose: each call and each row follows the path that is its own."""

from __future__ import annotations

import bisect
from typing import Any

import numpy as np
import pytest

import autodiff as ad

TABLE = [0.0, 10.0, 20.0, 50.0, 100.0]
VALUES = [1.0, 3.0, 2.0, 5.0, 7.0]


def piecewise(x: Any) -> Any:
    if x < -1:
        return ad.exp(x)
    if x < 1:
        return x * x * x
    return ad.log(x) + 1


def newton(a: Any) -> Any:
    x = a
    while abs(x * x - a) > 1e-12 * a:
        x = x - (x * x - a) / (2 * x)
    return x


def bisected(c: Any) -> Any:
    low, high = c * 0, c + 1
    for _ in range(7):
        middle = (low + high) / 2
        if middle * middle > c:
            high = middle
        else:
            low = middle
    return (low + high) / 2 * ad.sin(c)


def adaptive(k: Any) -> Any:
    """Integrate y' = -k y to 1, halving steps where two halves disagree with one."""
    t, y, h = 0.0, 1.0 + k * 0, 0.5 + k * 0
    while t < 1:
        if t + h > 1:
            h = 1 - t
        once = y * (1 - h * k)
        twice = y * (1 - h / 2 * k) ** 2
        if abs(twice - once) < 0.02:
            t, y = t + h, twice
            h = h * 1.5
        else:
            h = h / 2
    return y


def looked_up(x: Any) -> Any:
    k = bisect.bisect(TABLE, x)
    if k == len(TABLE):
        return VALUES[-1] + 0 * x
    share = (x - TABLE[k - 1]) / (TABLE[k] - TABLE[k - 1])
    return VALUES[k - 1] + share * share * (VALUES[k] - VALUES[k - 1])


def early_exercise(spot: Any) -> Any:
    """Price an American put on a tree of four steps."""
    up, strike, discount, p = 1.2, 1.0, 0.99, 0.48
    prices = [max(strike - spot * up ** (2 * k - 4), 0.0) for k in range(5)]
    for n in range(3, -1, -1):
        waiting = [
            discount * (p * prices[k + 1] + (1 - p) * prices[k]) for k in range(n + 1)
        ]
        now = [strike - spot * up ** (2 * k - n) for k in range(n + 1)]
        prices = [max(a, b) for a, b in zip(waiting, now, strict=True)]
    return prices[0] + 0 * spot


def ordered(x: Any) -> Any:
    a, b = sorted([x, 0.5 - x * x])
    return a * 2 + b * b + min(a, b, 0.3) + abs(x)


def counted(x: Any) -> Any:
    return (
        sum((ad.sin(x * k) for k in range(int(ad.stop_gradient(x * 3)) + 2)), 0.0 * x)
        + round(x) * x
    )


FUNCTIONS = {
    "piecewise": (piecewise, np.linspace(-3, 3, 61)),
    "newton": (newton, np.linspace(0.1, 80, 50)),
    "bisection": (bisected, np.linspace(0.1, 4, 50)),
    "adaptive": (adaptive, np.linspace(0.3, 6, 50)),
    "table": (looked_up, np.linspace(0.5, 120, 60)),
    "early exercise": (early_exercise, np.linspace(0.5, 1.6, 60)),
    "sorted": (ordered, np.linspace(-2, 2, 33)),
    "counted": (counted, np.linspace(0.05, 3, 33)),
}
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def wanted(name: str) -> tuple[Any, Any, Any]:
    f, at = FUNCTIONS[name]
    values = [float(ad.as_tensor(f(ad.tensor(x)))) for x in at]
    return (
        np.array(values),
        np.array([ad.grad(f)(x) for x in at]),
        np.array([ad.hessian(f)(x) for x in at]),
    )


def check(found: tuple[Any, Any, Any], right: tuple[Any, Any, Any]) -> None:
    for a, b in zip(found, right, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


@each_function
def test_calls_one_by_one_take_their_own_paths(name):
    f, at = FUNCTIONS[name]
    g = ad.compile(f)
    order = np.random.default_rng(0).permutation(len(at))
    back = np.argsort(order)
    found = [np.array([h(x) for x in at[order]])[back] for h in (g, g.grad, g.hessian)]
    check(tuple(found), wanted(name))
    assert sum(n_used for _, n_used in g.paths) >= len(at)


@each_function
def test_rows_take_their_own_paths(name):
    f, at = FUNCTIONS[name]
    found = tuple(ad.vmap(g)(at) for g in (f, ad.grad(f), ad.hessian(f)))
    check(found, wanted(name))


@each_function
def test_rows_take_the_paths_that_other_rows_left(name):
    f, at = FUNCTIONS[name]
    g = ad.vmap(f)
    right = wanted(name)[0]
    for part in (slice(0, 5), slice(20, 33), slice(None), slice(None, None, -1)):
        np.testing.assert_allclose(g(at[part]), right[part], rtol=1e-9, atol=1e-10)
    n = len(g.programs)
    g(at)
    assert len(g.programs) == n


@each_function
def test_a_compiled_function_that_chooses_may_be_part_of_another(name):
    f, at = FUNCTIONS[name]
    g = ad.compile(f)
    right = wanted(name)
    outer = ad.compile(lambda x: 2 * g(x))
    np.testing.assert_allclose([outer(x) for x in at], 2 * right[0], rtol=1e-9)
    found = [ad.grad(lambda x: g(x) ** 2)(x) for x in at]
    np.testing.assert_allclose(found, 2 * right[0] * right[1], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ad.vmap(g)(at), right[0], rtol=1e-9)


def test_masks_that_select_have_a_path_for_each_selection():
    f = ad.compile(lambda x: (x[x > 0] ** 2).sum())
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3))
    for _ in range(2):
        for row in rows:
            assert f(row) == pytest.approx((row[row > 0] ** 2).sum(), rel=1e-14)
            assert f.grad(row).tolist() == np.where(row > 0, 2 * row, 0).tolist()
    assert len(f.programs) <= 8
    found = ad.vmap(lambda x: (x[x > 0] ** 2).sum())(rows)
    np.testing.assert_allclose(found, np.where(rows > 0, rows**2, 0).sum(1), rtol=1e-14)


def test_not_a_number_takes_the_way_that_python_takes():
    def f(x):
        return 1.0 + 0 * abs(x) if x > 0 else -x

    rows = np.array([1.0, np.nan, -2.0, np.inf, 0.0])
    np.testing.assert_array_equal(ad.vmap(f)(rows)[[0, 1, 2, 4]], [1, np.nan, 2, 0])
    g = ad.compile(f)
    assert [g(x) for x in (1.0, -2.0)] == [1.0, 2.0]
    assert np.isnan(g(np.nan))


def test_a_tree_of_paths_has_a_line_for_each_choice():
    f = ad.compile(newton)
    for x in (2.0, 3.0, 2.0, 50.0):
        f(x)
    text = str(f.paths)
    assert text.startswith("newton: 2 paths")
    assert "times)" in text
    assert text.count("taken by") == 2
    assert all("test_paths.py" in line for choices, _ in f.paths for line, _ in choices)
