"""Derivatives at the awkward points: the table of what this package chooses, as data.

The rules, in order: the derivative where it exists; at a kink the subgradient of least
norm; otherwise by continuity, infinities allowed; outside the domain NaN.
"""

import math

import numpy as np
import pytest
from ops import checks
from ops.checks import each_row

import autodiff as ad

inf, nan = math.inf, math.nan

# what: (function, operands, value, gradients). A number inside a lambda is a constant.
ELEMENTWISE = {
    "abs at +0": (ad.abs, [0.0], 0, [0]),
    "abs at -0": (ad.abs, [-0.0], 0, [0]),
    "relu at 0": (ad.relu, [0.0], 0, [0]),
    "maximum at a tie": (ad.maximum, [2, 2], 2, [0.5, 0.5]),
    "minimum at a tie": (ad.minimum, [2, 2], 2, [0.5, 0.5]),
    "maximum at a tie with a constant": (lambda x: ad.maximum(x, 2.0), [2], 2, [0.5]),
    "maximum of NaN, first": (ad.maximum, [nan, 1], nan, [1, 0]),
    "maximum of NaN, second": (ad.maximum, [1, nan], nan, [0, 1]),
    "minimum of NaN": (ad.minimum, [nan, 1], nan, [1, 0]),
    "fmax at a tie": (ad.fmax, [2, 2], 2, [1, 0]),
    "fmin at a tie": (ad.fmin, [2, 2], 2, [1, 0]),
    "fmax of NaN": (ad.fmax, [nan, 1], 1, [0, 1]),
    "fmin of NaN": (ad.fmin, [1, nan], 1, [1, 0]),
    "clip at the lower bound": (lambda x: ad.clip(x, 0, 1), [0.0], 0, [1]),
    "clip at the upper bound": (lambda x: ad.clip(x, 0, 1), [1.0], 1, [1]),
    "clip outside": (lambda x: ad.clip(x, 0, 1), [2.0], 1, [0]),
    "sqrt at 0": (ad.sqrt, [0.0], 0, [inf]),
    "cbrt at 0": (ad.cbrt, [0.0], 0, [inf]),
    "x sqrt(x) at 0": (lambda x: x * ad.sqrt(x), [0.0], 0, [0]),
    "sqrt(x^2) at 0": (lambda x: ad.sqrt(x**2), [0.0], 0, [0]),
    "hypot at the origin": (ad.hypot, [0.0, 0.0], 0, [0, 0]),
    "atan2 at the origin": (ad.atan2, [0.0, 0.0], 0, [0, 0]),
    "pow(0, 0)": (ad.pow, [0.0, 0.0], 1, [0, 0]),
    "pow(0, 2.5)": (ad.pow, [0.0, 2.5], 0, [0, 0]),
    "pow(0, 1)": (ad.pow, [0.0, 1.0], 0, [1, 0]),
    "pow(0, 1/2)": (ad.pow, [0.0, 0.5], 0, [inf, 0]),
    "pow(0, -1)": (ad.pow, [0.0, -1.0], inf, [-inf, -inf]),
    "pow(-2, 2), exponent active": (ad.pow, [-2.0, 2.0], 4, [-4, nan]),
    "pow(-2, 2), exponent constant": (lambda x: x**2.0, [-2.0], 4, [-4]),
    "x**0 at 0": (lambda x: x**0, [0.0], 1, [0]),
    "x**1 at 0": (lambda x: x**1, [0.0], 0, [1]),
    "x**2 at 0": (lambda x: x**2, [0.0], 0, [0]),
    "log at 0": (ad.log, [0.0], -inf, [inf]),
    "log at -1": (ad.log, [-1.0], nan, [nan]),
    "sqrt at -1": (ad.sqrt, [-1.0], nan, [nan]),
    "pow(-2, 1/2)": (ad.pow, [-2.0, 0.5], nan, [nan, nan]),
    "xlogy at (0, 0)": (ad.xlogy, [0.0, 0.0], 0, [0, 0]),
    "log where it counts": (lambda x: ad.where(x > 0, ad.log(x), 0), [0.0], 0, [0]),
    "exp where it counts": (lambda x: ad.where(x < 0, ad.exp(x), 1), [1e3], 1, [0]),
    "sign": (ad.sign, [0.0], 0, [0]),
    "floor": (ad.floor, [2.0], 2, [0]),
    "ceil": (ad.ceil, [2.0], 2, [0]),
    "round": (ad.round, [2.5], 2, [0]),
    "trunc": (ad.trunc, [-2.5], -2, [0]),
    "fmod": (ad.fmod, [-7.0, 3.0], -1, [1, 2]),
    "Python's %": (lambda x, y: x % y, [-7.0, 3.0], 2, [1, 3]),
    "asin at 1": (ad.asin, [1.0], math.pi / 2, [inf]),
    "asin at -1": (ad.asin, [-1.0], -math.pi / 2, [inf]),
    "acos at 1": (ad.acos, [1.0], 0, [-inf]),
    "acosh at 1": (ad.acosh, [1.0], 0, [inf]),
    "atanh at 1": (ad.atanh, [1.0], inf, [inf]),
    "atanh at -1": (ad.atanh, [-1.0], -inf, [inf]),
    "logaddexp of nothing": (ad.logaddexp, [-inf, -inf], -inf, [0.5, 0.5]),
    "1/x at 0": (lambda x: 1 / x, [0.0], inf, [-inf]),
    "reciprocal at 0": (ad.reciprocal, [0.0], inf, [-inf]),
    "tanh far out": (ad.tanh, [1e3], 1, [0]),
    "sigmoid far out": (ad.sigmoid, [-1e3], 0, [0]),
    "softplus far out": (ad.softplus, [1e3], 1e3, [1]),
    "x * 0 is not folded": (lambda x: x * 0.0, [inf], nan, [0]),
    "x - x is not folded": (lambda x: x - x, [inf], nan, [0]),
    "x / x is not folded": (lambda x: x / x, [0.0], nan, [nan]),
}

# what: (function of a vector, vector, value, gradient)
OF_A_VECTOR = {
    "max at a tie": (ad.max, [3, 1, 3], 3, [0.5, 0, 0.5]),
    "min at a tie": (ad.min, [1, 1, 3, 1], 1, [1 / 3, 1 / 3, 0, 1 / 3]),
    "median at a tie": (ad.median, [2, 1, 2, 5], 2, [0.5, 0, 0.5, 0]),
    "norm of zeros": (ad.norm, [0, 0], 0, [0, 0]),
    "std of equals": (ad.std, [1, 1], 0, [0, 0]),
    "prod with one zero": (ad.prod, [0, 2, 3], 0, [6, 0, 0]),
    "prod with two zeros": (ad.prod, [0, 2, 0], 0, [0, 0, 0]),
    "logsumexp of nothing": (ad.logsumexp, [-inf, -inf], -inf, None),
    "logsumexp far out": (ad.logsumexp, [1e3, 1e3], 1e3 + math.log(2), [0.5, 0.5]),
}


@pytest.mark.parametrize("what", ELEMENTWISE)
def test_scalars_have_the_value_and_gradients_chosen(what):
    function, operands, value, gradients = ELEMENTWISE[what]
    leaves = checks.leaves_at([float(v) for v in operands])
    z = function(*leaves)
    z.backward()
    np.testing.assert_array_equal(z.item(), value)
    np.testing.assert_array_equal([x.grad.item() for x in leaves], gradients)


@pytest.mark.parametrize("what", ELEMENTWISE)
def test_arrays_have_the_value_and_gradients_chosen(what):
    function, operands, value, gradients = ELEMENTWISE[what]
    n = 9  # blocks of SIMD and what is left over
    leaves = checks.leaf_arrays([[float(v) for v in operands]] * n)
    z = function(*leaves)
    z.backward(ad.ones(n))
    np.testing.assert_allclose(z.numpy(force=True), [value] * n, rtol=4e-16)
    for x, gradient in zip(leaves, gradients, strict=True):
        np.testing.assert_array_equal(x.grad.numpy(), [gradient] * n)


@pytest.mark.parametrize("what", OF_A_VECTOR)
def test_vectors_have_the_value_and_gradient_chosen(what):
    function, operand, value, gradient = OF_A_VECTOR[what]
    x = ad.tensor([float(v) for v in operand], requires_grad=True)
    z = function(x)
    z.backward()
    np.testing.assert_allclose(z.item(), value, rtol=4e-16)
    if gradient is not None:
        np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=4e-16)


def test_builtin_max_gives_all_to_the_operand_it_chose():
    a, b = checks.leaves_at([2.0, 2.0])
    max(a, b).backward()
    assert (a.grad.item(), b.grad) == (1.0, None)


def test_strict_nan_multiplies_as_ieee_does():
    x = ad.tensor(0.0, requires_grad=True)
    ad.where(x > 0, ad.log(x), 0.0).backward(strict_nan=True)
    assert math.isnan(x.grad.item())


@pytest.mark.parametrize("function", [ad.abs, ad.relu, lambda x: ad.maximum(x, 0.0)])
def test_the_second_derivative_at_a_kink_is_that_of_the_first_chosen(function):
    assert checks.scalar_seconds(function, 0, 0, [(0.0,)]) == [0.0]
    assert checks.seconds(function, 0, 0, [(0.0,)]) == [0.0]


def outside(domain):
    """Points with one operand strictly outside its interval, the others at 0.75."""
    parts = domain.split(" x ")
    for k, part in enumerate(parts):
        low, high = map(float, part.strip("()[]").split(","))
        for end, away in ((low, -1.0), (high, 1.0)):
            for beyond in (
                math.nextafter(end, away * inf),
                end + away,
                end + 1e9 * away,
            ):
                if math.isfinite(end):
                    yield tuple(beyond if i == k else 0.75 for i in range(len(parts)))


@each_row
def test_outside_the_domain_a_nan_value_has_nan_gradients(row):
    at = [] if "{" in row.domain else list(outside(row.domain))
    function = checks.function_of(row)
    for point, z in zip(at, checks.values(function, at), strict=True):
        if math.isnan(z):
            for k in range(row.n_args):
                assert math.isnan(checks.partials(function, k, [point])[0]), point
                assert math.isnan(checks.array_partials(function, k, [point])[0]), point


@each_row
def test_nan_in_gives_nan_out_except_where_a_row_ignores_it(row):
    ignoring = {"fmax", "fmin", "where", "copysign"}
    inside = next(p for p in checks.points(row.name) if checks.is_normal(sum(p)))
    for k in range(row.n_args):
        point = (*inside[:k], nan, *inside[k + 1 :])
        z = checks.values(checks.function_of(row), [point])[0]
        exempt = row.name in ignoring or (row.name == "pow" and 1.0 in inside)
        assert exempt or math.isnan(z) or point == (nan, 0.0), (point, z)
