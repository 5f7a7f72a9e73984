"""Where a NaN or an infinity of a program came from, after the fact.

The program is run once more, operation by operation, and the first is named that made a
NaN or an infinity of operands without one, with the line of the user's that it comes
from; for adjoints, the same in the program of the gradient.
"""

from __future__ import annotations

import numpy as np

from autodiff._core import Program
from autodiff.programs.recording import Leaves
from autodiff.report import Finding, NanReport


def find(program: Program, inputs: Leaves, skip: int = 0) -> Finding | None:
    """Return the first operation with a bad result and good operands, or None.

    Parameters
    ----------
    program, inputs
        What to run, and at which point.
    skip
        How many instructions not to look at.

    Notes
    -----
    Costs some microseconds an instruction.
    """
    values = program.values(inputs)
    for k, instruction in enumerate(program.instructions()):
        if k < skip or np.all(np.isfinite(values[k])):
            continue
        operands = tuple(values[i] for i in instruction.args)
        if not all(np.all(np.isfinite(x)) for x in operands):
            continue
        array = np.asarray(values[k])
        element = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        return Finding(
            instruction.op,
            operands,
            float(array[element]),
            element,
            line=instruction.line,
        )
    return None


def report(primal: Program, gradient: Program | None, inputs: Leaves) -> NanReport:
    """Return what is found among the values, and among the adjoints."""
    value = find(primal, inputs)
    adjoint = None
    if value is None and gradient is not None:
        adjoint = find(gradient, inputs)
    return NanReport(value, None, adjoint, 0)
