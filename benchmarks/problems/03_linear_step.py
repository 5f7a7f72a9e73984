"""One step of fitting y = wx + b by gradient descent, one point at a time.

Build the loss (w*x + b - t)**2, sweep, update under no_grad, clear the gradients. The
rate is so small that the residual stays away from zero however many steps are run.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

import peers
from harness import Answer, Bar, Case, TimeRow

X, T, RATE = 2.0, 3.0, 1e-9
START = (0.5, -0.25)
CHECKED_STEPS = 100


def hand_steps(w: float, b: float, n: int) -> tuple[float, float]:
    """Take n steps, loss and gradient, with the derivative worked out by hand."""
    x, t, rate = X, T, RATE
    for _ in range(n):
        r = w * x + b - t
        loss = r**2
        b_grad = 2.0 * r
        w_grad = b_grad * x
        w -= rate * w_grad
        b -= rate * b_grad
    del loss
    return w, b


def words_steps(lib: Any, w: Any, b: Any, n: int) -> None:
    """Take n steps in PyTorch's words; the leaves are updated in place."""
    x, t, rate, no_grad = X, T, RATE, lib.no_grad
    for _ in range(n):
        loss = (w * x + b - t) ** 2
        loss.backward()
        with no_grad():
            w -= rate * w.grad
            b -= rate * b.grad
        w.grad = None
        b.grad = None


def floats_case() -> Case:
    """Python floats: the least a step can cost in Python."""
    return Case(
        run=lambda n: hand_steps(*START, n),
        answer=lambda: {"w, b": list(hand_steps(*START, CHECKED_STEPS))},
    )


def words_case(peer: str) -> Case:
    """Autodiff and PyTorch."""
    lib = peers.load(peer)

    def run(n: int) -> tuple[Any, Any]:
        w, b = (lib.tensor(v, requires_grad=True) for v in START)
        words_steps(lib, w, b, n)
        return w, b

    def answer() -> Answer:
        return {"w, b": [float(p.item()) for p in run(CHECKED_STEPS)]}

    return Case(run, answer)


def xad_case() -> Case:
    """XAD: the leaves are new active reals every step, on one reused tape."""
    peers.load("xad")
    adjoint = importlib.import_module("xad.adj_1st")
    real, tape = adjoint.Real, adjoint.Tape()
    tape.activate()

    def run(n: int) -> tuple[float, float]:
        x, t, rate = X, T, RATE
        w_value, b_value = START
        for _ in range(n):
            w = real(w_value)
            b = real(b_value)
            tape.registerInput(w)
            tape.registerInput(b)
            tape.newRecording()
            loss = (w * x + b - t) ** 2
            tape.registerOutput(loss)
            loss.derivative = 1.0
            tape.computeAdjoints()
            w_value -= rate * w.derivative
            b_value -= rate * b.derivative
        return w_value, b_value

    return Case(run, lambda: {"w, b": list(run(CHECKED_STEPS))})


def jax_case() -> Case:
    """JAX: the whole step compiled, parameters staying on its device."""
    jax = peers.load("jax")

    def loss(p: Any, x: float, t: float) -> Any:
        return (p[0] * x + p[1] - t) ** 2

    def one_step(p: Any, x: float, t: float) -> Any:
        gradient = jax.grad(loss)(p, x, t)
        return tuple(v - RATE * g for v, g in zip(p, gradient, strict=True))

    step = jax.jit(one_step)

    def run(n: int) -> Any:
        p: Any = START
        for _ in range(n):
            p = step(p, X, T)
        return jax.block_until_ready(p)

    return Case(run, lambda: {"w, b": [float(v) for v in run(CHECKED_STEPS)]})


ROWS = (
    TimeRow(
        "step",
        "one step of fitting y = wx + b",
        "step",
        {
            "autodiff": partial(words_case, "autodiff"),
            "floats": floats_case,
            "torch": partial(words_case, "torch"),
            "xad": xad_case,
            "jax": jax_case,
        },
        (
            Bar("faster", 60.0, "torch"),
            # The goal is 0.55 us where the hand-derived loop takes 0.17 us.
            Bar("times", 5.0, "floats", reach=3.2),
        ),
    ),
)
