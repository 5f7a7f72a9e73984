"""Loops over the same rows run as one, or as arrays; their results are unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad

Array = np.ndarray[Any, Any]

# Below and above the number of rows from which a loop becomes arrays.
LENGTHS = (0, 1, 7, 100, 1023, 1024, 3001)


def rows(n: int, seed: int = 0) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    return random.random(n), random.standard_normal(n)


def square(p: Any, x: Any, y: Any) -> Any:
    r = p[0] * ad.exp(-p[1] * x) + p[2] - y
    return r * r


def loss(form: Callable[..., Any]) -> Callable[..., Any]:
    each = ad.vmap(form, in_axes=(None, 0, 0), threads=1)
    return lambda p, x, y: ad.sum(each(p, x, y))


def agree(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12, equal_nan=True)


P = np.array([2.0, 1.0, 0.3])


@pytest.mark.parametrize("n", LENGTHS)
def test_value_and_gradient_of_a_sum_of_rows_are_those_of_the_function(n: int) -> None:
    x, y = rows(n)
    f = ad.compile(loss(square))
    value, gradient = f.value_and_grad(P, x, y)
    r = P[0] * np.exp(-P[1] * x) + P[2] - y
    e = np.exp(-P[1] * x)
    agree(value, np.sum(r * r))
    agree(
        gradient,
        [np.sum(2 * r * e), np.sum(-2 * r * P[0] * x * e), np.sum(2 * r)],
    )


@pytest.mark.parametrize("n", LENGTHS)
def test_gradients_in_shared_operands_and_in_rows_come_together(n: int) -> None:
    x, y = rows(n)
    f = ad.compile(loss(square))
    _, (p_bar, x_bar, y_bar) = f.value_and_grad(P, x, y, argnums=(0, 1, 2))
    r = P[0] * np.exp(-P[1] * x) + P[2] - y
    agree(y_bar, -2 * r)
    agree(x_bar, -2 * r * P[0] * P[1] * np.exp(-P[1] * x))
    agree(p_bar[2], np.sum(2 * r))


@pytest.mark.parametrize("n", LENGTHS)
def test_rows_that_are_returned_beside_their_sum_stay_apart(n: int) -> None:
    x, y = rows(n)
    each = ad.vmap(square, in_axes=(None, 0, 0), threads=1)

    def both(p: Any, x: Any, y: Any) -> Any:
        z = each(p, x, y)
        return z, ad.sum(z)

    z, total = ad.compile(both)(P, x, y)
    r = P[0] * np.exp(-P[1] * x) + P[2] - y
    agree(z, r * r)
    agree(total, np.sum(r * r))


@pytest.mark.parametrize("n", LENGTHS)
def test_a_loop_that_needs_another_ones_sum_comes_after_it(n: int) -> None:
    x, _ = rows(n)
    first = ad.vmap(lambda x: x * x, threads=1)
    second = ad.vmap(lambda m, x: (x - m) * (x - m), in_axes=(None, 0), threads=1)

    def spread(x: Any) -> Any:
        return ad.sum(second(ad.sum(first(x)), x))

    f = ad.compile(spread)
    value, gradient = f.value_and_grad(x)
    m = np.sum(x * x)
    agree(value, np.sum((x - m) ** 2))
    agree(gradient, 2 * (x - m) - 4 * x * np.sum(x - m))


@pytest.mark.parametrize("n", [5, 2000])
def test_loops_of_other_lengths_are_not_merged(n: int) -> None:
    x, y = rows(n)
    each = ad.vmap(lambda p, x: p * x, in_axes=(None, 0), threads=1)

    def two(p: Any, x: Any) -> Any:
        return ad.sum(each(p, x)) + ad.sum(each(p, x[1:]))

    agree(ad.compile(two)(3.0, x), 3 * np.sum(x) + 3 * np.sum(x[1:]))
    assert y.shape == (n,)


@pytest.mark.parametrize("n", [5, 2000])
def test_loops_with_different_carries_are_not_merged(n: int) -> None:
    x, _ = rows(n)

    def two(a: Any, b: Any, x: Any) -> Any:
        up, _ = ad.scan(lambda c, x: (c + x, None), a, x)
        down, _ = ad.scan(lambda c, x: (0.5 * c - x, None), b, x)
        return up * down

    f = ad.compile(two)
    down = 2.0
    for one in x:
        down = 0.5 * down - one
    value, grads = f.value_and_grad(1.0, 2.0, x, argnums=(0, 1))
    agree(value, (1.0 + np.sum(x)) * down)
    agree(grads, (down, (1.0 + np.sum(x)) * 0.5**n))


@pytest.mark.parametrize("n", [9, 1500])
def test_a_row_that_does_not_count_makes_no_nan(n: int) -> None:
    x = np.linspace(0.0, 1.0, n)

    def careful(p: Any, x: Any) -> Any:
        return p * ad.where(x > 0, ad.log(x), 0.0)

    each = ad.vmap(careful, in_axes=(None, 0), threads=1)
    f = ad.compile(lambda p, x: ad.sum(each(p, x)))
    _, (p_bar, x_bar) = f.value_and_grad(2.0, x, argnums=(0, 1))
    agree(p_bar, np.sum(np.log(x[1:])))
    agree(x_bar, np.concatenate([[0.0], 2.0 / x[1:]]))


@pytest.mark.parametrize("n", [9, 1500])
def test_a_row_of_nan_reaches_its_own_gradient_and_the_sum(n: int) -> None:
    x, y = rows(n)
    y[4] = np.nan
    f = ad.compile(loss(square))
    value, (p_bar, y_bar) = f.value_and_grad(P, x, y, argnums=(0, 2))
    assert np.isnan(value)
    assert np.isnan(p_bar).all()
    assert np.flatnonzero(np.isnan(y_bar)).tolist() == [4]


@pytest.mark.parametrize("n", [9, 1500])
def test_second_derivatives_of_merged_loops_are_right(n: int) -> None:
    x, y = rows(n)
    f = ad.compile(loss(square))
    e = np.exp(-P[1] * x)
    hessian = f.hessian(P, x, y)
    agree(hessian[0, 0], np.sum(2 * e * e))
    agree(hessian[0, 2], np.sum(2 * e))
    agree(hessian[2, 2], 2.0 * n)


@pytest.mark.parametrize("n", [9, 1500])
def test_loops_within_rows_are_merged_too(n: int) -> None:
    x, y = rows(n)
    inner = loss(square)
    each = ad.vmap(ad.value_and_grad(inner), in_axes=(0, None, None), threads=1)
    many = np.stack([P, P + 0.1, P - 0.1])
    values, gradients = ad.compile(each)(many, x, y)
    f = ad.compile(inner)
    for k, p in enumerate(many):
        value, gradient = f.value_and_grad(p, x, y)
        agree(values[k], value)
        agree(gradients[k], gradient)


def test_the_branch_of_a_guard_is_still_found_around_merged_loops() -> None:
    x, y = rows(2000)
    total = loss(square)

    def chosen(p: Any, x: Any, y: Any) -> Any:
        z = total(p, x, y)
        return z if z > 1e9 else -z

    f = ad.compile(chosen)
    agree(f(P, x, y), -total(P, x, y))
    agree(f(P * 1e6, x, y), total(P * 1e6, x, y))
