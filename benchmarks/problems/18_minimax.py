"""min over x, max over y of x.x - y.y, by gradient descents nested in each other.

Derivatives of derivatives, and loops that end by what they find. Written with
`while_loop`, and with Python loops over compiled functions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import peers
from harness import Bar, Case, TimeRow
from rows import sampled

RATE, TOLERANCE, MOST = 0.01, 1e-3, 500
START_X, START_Y = (0.7, -0.4), (0.5, 0.9)


def saddle(x: Any, y: Any) -> Any:
    """Return x.x - y.y."""
    return (x * x).sum() - (y * y).sum()


def case(call: Callable[[], Any]) -> Case:
    """Return a case of a call that returns the last x."""

    def run(n: int) -> Any:
        for _ in range(n):
            found = call()
        return found

    return Case(run, lambda: sampled(x=call()), first=call)


def descend(loop: Any, gradient: Any, start: Any) -> Any:
    """Return where a descent with a fixed rate ends."""

    def goes_on(state: Any) -> Any:
        z, g = state
        del z
        return (g * g).sum() > TOLERANCE**2

    def step(state: Any) -> Any:
        z, g = state
        z = z - RATE * g
        return z, gradient(z)

    return loop(goes_on, step, (start, gradient(start)))[0]


def minimax(lib: Any, loop: Any, x: Any, y: Any) -> Any:
    """Return the x at which the largest value over y is least.

    The derivative of the largest value is that at the y found (Danskin): that y is
    found anew for each x, from where the search starts.
    """

    def best_y(x: Any) -> Any:
        return descend(loop, lib.grad(lambda y: -saddle(x, y)), y)

    def gradient(x: Any) -> Any:
        return lib.grad(saddle)(x, best_y(x))

    return descend(loop, gradient, x)


def ours_loops() -> Case:
    ad, numpy = peers.load("autodiff"), peers.load("numpy")
    x, y = numpy.array(START_X), numpy.array(START_Y)

    def loop(cond: Any, body: Any, start: Any) -> Any:
        return ad.while_loop(cond, body, start, max_steps=MOST)

    f = ad.compile(lambda x, y: minimax(ad, loop, x, y))
    return case(lambda: f(x, y))


def python_loop(cond: Any, body: Any, state: Any) -> Any:
    """Run a loop in Python."""
    while cond(state):
        state = body(state)
    return state


def ours_python() -> Case:
    ad, numpy = peers.load("autodiff"), peers.load("numpy")
    x, y = numpy.array(START_X), numpy.array(START_Y)
    outer, inner = ad.compile(saddle), ad.compile(lambda y, x: -saddle(x, y))

    def gradient(x: Any) -> Any:
        best = descend(python_loop, lambda y: inner.grad(y, x), y)
        return outer.grad(x, best)

    return case(lambda: descend(python_loop, gradient, x))


def jax_case() -> Case:
    jax = peers.load("jax")
    x, y = jax.numpy.array(START_X), jax.numpy.array(START_Y)
    f = jax.jit(partial(minimax, jax, jax.lax.while_loop))
    return case(lambda: f(x, y).block_until_ready())


def torch_case() -> Case:
    torch = peers.load("torch")
    x, y = torch.tensor(START_X), torch.tensor(START_Y)

    def of(function: Any, z: Any) -> Any:
        leaf = z.clone().requires_grad_()
        return torch.autograd.grad(function(leaf), leaf)[0]

    def gradient(x: Any) -> Any:
        best = descend(
            python_loop, lambda y: of(lambda y: -saddle(x, y), y), y
        )
        return of(lambda x: saddle(x, best), x)

    return case(lambda: descend(python_loop, gradient, x))


ROWS = (
    TimeRow(
        "while_loop",
        "minimax by nested descents, while_loop",
        "run",
        {"autodiff": ours_loops, "jax": jax_case, "torch": torch_case},
        (Bar("value", 10e-3),),
        has_first=True,
    ),
    TimeRow(
        "python",
        "minimax by nested descents, Python loops over compiled functions",
        "run",
        {"autodiff": ours_python, "torch": torch_case},
        (Bar("value", 0.4),),
        has_first=True,
    ),
)
