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

RATE, TOLERANCE, MOST = 0.0139, 1e-9, 1000  # 96,000 inner evaluations
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


def descend(loop: Any, value_and_grad: Any, start: Any) -> Any:
    """Return where a descent ends, by how little the value still changes."""

    def goes_on(state: Any) -> Any:
        _, before, value, _ = state
        return before - value > TOLERANCE

    def step(state: Any) -> Any:
        z, _, value, g = state
        z = z - RATE * g
        return z, value, *value_and_grad(z)

    value, g = value_and_grad(start)
    return loop(goes_on, step, (start, value + 1.0, value, g))


def minimax(lib: Any, loop: Any, x: Any, y: Any) -> Any:
    """Return the x at which the largest value over y is least.

    Each value is found by a search over y of its own, which always starts at the same
    place; its derivative is that at the y found (Danskin).
    """

    def value_and_gradient(x: Any) -> Any:
        inner = lib.value_and_grad(lambda y: -saddle(x, y))
        best, _, value, _ = descend(loop, inner, y)
        return -value, lib.grad(saddle)(x, best)

    return descend(loop, value_and_gradient, x)[0]


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


def in_python(
    inner: Callable[..., Any], outer: Callable[..., Any], x: Any, y: Any
) -> Any:
    """Return what `minimax` does; inner and outer give value and gradient."""

    def value_and_gradient(x: Any) -> Any:
        best, _, value, _ = descend(python_loop, lambda y: inner(y, x), y)
        return -value, outer(x, best)[1]

    return descend(python_loop, value_and_gradient, x)[0]


def ours_python() -> Case:
    ad, numpy = peers.load("autodiff"), peers.load("numpy")
    x, y = numpy.array(START_X), numpy.array(START_Y)
    outer = ad.compile(saddle).value_and_grad
    inner = ad.compile(lambda y, x: -saddle(x, y)).value_and_grad
    return case(lambda: in_python(inner, outer, x, y))


def jax_case() -> Case:
    jax = peers.load("jax")
    x, y = jax.numpy.array(START_X), jax.numpy.array(START_Y)
    f = jax.jit(partial(minimax, jax, jax.lax.while_loop))
    return case(lambda: f(x, y).block_until_ready())


def torch_case() -> Case:
    torch = peers.load("torch")
    x, y = torch.tensor(START_X), torch.tensor(START_Y)

    def of(function: Any) -> Any:
        def value_and_grad(z: Any, other: Any) -> Any:
            leaf = z.clone().requires_grad_()
            value = function(leaf, other)
            return value.item(), torch.autograd.grad(value, leaf)[0]

        return value_and_grad

    inner = of(lambda y, x: -saddle(x, y))
    return case(lambda: in_python(inner, of(saddle), x, y))


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
