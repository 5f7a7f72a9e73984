"""root in functions that are being recorded as programs; for implicit.py.

Newton's method becomes a loop of the program, whose steps nobody differentiates, and
the implicit rule becomes that of a `call`. Nothing can be raised when the program runs:
where no solution is found the result is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff import _core, call, traced
from autodiff._core import FUNCTIONS, Program, Tensor
from autodiff.creation import as_tensor
from autodiff.functional.engine import linearize
from autodiff.functional.solve import MAX_HALVINGS, SUFFICIENT
from autodiff.programs.loops import while_loop
from autodiff.rule import Shape, pack, unpack
from autodiff.shape import stack

Residual = Callable[[list[Tensor]], Tensor]

_abs, _maximum, _where, _sqrt = (
    FUNCTIONS[name] for name in ("abs", "maximum", "where", "sqrt")
)


def vector(x: Any) -> Tensor:
    """Return the elements of a tensor as a vector."""
    return _core.reshape(as_tensor(x), (_core.size_of(as_tensor(x)),))


def split(x: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """Return the parts of a vector, in their shapes."""
    if len(shapes) == 1:
        return [x[0] if shapes[0] == () else _core.reshape(x, shapes[0])]
    return unpack(x, shapes)


# ---- The derivative ------------------------------------------------------------------


def record_root(
    name: str, residual: Residual, x: Tensor, shapes: Sequence[Shape]
) -> list[Tensor]:
    """Return the parts of a solution with the implicit rule for what residual reads.

    Parameters
    ----------
    residual
        Of the parts of x; returns a vector as long as x.
    x
        The solution, (n,), of the recording; no derivative passes through it.
    """
    program, theta = _equation(residual, x, shapes)
    n, m = len(shapes), len(theta)
    by_x = program.reverse([True] * n + [False] * m, False)
    by_theta = program.reverse([False] * n + [True] * m, False)

    def adjoint(z: Tensor, z_bar: Tensor) -> list[Tensor | None]:
        at = [*split(z, shapes), *theta]
        rows = [
            pack([vector(part) for part in by_x.apply([*at, _core.from_array(unit)])])
            for unit in np.eye(_core.size_of(x))
        ]
        w = solve(stack(rows).T, z_bar)
        return list(by_theta.apply([*at, -w]))

    if not theta:
        return split(x, shapes)
    return split(call.apply(name, x, theta, adjoint=adjoint), shapes)


def _equation(
    residual: Residual, x: Tensor, shapes: Sequence[Shape]
) -> tuple[Program, list[Tensor]]:
    """Return the residual as a program, and what else it depends on."""
    recording = _core.Recording()
    parts = [recording.input(_core.peek(part)) for part in split(x, shapes)]
    recording.begin()
    try:
        return recording.finish([residual(parts)]), recording.captured
    finally:
        recording.end()


def solve(a: Tensor, b: Tensor) -> Tensor:
    """Return the solution of a @ z = b; NaN or infinite where a is singular."""
    n = _core.size_of(b)
    if n == 1:
        return b / vector(a)
    found = _core.linalg("solve", [a, _core.reshape(b, (n, 1))], False, True)
    return _core.reshape(found, (n,))


# ---- The solution --------------------------------------------------------------------

GOING, FOUND, FAILED = 0.0, 1.0, 2.0


def newton(
    residual: Residual,
    start: Sequence[Any],
    shapes: Sequence[Shape],
    tol: float,
    max_steps: int,
) -> Tensor:
    """Return x with residual(x) = 0 as a vector, NaN where there is none to be found.

    Takes the steps that `solve.newton` does, save where the Jacobian is singular on the
    way: there it gives up.
    """

    def body(carry: tuple[Tensor, Tensor]) -> tuple[Any, Any]:
        return _step(residual, carry[0], shapes, tol)

    first = pack([vector(part) for part in start])
    x, state = while_loop(
        lambda carry: carry[1] <= GOING, body, (first, as_tensor(GOING)), max_steps
    )
    found = traced.MASKS["equal"](state, FOUND)
    return _where(found, x, np.nan)  # type: ignore[no-any-return]


def _step(
    residual: Residual, x: Tensor, shapes: Sequence[Shape], tol: float
) -> tuple[Tensor, Tensor]:
    r, jacobian = _evaluate(residual, x, shapes)
    step = solve(jacobian, -r)
    is_sound = _finite(r) * _finite(vector(jacobian)) * _finite(step)
    is_zero = _row("_eq", _norm(r), 0.0)
    change = _largest(_abs(step) / _maximum(1.0, _abs(x)))
    rest = _norm(jacobian @ step + r)
    helps = _row("_le", rest, 0.5 * _norm(r))
    there, is_closer = _line_search(residual, x, r, step, shapes)
    small = _where(is_closer, tol, math.sqrt(tol))
    is_done = helps * _row("_le", change, small)
    going = _where(is_closer, GOING, FAILED)
    state = _where(is_sound, _where(is_done, FOUND, going), FAILED)
    moves = is_sound * is_closer * _row("_eq", is_zero, 0.0)
    return _where(moves, there, x), _where(is_zero, FOUND, state)


def _evaluate(
    residual: Residual, x: Tensor, shapes: Sequence[Shape]
) -> tuple[Tensor, Tensor]:
    """Return residual and Jacobian in x."""
    linear = linearize(lambda xs: ([residual(xs)], []), split(x, shapes))
    rows = []
    for unit in np.eye(_core.size_of(x)):
        found = linear.pull_back([_core.from_array(unit)])
        rows.append(
            pack(
                [
                    vector(np.zeros(s) if part is None else part)
                    for part, s in zip(found, shapes, strict=True)
                ]
            )
        )
    return linear.outputs[0], stack(rows)


def _line_search(
    residual: Residual, x: Tensor, r: Tensor, step: Tensor, shapes: Sequence[Shape]
) -> tuple[Tensor, Tensor]:
    """Return the first of x + step, x + step/2, ... that is closer, whether one is."""
    size = _norm(r)

    def is_far(carry: tuple[Tensor, Tensor]) -> Any:
        share, found = carry
        closer = _row("_le", found, (1.0 - SUFFICIENT * share) * size)
        return _row("_eq", closer, 0.0) * _row("_gt", share, 0.5**MAX_HALVINGS)

    def halve(carry: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        share = carry[0] / 2.0
        return share, _norm(residual(split(x + share * step, shapes)))

    first = _norm(residual(split(x + step, shapes)))
    share, found = while_loop(is_far, halve, (as_tensor(1.0), first), MAX_HALVINGS + 1)
    closer = _row("_le", found, (1.0 - SUFFICIENT * share) * size)
    there: Tensor = x + share * step
    return there, closer


def _row(name: str, x: Any, y: Any) -> Any:
    return _core.apply_row(name, x, y)


def _finite(x: Tensor) -> Any:
    return traced.all_of(_row("_lt", _abs(x), np.inf), None, False)


def _largest(x: Tensor) -> Any:
    return _core.reduce_axes(x, None, False, "max")


def _norm(x: Tensor) -> Any:
    """Return the length of a vector, without overflow on the way."""
    scale = _largest(_abs(x))
    safe = _where(_row("_gt", scale, 0.0), scale, 1.0)
    unit = x / safe
    return safe * _sqrt((unit * unit).sum()) * _row("_ne", scale, 0.0)
