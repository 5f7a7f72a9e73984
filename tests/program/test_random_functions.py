"""Random functions, with choices: eager mode, programs and lanes must agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad

N_IN, N_POINTS = 4, 13
UNARY = (ad.sin, ad.exp, ad.tanh, ad.sqrt, ad.log1p, lambda x: x * x, lambda x: -x, abs)
BINARY = (
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (1.5 + y * y),
    ad.maximum,
    ad.hypot,
    lambda x, y: ad.where(x > y, x, y * 0.5),
)


def made(seed: int) -> Callable[[Any], Any]:
    """Return a function of a vector of N_IN numbers, whose result is a number."""

    def function(x: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = [x[k] for k in range(N_IN)]
        whole = x
        for _ in range(25):
            kind = rng.integers(0, 8)
            a, b = (values[k] for k in rng.integers(0, len(values), 2))
            if kind <= 2:
                z = BINARY[rng.integers(0, len(BINARY))](a, b)
            elif kind <= 4:
                unary = UNARY[rng.integers(0, len(UNARY))]
                z = unary(0.1 + ad.sigmoid(a))
            elif kind == 5:
                z = a * 0.5 if a > b else ad.cos(b)
            elif kind == 6:
                whole = ad.tanh(whole * a + ad.stack([a, b, a, b]) * 0.3)
                z = whole.sum() * 0.1
            else:
                z = (whole @ ad.sin(whole)) * 0.2
            values.append(ad.tanh(z) if rng.integers(0, 3) == 0 else z * 0.7)
        return values[-1] + values[-2] * values[-3] + 0.1 * whole[1]

    return function


def points(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1000 + seed).normal(size=(N_POINTS, N_IN))


def check(found: Any, wanted: Any) -> None:
    scale = max(1.0, float(np.nanmax(np.abs(wanted))))
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12 * scale)


@pytest.mark.parametrize("seed", range(25))
def test_a_random_function_has_one_value_gradient_and_hessian(seed):
    f, at = made(seed), points(seed)
    compiled = ad.compile(f)
    values = [float(f(ad.tensor(x))) for x in at]
    gradients = [ad.grad(f)(x) for x in at]
    hessians = [ad.hessian(f)(x) for x in at]
    check([compiled(x) for x in at], values)
    check([compiled.grad(x) for x in at], gradients)
    check([compiled.hessian(x) for x in at], hessians)
    check(ad.vmap(f)(at), values)
    check(ad.vmap(ad.grad(f))(at), gradients)
    check(ad.vmap(compiled.hessian)(at), hessians)


@pytest.mark.parametrize("seed", range(25))
def test_a_random_function_inside_other_transforms_stays_the_same(seed):
    f, at = made(100 + seed), points(seed)[:5]
    compiled = ad.compile(f)
    wanted = np.array([ad.grad(f)(x) for x in at])
    check([ad.grad(compiled)(x) for x in at], wanted)
    check([ad.compile(ad.grad(f))(x) for x in at], wanted)
    check([compiled.vjp(x)[1](1.0)[0] for x in at], wanted)
    check(ad.grad(lambda rows: ad.vmap(f)(rows).sum())(at), wanted)
    direction = np.array([0.3, -1.0, 0.5, 2.0])
    along = wanted @ direction
    check([compiled.jvp((x,), (direction,))[1] for x in at], along)
    check([ad.jvp(compiled, (x,), (direction,))[1] for x in at], along)
    curved = [ad.hessian(f)(x) @ direction for x in at]
    check([compiled.hvp(x, direction) for x in at], curved)
    check([ad.hvp(compiled)(x, direction) for x in at], curved)
    check([ad.jacobian(ad.grad(compiled))(x) @ direction for x in at], curved)
