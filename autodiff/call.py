"""Operations with derivatives of their own, in functions that are being recorded.

On the tape such an operation is an entry whose `Rule` is asked by the sweeps. A program
is differentiated later and elsewhere, without Python, so here the rule is recorded too:
as a program for the adjoint and one for the tangent, each of which follows from the
other, being linear. The recorded value and these two make one instruction, CALL
(csrc/call.h). What a rule reads of the function that is being recorded (saved values,
arguments, closures) is found while the rule is recorded: its context.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff import _core, traced
from autodiff._core import FUNCTIONS, Program, Tensor
from autodiff._core import apply_row as _row
from autodiff.creation import as_tensor
from autodiff.errors import TraceError
from autodiff.rule import zeros

Adjoint = Callable[[Tensor, Tensor], Sequence[Tensor | None]]
Tangent = Callable[[Tensor, list[Tensor]], Tensor]

MAX_ORDER = 4  # of derivatives through rules that call their own function

_where = FUNCTIONS["where"]


def apply(
    name: str,
    value: Tensor,
    inputs: list[Tensor],
    *,
    adjoint: Adjoint | None = None,
    tangent: Tangent | None = None,
) -> Tensor:
    """Record a value whose derivative in the inputs is what a rule says.

    Parameters
    ----------
    name
        What to call the rule in an error.
    value
        The result, whose own graph counts for nothing.
    inputs
        Tensors of the recording that the derivative is in.
    adjoint
        From (result, its adjoint) to the adjoint of each input; None is zero.
    tangent
        From (result, tangents of the inputs) to that of the result. Without either, the
        result has a value only: asked for a derivative it is an error.

    Raises
    ------
    TraceError
        When the rule chooses by an adjoint or tangent.
    """
    value = _core.stop(value)
    if adjoint is not None:
        rules = _by_adjoint(name, adjoint, value, inputs)
    elif tangent is not None:
        rules = _by_tangent(name, tangent, value, inputs)
    else:
        return _core.apply_call(value, inputs, [])
    return _core.apply_call(value, inputs, rules[2], rules[0], rules[1])


# ---- One rule, and the other from it -------------------------------------------------

Rules = tuple[Program, Program, list[Tensor]]


def _by_adjoint(name: str, rule: Adjoint, value: Tensor, inputs: list[Tensor]) -> Rules:
    shapes = [x.shape for x in inputs]

    def run(z: Tensor, z_bar: Tensor) -> list[Tensor]:
        found = rule(z, z_bar)
        return [
            zeros(s) if x is None else x for x, s in zip(found, shapes, strict=True)
        ]

    z, one = _core.peek(value), _filled(value.shape, 1.0)
    recorded, context = _record(run, [z, one], True)
    _lift_guards(name, recorded, [1], [value, one, *context])
    n = len(context)
    transposed = recorded.reverse([False, True, *[False] * n], False)

    def tangent(z: Tensor, *rest: Tensor) -> list[Tensor]:
        x_dots, seen = rest[: len(shapes)], rest[len(shapes) :]
        at = [z, zeros(value.shape), *seen, *x_dots]
        return _quiet(transposed.apply(at), x_dots)

    def adjoint(z: Tensor, z_bar: Tensor, *seen: Tensor) -> list[Tensor]:
        return _quiet(recorded.apply([z, z_bar, *seen]), [z_bar])

    values = [_core.peek(x) for x in context]
    dots = [_filled(s, 0.0) for s in shapes]
    return (
        _record(adjoint, [z, one, *values])[0],
        _record(tangent, [z, *dots, *values])[0],
        context,
    )


def _by_tangent(name: str, rule: Tangent, value: Tensor, inputs: list[Tensor]) -> Rules:
    shapes = [x.shape for x in inputs]
    m = len(shapes)

    def run(z: Tensor, *x_dots: Tensor) -> list[Tensor]:
        return [rule(z, list(x_dots))]

    z, dots = _core.peek(value), [_filled(s, 1.0) for s in shapes]
    recorded, context = _record(run, [z, *dots], True)
    _lift_guards(name, recorded, range(1, 1 + m), [value, *dots, *context])
    n = len(context)
    transposed = recorded.reverse([False, *[True] * m, *[False] * n], False)

    def adjoint(z: Tensor, z_bar: Tensor, *seen: Tensor) -> list[Tensor]:
        at = [z, *[zeros(s) for s in shapes], *seen, z_bar]
        return _quiet(transposed.apply(at), [z_bar])

    def tangent(z: Tensor, *rest: Tensor) -> list[Tensor]:
        return _quiet(recorded.apply([z, *rest]), rest[:m])

    values = [_core.peek(x) for x in context]
    return (
        _record(adjoint, [z, _filled(value.shape, 1.0), *values])[0],
        _record(tangent, [z, *dots, *values])[0],
        context,
    )


def _record(
    function: Callable[..., list[Tensor]], at: Sequence[Any], keeps_guards: bool = False
) -> tuple[Program, list[Tensor]]:
    """Return the program of a function of tensors, and what it captured."""
    recording = _core.Recording()
    inputs = [recording.input(x) for x in at]
    overrides = _core.set_overrides(None)  # a rule is as it stands
    recording.begin()
    try:
        outputs = [as_tensor(x) for x in function(*inputs)]
        return recording.finish(outputs, keeps_guards), recording.captured
    finally:
        recording.end()
        _core.set_overrides(overrides)


def _filled(shape: tuple[int, ...], number: float) -> Any:
    return np.full(shape, number) if shape else number


# ---- What may go wrong ---------------------------------------------------------------


def _quiet(found: Sequence[Tensor], seeds: Sequence[Tensor]) -> list[Tensor]:
    """Return what a rule made, without the NaNs that it makes of nothing.

    Where seeds are zero throughout the rule counts for nothing, as in a sweep, which
    would not have asked it. Its derivative in the seeds is left alone.
    """
    nothing: Any = None
    for seed in seeds:
        if _core.size_of(seed) == 0:
            continue
        is_zero = _row("_eq", traced.any_of(seed, None, False), 0.0)
        nothing = is_zero if nothing is None else nothing * is_zero
    if nothing is None:
        return list(found)
    return [
        _where(_row("_ne", x, x) * nothing, 0.0, x) if _core.is_traced(x) else x
        for x in found
    ]


def _lift_guards(
    name: str, program: Program, seeds: Sequence[int], at: Sequence[Any]
) -> None:
    """Record the guards of a rule in the function that it belongs to."""
    if not program.guards:
        return
    depends = set(seeds)
    for i, instruction in enumerate(program.instructions()):
        if depends.intersection(instruction.args):
            depends.add(i)
    for (_, line), value in zip(program.guards, program.guard_values, strict=True):
        if value in depends:
            raise TraceError(
                f"the rule of {name} chooses by an adjoint or tangent, at {line}, "
                "which in a function that is being recorded it cannot; use "
                "autodiff.where"
            )
    program.apply(at)
