"""What a call of a compiled function costs when there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peers
from harness import Bar, Case, TimeRow


def case(call: Callable[[float], Any]) -> Case:
    """Return a case of a call that returns its argument."""

    def run(n: int) -> Any:
        for _ in range(n):
            found = call(0.5)
        return found

    return Case(run, lambda: {"result": [float(call(0.5))]})


def ours() -> Case:
    ad = peers.load("autodiff")
    return case(ad.compile(lambda x: x))


def jax_case() -> Case:
    jax = peers.load("jax")
    return case(jax.jit(lambda x: x))


def casadi_case() -> Case:
    casadi, numpy = peers.load("casadi"), peers.load("numpy")
    x = casadi.SX.sym("x")
    f = casadi.Function("f", [x], [x])
    given, found = numpy.array([0.5]), numpy.empty(1)
    buffer, run = f.buffer()
    buffer.set_arg(0, memoryview(given))
    buffer.set_res(0, memoryview(found))

    kept = given, f, buffer  # CasADi keeps none of them

    def call(value: float) -> float:
        assert kept
        run()
        return float(found[0])

    return case(call)


ROWS = (
    TimeRow(
        "empty",
        "a compiled function that returns its argument, called from Python",
        "call",
        {"autodiff": ours, "jax": jax_case, "casadi": casadi_case},
        (Bar("value", 0.6e-6),),
    ),
)
