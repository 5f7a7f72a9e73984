"""Derivatives by few sweeps in one program: sparse matrices, and dense Hessians.

Where a matrix is sparse by the structure of its program, columns (or rows) that do not
meet share a sweep. The sweeps for all colours, with constant seeds, are put into one
program that also lays the entries out: one run over one point, no lanes. What does not
depend on the seeds is computed once, and where a seed is 0 so is what it is multiplied
by, before the program ever runs.

Invariant: the result is that of one sweep for each column, zeros included. Called by
`paths` and `sparse_derivatives`, which keep what is made here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import _core, shape
from autodiff._core import Program, Tensor
from autodiff.errors import ArgumentError, LinAlgError
from autodiff.programs.recording import record
from autodiff.sparse import Coloring, Pattern

FEWEST = 16  # columns of a dense Hessian; below, a sweep for each is as good
MOST_ENTRIES = 1 << 22  # of the dense matrix
MOST_INSTRUCTIONS = 1 << 18  # of all sweeps
MOST_COLORS = 32  # of a sparse matrix; beyond, lanes are as good and take less room
MOST_SEEDED = 1 << 22  # numbers in all seeds


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
    side = gradient.input_shapes[at]
    rows, columns = coloring.pattern.rows(), coloring.pattern.columns
    places = rows.astype(np.int64) * n + columns

    def matrix(leaves: list[Tensor]) -> Tensor:
        found = _entries(tangent, coloring, side, leaves)
        return _core.reshape(_core.put(np.zeros(n * n), places, found), (*side, *side))

    points = [np.ones(s) if s else 1.0 for s in gradient.input_shapes]
    try:
        return _finished(matrix, points)
    except LinAlgError:  # of a matrix of ones, of which nobody asked for the inverse
        return None


def entries_program(
    program: Program,
    coloring: Coloring,
    wanted: Sequence[bool],
    points: Sequence[Any],
) -> Program | None:
    """Return a program of the entries of a Jacobian, or None where that gains nothing.

    Parameters
    ----------
    program
        Its only output, in its one wanted input, has the Jacobian.
    coloring
        Of the Jacobian; its pattern's order is that of the entries.
    wanted
        Which input that is.
    points
        Values of all inputs at which the program can run.
    """
    n_seeds = coloring.n_colors * coloring.n_seeded
    if not 0 < coloring.n_colors <= MOST_COLORS or n_seeds > MOST_SEEDED:
        return None
    if coloring.n_colors * program.n_instructions > MOST_INSTRUCTIONS:
        return None
    is_row = coloring.kind == "row"
    derive = program.reverse if is_row else program.forward
    step = derive(tuple(wanted), False)
    if coloring.n_colors * step.n_instructions > MOST_INSTRUCTIONS:
        return None
    [at] = [k for k, want in enumerate(wanted) if want]
    side = program.output_shapes[0] if is_row else program.input_shapes[at]
    return _finished(lambda leaves: _entries(step, coloring, side, leaves), points)


def _finished(function: Any, points: Sequence[Any]) -> Program:
    """Record, and let equal instructions of the sweeps become one."""
    return record(function, list(points), "a derivative").program.with_outputs([0])


def _coloring(gradient: Program, wanted: Sequence[bool]) -> Coloring:
    """Return the colouring with the fewest colours."""
    pattern = Pattern.of_program(gradient, wanted).symmetrized()
    columns = pattern.color("column")
    try:
        symmetric = pattern.color("symmetric")
    except ArgumentError:
        return columns
    return symmetric if symmetric.n_colors < columns.n_colors else columns


def _entries(
    step: Program, coloring: Coloring, side: Sequence[int], leaves: list[Tensor]
) -> Tensor:
    """Return the entries of the matrix, by one sweep for each colour."""
    n = coloring.n_products
    products = [
        _core.reshape(step.apply([*leaves, _seed(seed, side)])[0], (n,))
        for seed in coloring.seeds()
    ]
    together = shape.cat(products) if len(products) > 1 else products[0]
    return _core.gather(together, coloring.places())


def _seed(seed: Any, side: Sequence[int]) -> Any:
    return seed.reshape(tuple(side)) if len(side) else float(seed[0])
