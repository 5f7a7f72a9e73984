"""Least squares for a model linear in its parameters, refined to full precision.

One QR factor of the column-scaled design, then iterative refinement of the augmented
system ``r + A x = b, A' r = c`` with residuals summed in twice the working precision
(Å. Björck, "Iterative refinement of linear least squares solutions", 1967). The
standard errors of an ill-conditioned design come from the same refined solver.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.formula.functions import Function
from autodiff.fit.problem import Problem, Slot
from autodiff.fit.solve.doubled import Doubled
from autodiff.fit.solve.factor import Factor, column_norms
from autodiff.fit.solve.model import evaluate_at

__all__ = ["Design", "design_of", "refined_errors", "solve_linear"]

Array = npt.NDArray[np.float64]

MAX_REFINEMENTS = 40
ENOUGH = 1e-20  # a correction, relative to the solution, that changes no digit
REFINE_ERRORS_ABOVE = 1e4  # condition number of the column-scaled design


class Design:
    """The design matrix and the target in doubled precision, and the QR factor.

    `factor` belongs to the origin, where residuals are minus the target; it is None
    if an entry is not finite.
    """

    def __init__(self, columns: list[Doubled], target: Doubled) -> None:
        self.columns = columns
        self.target = target
        self.matrix = np.stack([column.high for column in columns], axis=1)
        self.factor: Factor | None = (
            None  # of the matrix, and of the target's residuals
        )
        self.q = np.zeros(0)
        if self.is_finite:
            norms = column_norms(self.matrix)
            vanished = norms == 0.0
            scale = np.where(vanished, 1.0, norms)
            self.q, r = np.linalg.qr(self.matrix / scale)
            self.factor = Factor(r, scale, -(self.q.T @ target.high), vanished)

    @property
    def is_finite(self) -> bool:
        """Whether every entry is a number."""
        return bool(
            np.isfinite(self.matrix).all() and np.isfinite(self.target.high).all()
        )


def design_of(problem: Problem, root: Array | float) -> Design:
    """Return the design of a problem that is linear in its parameters.

    The column of a parameter is the formula with that parameter 1 and the others 0,
    less the formula with all of them 0; rows are multiplied by `root`.
    """
    n, p = len(problem.response), len(problem.names)
    data = {name: Doubled(column) for name, column in problem.columns.items()}

    def value(point: Array) -> Doubled:
        def value_of(slot: Slot) -> Doubled:
            at = slot.position if slot.positions is None else slot.positions
            return Doubled(point[at])

        with np.errstate(all="ignore"), ad.no_grad():
            ways = {"call": _call, "choose": Doubled.choose}
            result = Doubled.of(evaluate_at(problem, data, value_of, **ways))
        shape = np.broadcast_shapes(result.high.shape, (n,))
        return Doubled(
            np.broadcast_to(result.high, shape), np.broadcast_to(result.low, shape)
        )

    offset = value(np.zeros(p))
    columns = [(value(unit) - offset) * root for unit in np.eye(p)]
    return Design(columns, (problem.response - offset) * root)


def _call(function: Function, operands: list[Any]) -> Doubled:
    """Apply a function in working precision."""
    plain = [
        operand.high if isinstance(operand, Doubled) else operand
        for operand in operands
    ]
    value = function.call(*plain)
    return Doubled(value.numpy() if isinstance(value, ad.Tensor) else value)


def solve_linear(design: Design, factor: Factor) -> tuple[Array, Array]:
    """Return the parameters, shape (p,), and the residuals ``A x - b``, shape (n,).

    Parameters
    ----------
    design : Design
        Of full column rank.
    factor : Factor
        Of its matrix.
    """
    zeros = np.zeros(len(factor.scale))
    point, residual = _refine(design, factor, design.target, zeros)
    # The residuals of the parameters as rounded: exactly zero for an exact fit.
    rounded = -_misfit(design, design.target, Doubled(point)).high
    tiny = 16.0 * np.finfo(np.float64).eps * np.abs(design.target.high).max()
    if np.abs(rounded).max() <= tiny:
        return point, rounded
    return point, -residual


def refined_errors(design: Design, factor: Factor) -> Array:
    """Return ``sqrt(diag((A'A)^-1))``, shape (p,)."""
    size = len(factor.scale)
    if factor.s[0] < REFINE_ERRORS_ABOVE * factor.s[-1]:
        return factor.unscaled_errors()
    zero = Doubled(np.zeros(len(design.matrix)))
    variances = np.empty(size)
    for j in range(size):
        unit = np.zeros(size)
        unit[j] = -1.0
        variances[j] = _refine(design, factor, zero, unit)[0][j]
    return np.sqrt(variances)


def _misfit(design: Design, target: Doubled, point: Doubled) -> Doubled:
    result = target
    for j, column in enumerate(design.columns):
        result = result - column * point[j]
    return result


def _refine(
    design: Design, factor: Factor, target: Doubled, moments: Array
) -> tuple[Array, Array]:
    """Solve ``r + A x = target, A' r = moments``; return x and r."""
    point = Doubled(np.zeros(len(moments)))
    residual = Doubled(np.zeros(len(design.matrix)))
    previous = np.inf
    for _ in range(MAX_REFINEMENTS):
        f = (_misfit(design, target, point) - residual).high
        products = [(column * residual).sum() for column in design.columns]
        g = np.array(
            [float((m - s).high) for m, s in zip(moments, products, strict=True)]
        )
        h = np.linalg.solve(factor.r.T, g / factor.scale)
        along = design.q.T @ f
        step = np.linalg.solve(factor.r, along - h) / factor.scale
        size = float(np.linalg.norm(factor.scale * step))
        if not size < 0.5 * previous:
            break
        point = point + step
        residual = residual + (f - design.q @ (along - h))
        previous = size
        if size <= ENOUGH * float(np.linalg.norm(factor.scale * point.high)):
            break
    return point.high, residual.high
