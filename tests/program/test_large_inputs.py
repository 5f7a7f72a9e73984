"""Large arrays are read where they are, unless something wants them elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad

N = 5000


def given(n: int = N, seed: int = 3) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(n)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "a sum": lambda x: ad.sum(x * x),
    "itself": lambda x: (x, ad.sum(x)),
    "a part of itself": lambda x: (x[10:], ad.sum(2.0 * x)),
    "neighbours": lambda x: ad.sum((x[1:] - x[:-1]) ** 2),
    "one element": lambda x: x[17] * ad.sum(x),
    "in another order": lambda x: ad.sum(x[::-1] * x),
    "a product of matrices": lambda x: ad.sum(x.reshape(50, 100) @ x.reshape(100, 50)),
    "a broadcast": lambda x: ad.sum(x.reshape(50, 100) * x[:100]),
    "a loop": lambda x: ad.scan(lambda c, e: (0.9 * c + e, c), 0.0, x),
    "a loop that carries it": lambda x: ad.fori_loop(0, 3, lambda i, z: z * 0.5 + x, x),
    "a loop that swaps": lambda x: ad.fori_loop(
        0, 3, lambda i, z: (z[1], z[0] + 1.0), (x, 2.0 * x)
    ),
}


def leaves(found: Any) -> list[Any]:
    if isinstance(found, tuple):
        return [leaf for one in found for leaf in leaves(one)]
    return [np.asarray(found.detach() if hasattr(found, "detach") else found)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_those_of_the_function(name: str) -> None:
    function = FUNCTIONS[name]
    f = ad.compile(function)
    for seed in (1, 2, 3):
        x = given(seed=seed)
        for found, wanted in zip(leaves(f(x)), leaves(function(x)), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_argument_is_not_changed(name: str) -> None:
    x = given()
    before = x.copy()
    ad.compile(FUNCTIONS[name])(x)
    np.testing.assert_array_equal(x, before)


def test_a_result_that_is_an_argument_is_a_copy() -> None:
    f = ad.compile(lambda x: (x, ad.sum(x)))
    x = given()
    same, _ = f(x)
    x[0] = 99.0
    assert same[0] != 99.0


def test_the_same_array_with_other_elements_is_read_anew() -> None:
    f = ad.compile(lambda x: ad.sum(x * x))
    x = given()
    f(x)
    x *= 2.0
    np.testing.assert_allclose(f(x), np.sum(x * x), rtol=1e-13)


def test_elements_at_odd_addresses_are_copied() -> None:
    x = given()
    odd = np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(np.float64)
    assert not odd.flags.aligned
    f = ad.compile(lambda x: ad.sum(x * x))
    assert f(odd) == f(x)


def test_a_constant_is_what_it_was_when_the_function_was_recorded() -> None:
    y = given()
    f = ad.compile(lambda x: ad.sum(x * y))
    x = given(seed=4)
    before = f(x)
    y[:] = 0.0
    assert f(x) == before


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
def test_short_arrays_have_the_bits_of_the_function(n: int) -> None:
    def function(x: Any, y: Any) -> Any:
        z = (x * y + 0.3) * x - y / x
        return z, ad.sum(z * z), ad.sum(-x), (2.0 - x) * 3.0

    x, y = given(n, 5), given(n, 6)
    f = ad.compile(function)
    f(x, y)
    for found, wanted in zip(leaves(f(x, y)), leaves(function(x, y)), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_sum_of_negative_zeros_is_zero(n: int) -> None:
    f = ad.compile(lambda x: ad.sum(-x))
    assert not np.signbit(f(np.zeros(n)))
    rows = ad.vmap(lambda x: ad.sum(-x), threads=1)(np.zeros((20, n)))
    assert not np.signbit(rows).any()


@pytest.mark.parametrize("n", [2, 3, 4])
def test_short_arrays_over_rows_have_the_bits_of_one_point(n: int) -> None:
    def function(x: Any) -> Any:
        return ad.sum((x * 1.7 - 0.3) * x)

    x = given(20 * n).reshape(20, n)
    found = ad.vmap(function, threads=1)(x)
    f = ad.compile(function)
    assert found.tolist() == [f(row) for row in x]
