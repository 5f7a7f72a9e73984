"""Derivatives of derivatives: create_graph to any order, and gradgradcheck."""

import math

import numpy as np
import pytest

import autodiff as ad


def nth_derivative(function, at, n):
    x = ad.tensor(at, requires_grad=True)
    y = function(x)
    for _ in range(n):
        (y,) = ad.autograd.grad(y, x, create_graph=True)
    return y.item()


@pytest.mark.parametrize("n", range(1, 7))
def test_derivatives_of_the_sine_to_the_sixth(n):
    assert nth_derivative(ad.sin, 0.7, n) == pytest.approx(
        math.sin(0.7 + n * math.pi / 2), rel=1e-14
    )


@pytest.mark.parametrize("n", range(1, 6))
def test_derivatives_of_a_power_to_the_fifth(n):
    expected = math.perm(7, n) * 1.3 ** (7 - n)
    assert nth_derivative(lambda x: x**7, 1.3, n) == pytest.approx(expected)


@pytest.mark.parametrize("n", range(1, 5))
def test_derivatives_of_an_exponential_of_a_product(n):
    assert nth_derivative(lambda x: ad.exp(2.0 * x), 0.3, n) == pytest.approx(
        2**n * math.exp(0.6)
    )


def test_mixed_derivatives_agree():
    def f(x, y):
        return ad.sin(x * y) * ad.exp(x - y)

    x, y = (ad.tensor(v, requires_grad=True) for v in (0.7, 0.3))
    fx, fy = ad.autograd.grad(f(x, y), [x, y], create_graph=True)
    (fxy,) = ad.autograd.grad(fx, y, retain_graph=True)
    (fyx,) = ad.autograd.grad(fy, x)
    assert fxy.item() == pytest.approx(fyx.item(), rel=1e-14)


def test_a_hessian_row_by_row(rng):
    a = rng.normal(size=(3, 3))
    x = ad.tensor(rng.normal(size=3), requires_grad=True)
    (g,) = ad.autograd.grad((x @ ad.tensor(a) @ x) * 0.5, x, create_graph=True)
    rows = [
        ad.autograd.grad(g, x, ad.tensor(e), retain_graph=True)[0].tolist()
        for e in np.eye(3)
    ]
    np.testing.assert_allclose(rows, (a + a.T) / 2, rtol=1e-14)


def test_gradients_that_are_held_in_any_order_stay_right():
    a = ad.tensor(2.0, requires_grad=True)
    b = ad.tensor(3.0, requires_grad=True)
    loss = a * b * a * b
    g_a, g_b = ad.autograd.grad(loss, [a, b], create_graph=True)
    for _ in range(3):
        a * 2.0  # recorded and dropped on top
    (g_a * g_b).backward()  # 4 a^3 b^3
    assert (a.grad.item(), b.grad.item()) == (12 * 4 * 27.0, 12 * 8 * 9.0)


def test_a_gradient_penalty_trains():
    w = ad.tensor([0.5, -0.3], requires_grad=True)
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    (g,) = ad.autograd.grad(ad.tanh((w * x).sum()), x, create_graph=True)
    ((g * g).sum() - 1.0).square().backward()

    def penalty(values):
        t = 1 - math.tanh(values @ np.array([1.0, 2.0])) ** 2
        return ((t * values) @ (t * values) - 1.0) ** 2

    h = 1e-6
    for k in range(2):
        step = np.eye(2)[k] * h
        at = np.array([0.5, -0.3])
        expected = (penalty(at + step) - penalty(at - step)) / (2 * h)
        assert w.grad[k].item() == pytest.approx(expected, rel=1e-7)


def test_retain_graph_without_create_graph_gives_passive_gradients():
    x = ad.tensor(2.0, requires_grad=True)
    (g,) = ad.autograd.grad(x * x * x, x, retain_graph=True)
    assert not g.requires_grad


def test_create_graph_retains_the_graph():
    x = ad.tensor(2.0, requires_grad=True)
    y = x * x * x
    ad.autograd.grad(y, x, create_graph=True)
    y.backward()
    assert x.grad.item() == 12.0


def test_create_graph_with_retain_graph_false_frees_it():
    x = ad.tensor(2.0, requires_grad=True)
    y = ad.exp(x)
    ad.autograd.grad(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(ad.GraphError, match="second time"):
        y.backward()


FUNCTIONS = {
    "scalar chain": (lambda x: ad.sin(x) * ad.exp(-x) / (1.0 + x * x), (0.7,)),
    "broadcast": (
        lambda x, y: (x * y) ** 2 / (1.0 + y * y),
        ([0.5, 1.5], [[0.3], [2.0]]),
    ),
    "matmul": (lambda x, y: ad.tanh(x @ y), ([[0.5, 1.5]], [[0.3], [2.0]])),
    "reduce": (lambda x: ad.logsumexp(x, 0) * x.prod(), ([0.5, 1.5, -0.4],)),
    "index": (lambda x: (x[1:] * x[:-1]).sum() ** 2, ([0.5, 1.5, -0.4],)),
    "join": (lambda x, y: ad.cat([x * y, y]) ** 3, ([0.5, 1.5], [0.3, 2.0])),
    "in place": (lambda x: (x * 2.0).mul_(x).exp_(), ([0.5, -0.4],)),
    "where": (lambda x: ad.where(x > 0, x**3, ad.sin(x)), ([0.5, -0.4],)),
    "pow": (lambda x, y: x**y, ([0.5, 1.5], [0.3, 2.0])),
}


@pytest.mark.parametrize(("function", "values"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_first_and_second_derivatives_pass_the_check(function, values):
    inputs = tuple(ad.tensor(v, requires_grad=True) for v in values)
    assert ad.testing.gradcheck(function, inputs)
    assert ad.testing.gradgradcheck(function, inputs)
