"""Runge-Kutta 4 of y0' = x0, yi' = xi y(i-1) to t = 2, n = 100, 10,000 steps, by scan.

The gradient of the last component in the 100 parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peers
from harness import Bar, Case, TimeRow
from rows import sampled

N, STEPS, END = 100, 10_000, 2.0
H = END / STEPS


def rate(cat: Any, one: Any, x: Any, y: Any) -> Any:
    """Return y' for parameters x."""
    return x * cat([one, y[:-1]])


def step(cat: Any, one: Any, x: Any, y: Any) -> Any:
    """Return y after one step."""
    k1 = rate(cat, one, x, y)
    k2 = rate(cat, one, x, y + 0.5 * H * k1)
    k3 = rate(cat, one, x, y + 0.5 * H * k2)
    k4 = rate(cat, one, x, y + H * k3)
    return y + H / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


def point() -> Any:
    """Return the parameters."""
    numpy = peers.load("numpy")
    return 20.0 + numpy.sin(numpy.arange(N))


def case(call: Callable[[], Any]) -> Case:
    """Return a case of a call that returns the gradient."""

    def run(n: int) -> Any:
        for _ in range(n):
            found = call()
        return found

    return Case(run, lambda: sampled(gradient=call()), first=call)


def ours() -> Case:
    ad, numpy = peers.load("autodiff"), peers.load("numpy")
    x, one, start = point(), numpy.ones(1), numpy.zeros(N)

    def last(x: Any) -> Any:
        y, _ = ad.scan(
            lambda y, _: (step(ad.cat, one, x, y), None), start, length=STEPS
        )
        return y[-1]

    f = ad.compile(last)
    return case(lambda: f.grad(x))


def torch_case() -> Case:
    torch = peers.load("torch")
    x, one = torch.tensor(point()), torch.ones(1)

    def call() -> Any:
        leaf, y = x.clone().requires_grad_(), torch.zeros(N)
        for _ in range(STEPS):
            y = step(torch.cat, one, leaf, y)
        return torch.autograd.grad(y[-1], leaf)[0]

    return case(call)


def jax_case() -> Case:
    jax = peers.load("jax")
    jnp = jax.numpy
    x, one = jnp.array(point()), jnp.ones(1)

    def last(x: Any) -> Any:
        def body(y: Any, _: Any) -> Any:
            return step(jnp.concatenate, one, x, y), None

        return jax.lax.scan(body, jnp.zeros(N), None, length=STEPS)[0][-1]

    g = jax.jit(jax.grad(last))
    return case(lambda: g(x).block_until_ready())


ROWS = (
    TimeRow(
        "gradient",
        "Runge-Kutta 4, n = 100, 10,000 steps by scan, gradient",
        "run",
        {"autodiff": ours, "torch": torch_case, "jax": jax_case},
        (Bar("value", 90e-3, reach=42e-3), Bar("times", 2.0, "jax")),
        tolerance=1e-8,
        has_first=True,
    ),
)
