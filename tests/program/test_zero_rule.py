"""What does not count makes no NaN in programs either, and a NaN that counts stays.

Each function at its awkward points: the gradient, and the second derivatives, of eager
mode, of the program over one point, and of the program over lanes.
"""

from __future__ import annotations

import numpy as np
import pytest

import autodiff as ad

NUMBERS = {
    "where of log": (
        lambda x: ad.where(x > 0, ad.log(x), 0.0),
        [0.0, -1.0, 2.0, np.nan],
    ),
    "where of exp": (lambda x: ad.where(x < 0, ad.exp(x), 1.0), [1000.0, -1.0, 0.0]),
    "where of division": (lambda x: ad.where(x != 0, ad.sin(x) / x, 1.0), [0.0, 1.0]),
    "x sqrt x": (lambda x: x * ad.sqrt(x), [0.0, 1.0, -1.0]),
    "sqrt of square": (lambda x: ad.sqrt(x**2), [0.0, -2.0]),
    "sqrt": (lambda x: ad.sqrt(x), [0.0, 1.0, -1.0]),
    "0 times log": (lambda x: 0.0 * ad.log(x), [0.0, 1.0, -1.0]),
    "log": (lambda x: ad.log(x), [0.0, -1.0, np.inf, np.nan]),
    "x log x": (lambda x: ad.xlogy(x, x), [0.0, 1.0]),
    "cbrt": (lambda x: ad.cbrt(x) * x, [0.0, 1.0]),
    "abs": (lambda x: abs(x), [0.0, -0.0, -1.0]),
    "power": (lambda x: x**0.5 * x**1.5, [0.0, 2.0]),
    "clip": (lambda x: ad.clip(ad.sqrt(x), 1.0, 2.0), [0.0, 1.0, 4.0, 9.0]),
    "maximum": (lambda x: ad.maximum(ad.log(x), 0.0), [0.0, 1.0, 2.0, np.nan]),
    "if": (lambda x: ad.log(x) if x > 0 else x * 0, [0.0, 1.0, np.nan]),
    "inf minus inf": (lambda x: ad.exp(x) - ad.exp(x * 2), [1000.0, 1.0]),
}
VECTORS = {
    "prod with a zero": (lambda x: x.prod(), [[0.0, 2.0, 3.0], [0.0, 0.0, 3.0]]),
    "norm": (lambda x: ad.linalg.norm(x), [[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]]),
    "std": (lambda x: x.std(), [[1.0, 1.0, 1.0], [1.0, 2.0, 4.0]]),
    "masked log": (
        lambda x: ad.where(x > 0, ad.log(x), 0.0).sum(),
        [[0.0, 1.0, -1.0], [2.0, np.nan, 1.0]],
    ),
    "masked dot": (lambda x: ad.where(x > 0, ad.sqrt(x), 0.0) @ x, [[0.0, 1.0, 4.0]]),
    "hypot": (lambda x: ad.hypot(x[0], x[1]) * x[2], [[0.0, 0.0, 1.0]]),
    "max": (lambda x: x.max(), [[1.0, 1.0, 0.0], [np.nan, 1.0, 2.0]]),
    "logsumexp": (lambda x: ad.logsumexp(x), [[-np.inf, 0.0, 1.0]]),
}
ALL = {**NUMBERS, **VECTORS}
DERIVATIVES = {
    "value": lambda f: lambda x: f(ad.as_tensor(x)),
    "gradient": ad.grad,
    "hessian": ad.hessian,
}


def _points(points):
    return [np.array(p) if isinstance(p, list) else p for p in points]


@pytest.mark.parametrize("order", DERIVATIVES)
@pytest.mark.parametrize("name", ALL)
def test_a_program_has_the_derivatives_of_eager_mode_at_awkward_points(name, order):
    function, points = ALL[name]
    wanted = [
        ad.as_tensor(DERIVATIVES[order](function)(p)).tolist() for p in _points(points)
    ]
    compiled = ad.compile(function)
    method = {"value": compiled, "gradient": compiled.grad, "hessian": compiled.hessian}
    found = [method[order](p) for p in _points(points)]
    np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("order", DERIVATIVES)
@pytest.mark.parametrize("name", ALL)
def test_lanes_have_the_derivatives_of_eager_mode_at_awkward_points(name, order):
    function, points = ALL[name]
    wanted = [
        ad.as_tensor(DERIVATIVES[order](function)(p)).tolist() for p in _points(points)
    ]
    rows = np.array(points * 5)
    found = ad.vmap(DERIVATIVES[order](function))(rows)
    np.testing.assert_allclose(found, wanted * 5, rtol=1e-13, atol=1e-300)


def test_a_nan_in_one_row_stays_there():
    rows = np.linspace(0.5, 3.0, 1000)
    rows[[3, 600]] = np.nan, -1.0
    found = ad.vmap(ad.grad(ad.log))(rows)
    good = np.ones(1000, dtype=bool)
    good[[3, 600]] = False
    np.testing.assert_allclose(found[good], 1 / rows[good], rtol=1e-15)
    assert np.isnan(found[[3, 600]]).all()


def test_a_gradient_summed_over_rows_has_no_nan_of_what_does_not_count():
    rows = np.array([0.0, 1.0, 2.0, -1.0] * 50)

    def f(p):
        per_row = ad.vmap(lambda x: ad.where(x > 0, p * ad.log(x * p), 0.0))(rows)
        return per_row.sum()

    def by_hand(p):
        good = rows[rows > 0]
        return (p * ad.log(good * p)).sum()

    assert ad.grad(f)(2.0) == pytest.approx(ad.grad(by_hand)(2.0), rel=1e-13)
