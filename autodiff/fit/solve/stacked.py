"""Small least-squares algebra for many problems at once.

The last axis counts problems, g of them, so that each NumPy call is one long loop over
all: a Jacobian is (p, m, g), a triangle (p, p, g), a vector (p, g). Nothing here knows
formulas. Modified Gram-Schmidt on Jacobian and residual together is as stable as
Householder's method for the solution (Bjorck, Numerical Methods for Least Squares
Problems, 1996, section 2.4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Triangle", "damped_step", "solve_positive", "triangle"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Triangle(NamedTuple):
    """``J = Q R diag(scale)`` of each problem, and what it makes of the residual.

    Attributes
    ----------
    r : array of shape (p, p, g)
        Upper triangular, of unit column norms.
    qtr : array of shape (p, g)
        Q' times the residual.
    scale : array of shape (p, g)
        Norms of the Jacobian's columns; 1 where a column vanishes.
    """

    r: Array
    qtr: Array
    scale: Array

    def step(self, curvature: Array | None = None) -> tuple[Array, Mask]:
        """Return the undamped step, (p, g), and where the sum of squares bends down.

        Gauss-Newton; Newton where there is a curvature, shape (p, p, g), and it leaves
        the Hessian positive.
        """
        inverse = self.inverse()
        target = -self.qtr
        bends = np.zeros(self.r.shape[2], dtype=np.bool_)
        if curvature is not None:
            scaled = curvature / (self.scale[:, None] * self.scale[None])
            half = np.einsum("jig,jkg->ikg", inverse, scaled)
            inner = np.einsum("ikg,klg->ilg", half, inverse)
            for i in range(len(inner)):
                inner[i, i] += 1.0
            newton, positive = solve_positive(inner, target)
            target, bends = np.where(positive, newton, target), ~positive
        step: Array = np.einsum("ijg,jg->ig", inverse, target) / self.scale
        return step, bends

    def inverse(self) -> Array:
        """Return the inverse of `r`, shape (p, p, g); infinite where there is none."""
        p = len(self.r)
        inverse = np.zeros_like(self.r)
        for i in reversed(range(p)):
            above = inverse[i + 1 :]
            row = -np.einsum("jg,jkg->kg", self.r[i, i + 1 :], above)
            row[i] += 1.0
            inverse[i] = row / self.r[i, i]
        return inverse

    def errors(self) -> Array:
        """Return ``sqrt(diag((J'J)^-1))``, shape (p, g)."""
        errors: Array = np.sqrt((self.inverse() ** 2).sum(axis=1)) / self.scale
        return errors

    def rank_ratio(self) -> Array:
        """Return smallest over largest singular value of `r`, shape (g,)."""
        values = np.linalg.svd(np.moveaxis(self.r, -1, 0), compute_uv=False)
        ratio: Array = values[:, -1] / np.maximum(values[:, 0], 1e-300)
        return ratio


def solve_positive(matrix: Array, target: Array) -> tuple[Array, Mask]:
    """Solve symmetric systems, (p, p, g), by L D L'; say which are positive."""
    p = len(matrix)
    work, solution = matrix.copy(), target.copy()
    positive = np.ones(matrix.shape[2], dtype=np.bool_)
    for i in range(p):
        positive &= work[i, i] > 0.0
        factor = work[i + 1 :, i] / work[i, i]
        work[i + 1 :, i + 1 :] -= factor[:, None] * work[i, i + 1 :]
        solution[i + 1 :] -= factor * solution[i]
    for i in reversed(range(p)):
        above = np.einsum("jg,jg->g", work[i, i + 1 :], solution[i + 1 :])
        solution[i] = (solution[i] - above) / work[i, i]
    return solution, positive


def triangle(jacobian: Array, residual: Array) -> Triangle:
    """Factorize Jacobians, shape (p, m, g), with their residuals, shape (m, g).

    Both are used up. All entries must be finite. Columns that vanish, or depend on
    earlier ones to the last digit, leave a zero on the diagonal.
    """
    p, _, g = jacobian.shape
    scale = np.sqrt(np.einsum("pmg,pmg->pg", jacobian, jacobian))
    scale[scale == 0.0] = 1.0
    jacobian /= scale[:, None]
    r, qtr = np.zeros((p, p, g)), np.zeros((p, g))
    for i in range(p):
        q = jacobian[i]
        norm = np.sqrt(np.einsum("mg,mg->g", q, q))
        r[i, i] = norm
        q /= np.where(norm > 0.0, norm, 1.0)
        if i + 1 < p:
            rest = jacobian[i + 1 :]
            r[i, i + 1 :] = np.einsum("pmg,mg->pg", rest, q)
            rest -= r[i, i + 1 :, None] * q
        qtr[i] = np.einsum("mg,mg->g", residual, q)
        residual -= qtr[i] * q
    return Triangle(r, qtr, scale)


def damped_step(factor: Triangle, metric: Array, damping: Array) -> Array:
    """Return the Levenberg-Marquardt step, shape (p, g).

    Minimises ``|J step + residual|^2 + damping |metric step|^2`` by a second
    factorization, so no condition number is squared.

    Parameters
    ----------
    factor : Triangle
        At the current points.
    metric : array of shape (p, g)
        Positive lengths of a unit of each parameter.
    damping : array of shape (g,)
        Not negative.
    """
    p, _, g = factor.r.shape
    stacked = np.zeros((p, 2 * p, g))
    stacked[:, :p] = np.moveaxis(factor.r * (factor.scale / metric), 0, 1)
    stacked[np.arange(p), p + np.arange(p)] = np.sqrt(damping)
    target = np.zeros((2 * p, g))
    target[:p] = factor.qtr
    step, _ = triangle(stacked, target).step()
    damped: Array = step / metric
    return damped
