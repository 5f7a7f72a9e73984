"""Custom rules that call the function they belong to, as rules are often written."""

import numpy as np
import pytest

import autodiff as ad


@ad.custom_vjp
def exponential(x):
    return ad.exp(x)


def forward(x):
    y = exponential(x)
    return y, y


exponential.defvjp(forward, lambda y, g: (g * y,))


@ad.custom_vjp
def product(x, y):
    return ad.sin(x) * y


product.defvjp(
    lambda x, y: (product(x, y), (ad.cos(x), ad.sin(x), y)),
    lambda saved, g: (saved[0] * g * saved[2], saved[1] * g),
)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_a_forward_rule_may_call_its_function(order):
    f = exponential
    for _ in range(order):
        f = ad.grad(f)
    assert f(0.5) == pytest.approx(np.exp(0.5), rel=1e-14)


def test_so_may_one_of_several_arguments():
    assert ad.grad(product, (0, 1))(2.0, 3.0) == (3.0 * np.cos(2.0), np.sin(2.0))
    second = ad.grad(ad.grad(product))(2.0, 3.0)
    assert second == pytest.approx(-3.0 * np.sin(2.0), rel=1e-14)


def test_so_it_may_in_recorded_functions():
    x = np.array([0.5, -1.0])
    assert ad.compile(ad.grad(exponential))(0.5) == np.exp(0.5)
    np.testing.assert_allclose(ad.vmap(ad.grad(exponential))(x), np.exp(x), rtol=4e-16)


def test_backward_of_tensors_comes_to_the_same():
    x = ad.tensor(0.5, requires_grad=True)
    (first,) = ad.autograd.grad(exponential(x), x, create_graph=True)
    (second,) = ad.autograd.grad(first, x)
    assert float(second) == pytest.approx(np.exp(0.5), rel=1e-14)
