"""Least squares: gradient of |A x - b|^2 for a matrix of 16,392 x 128."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peers
from harness import Bar, Case, TimeRow
from rows import sampled

SHAPE = (16_392, 128)


def data() -> tuple[Any, Any, Any]:
    """Return A, b and x."""
    random = peers.load("numpy").random.default_rng(3)
    return tuple(random.standard_normal(s) for s in (SHAPE, SHAPE[0], SHAPE[1]))


def loss(a: Any, b: Any, x: Any) -> Any:
    """Return the sum of squares."""
    r = a @ x - b
    return r @ r


def case(call: Callable[[], Any]) -> Case:
    """Return a case of a call that returns the gradient."""

    def run(n: int) -> Any:
        for _ in range(n):
            found = call()
        return found

    return Case(run, lambda: sampled(gradient=call()), first=call)


def ours() -> Case:
    ad = peers.load("autodiff")
    a, b, x = data()
    f = ad.compile(lambda x: loss(a, b, x))
    return case(lambda: f.grad(x))


def numpy_case() -> Case:
    a, b, x = data()
    return case(lambda: 2.0 * (a.T @ (a @ x - b)))


def torch_case() -> Case:
    torch = peers.load("torch")
    a, b, x = map(torch.tensor, data())

    def call() -> Any:
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(loss(a, b, leaf), leaf)[0]

    return case(call)


def jax_case() -> Case:
    jax = peers.load("jax")
    a, b, x = map(jax.numpy.array, data())
    g = jax.jit(jax.grad(loss, argnums=2))
    return case(lambda: g(a, b, x).block_until_ready())


ROWS = (
    TimeRow(
        "gradient",
        "least squares, 16,392 x 128, gradient",
        "run",
        {
            "autodiff": ours,
            "numpy": numpy_case,
            "torch": torch_case,
            "jax": jax_case,
        },
        (Bar("value", 9e-3), Bar("times", 1.0, "torch")),
        has_first=True,
    ),
)
