"""Random compositions of transforms against each other, and sweeps that stay inside."""

import itertools

import numpy as np
import pytest

import autodiff as ad

X = 0.6


def f(x):
    return ad.sin(x * x) * ad.exp(-x) + x**3


def by_grad(g):
    return ad.grad(g)


def by_forward(g):
    return ad.jacobian(g, mode="forward")


def by_jvp(g):
    return lambda x: ad.jvp(g, (x,), (1.0,))[1]


def by_vjp(g):
    return lambda x: ad.vjp(g, x)[1](1.0)[0]


def by_checkpoint(g):
    return ad.grad(ad.checkpoint(g))


def by_closure(g):
    return lambda x: ad.grad(lambda t: g(x + t))(0.0)


def by_root(g):
    # y = g(x) as the root of g(x) - y
    return ad.grad(lambda x: ad.root(lambda y: g(x) - y, 0.0))


WAYS = [by_grad, by_forward, by_jvp, by_vjp, by_checkpoint, by_closure, by_root]


@pytest.mark.parametrize("ways", [*itertools.product(WAYS, repeat=2)])
def test_every_way_of_taking_two_derivatives_agrees(ways):
    first, second = ways
    expected = ad.hessian(f)(X)
    assert second(first(f))(X) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("ways", [*itertools.combinations(WAYS, 3)])
def test_every_way_of_taking_three_derivatives_agrees(ways):
    g = f
    for way in ways:
        g = way(g)
    expected = ad.grad(ad.grad(ad.grad(f)))(X)
    assert g(X) == pytest.approx(expected, rel=1e-11)


def test_an_inner_sweep_does_not_visit_what_lies_outside():
    calls = []

    @ad.custom_vjp
    def noisy(x):
        return x * 2

    def backward(saved, g):
        calls.append(1)
        return (g * 2,)

    noisy.defvjp(lambda x: (x * 2, None), backward)

    def outer(x):
        y = noisy(x)
        return sum(ad.grad(lambda t: t * t * y)(float(k)) for k in range(5))

    assert ad.grad(outer)(1.0) == 2 * 2 * sum(range(5))
    assert len(calls) == 1


def test_vectors_of_directions_and_closures(rng):
    a = rng.normal(size=(3, 3))

    def energy(x, m):
        return (x * (m @ x)).sum()

    def slope(m):
        return ad.grad(energy)(np.ones(3), m).sum()

    found = ad.grad(slope)(a)
    # gradient in x: (m + m') x; its sum at ones: 2 sum(m)
    np.testing.assert_allclose(found, np.full((3, 3), 2.0), rtol=1e-14)
