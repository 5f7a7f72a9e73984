"""Dense derivatives by few sweeps: a program that makes a whole sparse Hessian.

Where a matrix is sparse by the structure of its program, columns that do not meet share
a sweep. The sweeps for all colours, with constant seeds, are put into one program that
also lays the entries out: one run over one point, no lanes, and what does not depend on
the seeds is computed once.

Invariant: the result is that of one sweep for each column, zeros included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import _core, shape
from autodiff._core import Program, Tensor
from autodiff.errors import ArgumentError
from autodiff.programs.recording import record
from autodiff.sparse import Coloring, Pattern

FEWEST = 16  # columns; below, a sweep for each is as good
MOST_ENTRIES = 1 << 22  # of the dense matrix
MOST_INSTRUCTIONS = 1 << 18  # of all sweeps


def hessian_program(gradient: Program, wanted: Sequence[bool]) -> Program | None:
    """Return a program of the dense Hessian, or None where that gains nothing.

    Parameters
    ----------
    gradient
        Its only output is the gradient in the one wanted input.
    wanted
        Which input that is.
    """
    [at] = [k for k, want in enumerate(wanted) if want]
    n = math.prod(gradient.input_shapes[at])
    if n < FEWEST or n * n > MOST_ENTRIES or len(gradient.output_shapes) != 1:
        return None
    if gradient.n_instructions > MOST_INSTRUCTIONS:
        return None
    coloring = _coloring(gradient, wanted)
    tangent = gradient.forward(tuple(wanted), False)
    cost = coloring.n_colors * tangent.n_instructions
    if 2 * coloring.n_colors > n or cost > MOST_INSTRUCTIONS:
        return None
    return _laid_out(tangent, coloring, gradient.input_shapes, at)


def _coloring(gradient: Program, wanted: Sequence[bool]) -> Coloring:
    """Return the colouring with the fewest colours."""
    pattern = Pattern.of_program(gradient, wanted).symmetrized()
    columns = pattern.color("column")
    try:
        symmetric = pattern.color("symmetric")
    except ArgumentError:
        return columns
    return symmetric if symmetric.n_colors < columns.n_colors else columns


def _laid_out(
    tangent: Program, coloring: Coloring, in_shapes: Sequence[Any], at: int
) -> Program:
    """Return a program of all sweeps, whose output is the dense matrix."""
    pattern, side = coloring.pattern, in_shapes[at]
    n = pattern.shape[0]
    places = pattern.rows().astype(np.int64) * n + pattern.columns

    def matrix(leaves: list[Tensor]) -> Tensor:
        products = [
            _core.reshape(tangent.apply([*leaves, seed.reshape(side)])[0], (n,))
            for seed in coloring.seeds()
        ]
        entries = _core.gather(shape.cat(products), coloring.places())
        dense = _core.put(np.zeros(n * n), places, entries)
        return _core.reshape(dense, (*side, *side))

    points = [np.ones(s) if s else 1.0 for s in in_shapes]
    recorded = record(matrix, points, "a Hessian").program
    return recorded.with_outputs([0])  # equal instructions of the sweeps become one
