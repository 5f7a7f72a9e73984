"""grad, value_and_grad, jvp, vjp, hvp: values against closed forms and mpmath."""

import functools
import math

import mpmath
import numpy as np
import pytest

import autodiff as ad


def cubic(x):
    return (x**3).sum() * x[0]


X = np.array([1.0, 2.0, -0.5])
V = np.array([0.3, -1.0, 2.0])
CUBIC_HESSIAN = np.array([[12.0, 12.0, 0.75], [12.0, 12.0, 0.0], [0.75, 0.0, -3.0]])
CUBIC_HESSIAN[0, 0] = 12.0 * X[0] ** 2


def test_the_gradient_of_a_float_is_a_float():
    found = ad.grad(lambda x: x * x)(3.0)
    assert type(found) is float
    assert found == 6.0


@pytest.mark.parametrize("x", [3, True, np.float32(2.0), np.int64(4), np.array(2)])
def test_integers_bools_and_numpy_scalars_are_converted(x):
    found = ad.grad(lambda x: x * x)(x)
    assert type(found) is float
    assert found == 2.0 * float(x)


def test_the_gradient_of_an_array_of_integers_is_an_array_of_float64():
    found = ad.grad(lambda x: (x * x).sum())(np.arange(3))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [0.0, 2.0, 4.0])


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["exp", "sin", "tanh", "atan", "log1p"])
def test_derivatives_of_any_order_agree_with_mpmath(name, order):
    f = functools.reduce(lambda g, _: ad.grad(g), range(order), getattr(ad, name))
    with mpmath.workdps(40):
        reference = getattr(mpmath, name)
        expected = mpmath.diff(reference, mpmath.mpf(0.7), order, h=mpmath.mpf("1e-9"))
    assert f(0.7) == pytest.approx(float(expected), rel=1e-12)


def test_nested_gradients_do_not_mix():
    # d/dx [x d/dy (x + y) at y = 1] = 1: the wrong one, by mixing, is 2.
    f = ad.grad(lambda x: x * ad.grad(lambda y: x + y)(1.0))
    assert f(1.0) == 1.0


def test_nested_gradients_at_the_outer_argument_itself():
    # g(x) = d/dy (x y^2) at y = x, = 2 x^2
    assert ad.grad(lambda x: ad.grad(lambda y: x * y * y)(x))(3.0) == 12.0


def test_a_gradient_inside_a_tangent_and_a_tangent_inside_a_gradient():
    inner_grad = ad.jvp(lambda x: ad.grad(lambda y: y**3 * x)(x), (2.0,), (1.0,))
    inner_jvp = ad.grad(lambda x: ad.jvp(lambda y: y**3 * x, (x,), (1.0,))[1])(2.0)
    assert inner_grad == (24.0, 36.0)
    assert inner_jvp == 36.0


def test_tangents_in_tangents():
    first = lambda x: ad.jvp(ad.sin, (x,), (1.0,))[1]  # noqa: E731
    assert ad.jvp(first, (0.5,), (1.0,)) == (math.cos(0.5), -math.sin(0.5))


def test_a_tangent_that_is_differentiated_itself():
    f = ad.grad(lambda v: ad.jvp(lambda x: x**3, (2.0,), (v,))[1])
    assert f(5.0) == 12.0


def test_three_transforms_through_a_closure_at_each_level():
    def f(a):
        return ad.grad(lambda b: ad.grad(lambda c: (a * b * c) ** 2)(1.0) * b)(2.0)

    # d/dc: 2 a^2 b^2; times b: 2 a^2 b^3; d/db: 6 a^2 b^2 = 24 a^2; d/da: 48 a
    assert ad.grad(f)(3.0) == 144.0


def test_argnums_choose_arguments():
    f = lambda x, y, z: x * y**2 * z**3  # noqa: E731
    assert ad.grad(f, 1)(2.0, 3.0, 1.0) == 12.0
    assert ad.grad(f, -1)(2.0, 3.0, 1.0) == 54.0
    assert ad.grad(f, (2, 0))(2.0, 3.0, 1.0) == (54.0, 9.0)
    assert ad.grad(f, (0,))(2.0, 3.0, 1.0) == (9.0,)


def test_arguments_that_are_not_differentiated_arrive_as_they_are():
    seen = []

    def f(x, mode, *, options):
        seen.extend([mode, options])
        return x * 2

    options = {"k": object()}
    assert ad.grad(f)(1.0, "fast", options=options) == 2.0
    assert seen[0] == "fast"
    assert seen[1] is options


def test_the_gradient_has_the_structure_of_the_argument():
    p = {"w": np.array([1.0, 2.0]), "rest": (3.0, [4, None])}
    value, g = ad.value_and_grad(
        lambda p: (p["w"] ** 2).sum() * p["rest"][0] + p["rest"][1][0]
    )(p)
    assert value == 19.0
    np.testing.assert_array_equal(g["w"], [6.0, 12.0])
    assert g["rest"] == (5.0, [1.0, None])


def test_aux_comes_out_as_plain_values():
    def f(x):
        y = x * 2
        return y.sum(), {"y": y, "first": y[0], "name": "aux"}

    (value, aux), g = ad.value_and_grad(f, has_aux=True)(np.ones(2))
    assert value == 4.0
    assert type(aux["y"]) is np.ndarray
    assert type(aux["first"]) is float
    assert aux["name"] == "aux"
    np.testing.assert_array_equal(g, [2.0, 2.0])
    assert ad.grad(f, has_aux=True)(np.ones(2))[1]["first"] == 2.0


def test_aux_keeps_its_gradient_inside_another_transform():
    def outer(x):
        _, aux = ad.grad(lambda y: (y * y, x * y), has_aux=True)(3.0)
        return aux

    assert ad.grad(outer)(2.0) == 3.0


def test_a_result_that_does_not_depend_on_the_argument_has_gradient_zero():
    assert ad.grad(lambda x: 1.0)(2.0) == 0.0
    np.testing.assert_array_equal(ad.grad(lambda x: 5)(np.ones(3)), np.zeros(3))
    assert ad.grad(lambda x, y: y * 2, (0, 1))(1.0, 1.0) == (0.0, 2.0)
    assert ad.jvp(lambda x: 1.0, (2.0,), (1.0,)) == (1.0, 0.0)


def test_the_identity():
    assert ad.grad(lambda x: x)(2.0) == 1.0
    assert ad.vjp(lambda x: x, 2.0)[1](3.0) == (3.0,)


def test_jvp_takes_and_gives_trees():
    value, dot = ad.jvp(
        lambda p, s: {"y": p["a"] * s, "z": (p["b"].sum(),)},
        ({"a": 2.0, "b": np.ones(2)}, 3.0),
        ({"a": 1.0, "b": None}, 10.0),
    )
    assert value == {"y": 6.0, "z": (2.0,)}
    assert dot == {"y": 23.0, "z": (0.0,)}


def test_vjp_pulls_back_more_than_once_and_with_parts_left_out():
    value, pull_back = ad.vjp(lambda x: (x * x, x.sum()), X)
    np.testing.assert_array_equal(value[0], X * X)
    np.testing.assert_array_equal(pull_back((V, 0.0))[0], 2 * X * V)
    np.testing.assert_array_equal(pull_back((V, None))[0], 2 * X * V)
    np.testing.assert_array_equal(pull_back((None, 2.0))[0], [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(pull_back(None)[0], np.zeros(3))


def test_vjp_has_aux():
    value, pull_back, aux = ad.vjp(lambda x: (x * x, x + 1), 2.0, has_aux=True)
    assert (value, pull_back(1.0), aux) == (4.0, (4.0,), 3.0)


def test_an_adjoint_that_is_differentiated_itself():
    _, pull_back = ad.vjp(lambda x: x**3, 2.0)
    assert ad.grad(lambda g: pull_back(g)[0] * g)(1.0) == 24.0


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_hvp_multiplies_with_the_hessian(mode):
    found = ad.hvp(cubic, mode=mode)(X, V)
    expected = ad.hessian(cubic)(X) @ V
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_hvp_of_several_arguments(mode):
    f = lambda x, y: x**2 * y**3  # noqa: E731
    # the vector stands second: f's arguments are (2, 3)
    assert ad.hvp(f, 0, mode=mode)(2.0, 1.0, 3.0) == 54.0
    assert ad.hvp(f, 1, mode=mode)(2.0, 1.0, 3.0) == 72.0
    found = ad.hvp(f, (0, 1), mode=mode)(2.0, (1.0, 1.0), 3.0)
    assert found == (54.0 + 108.0, 108.0 + 72.0)


def test_hvp_is_differentiable():
    f = ad.grad(lambda x: ad.hvp(lambda y: y**4)(x, 1.0))
    assert f(2.0) == 24.0 * 2.0


def test_a_gradient_agrees_loosely_with_differences(rng):
    a = rng.normal(size=(4, 4))

    def f(x):
        return ad.log(ad.exp(a @ x).sum()) + ad.sin(x).sum() * x[0]

    x, h = rng.normal(size=4), 1e-6
    g = ad.grad(f)(x)
    for i, e in enumerate(np.eye(4)):
        slope = (float(f(x + h * e)) - float(f(x - h * e))) / (2 * h)
        assert g[i] == pytest.approx(slope, rel=1e-6, abs=1e-8)
