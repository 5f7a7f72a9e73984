"""Inside a transform a gradient that would be lost is an error, outside a warning."""

import math
import warnings
from math import cos

import numpy as np
import pytest

import autodiff as ad

TABLE = [1.0, 2.0, 3.0]

LOSSES = [
    (lambda x: math.sin(x), r"math\.sin\(x\).*autodiff\.sin or np\.sin"),
    (lambda x: math.exp(x) + x, r"math\.exp\(x\).*autodiff\.exp"),
    (lambda x: cos(x), r"cos\(x\).*autodiff\.cos"),
    (lambda x: float(x), r"float\(x\).*the functions of autodiff"),
    (lambda x: int(x) * x, r"int\(x\).*stop_gradient"),
    (lambda x: TABLE[x], r"TABLE\[x\].*autodiff\.take"),
    (lambda x: np.array([x, x]).sum(), r"autodiff\.tensor\(\[x, y\]\)"),
]


@pytest.mark.parametrize(("f", "text"), LOSSES)
@pytest.mark.parametrize(
    "transform", [ad.grad, ad.jacobian, lambda f: lambda x: ad.jvp(f, (x,), (1.0,))]
)
def test_a_loss_inside_a_transform_is_an_error_that_names_the_replacement(
    transform, f, text
):
    with pytest.raises(ad.GradientLossError, match=text):
        transform(f)(1.0)


@pytest.mark.parametrize(
    "f",
    [lambda x: np.asarray(x).sum(), lambda x: np.array(x)[0], lambda x: float(x[0])],
)
def test_a_loss_of_an_array_is_an_error(f):
    with pytest.raises(ad.GradientLossError, match="stop_gradient"):
        ad.grad(f)(np.ones(2))


def test_after_a_loss_eager_mode_warns_as_before():
    with pytest.raises(ad.GradientLossError):
        ad.grad(lambda x: math.sin(x))(1.0)
    x = ad.tensor(1.0, requires_grad=True)
    with pytest.warns(ad.GradientLossWarning, match=r"float\(\)"):
        math.sin(x)


def test_stop_gradient_and_detach_say_that_it_is_meant():
    f = lambda x: x * math.sin(ad.stop_gradient(x)) + x.detach().item()  # noqa: E731
    assert ad.grad(f)(0.5) == math.sin(0.5)


def test_stop_gradient_takes_trees_and_leaves_the_rest_alone():
    marker = object()

    def f(x):
        stopped = ad.stop_gradient({"a": x, "b": [x * 2, marker, "s", None]})
        assert stopped["b"][1] is marker
        return x * stopped["a"] * stopped["b"][0]

    assert ad.grad(f)(3.0) == 18.0


def test_comparisons_and_branches_are_free():
    def f(x):
        if x and x > 0 and 1.0 < x <= 3.0 and x == 2.0:
            return max(x, 0.0) ** 2
        return x

    assert ad.grad(f)(2.0) == 4.0


def test_values_without_a_gradient_may_be_converted():
    f = lambda x, y: x * math.sin(y) * float(ad.tensor(2.0))  # noqa: E731
    assert ad.grad(f)(1.0, 0.5) == 2.0 * math.sin(0.5)


def test_an_inner_gradient_that_is_constant_outside_is_a_plain_float():
    def f(x):
        slope = ad.grad(lambda y: y * y)(3.0)
        assert type(slope) is float
        return x * math.sqrt(slope)

    assert ad.grad(f)(1.0) == math.sqrt(6.0)


def test_scipy_functions_inside_a_transform_say_what_to_do():
    special = pytest.importorskip("scipy.special")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match=r"not supported|drops the gradient"):
            ad.grad(lambda x: special.jv(0, x))(1.0)
