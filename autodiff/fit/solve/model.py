"""The model as numbers: residuals and their exact Jacobian.

The engine is asked here and nowhere else. Every parameter becomes a leaf with one
entry per row; rows do not depend on each other, so one reverse sweep seeded with
ones leaves in each leaf's gradient that parameter's column of the Jacobian.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.formula.evaluate import evaluate
from autodiff.fit.problem import Problem

__all__ = ["Model"]

Array = npt.NDArray[np.float64]


class Model:
    """Residuals ``f(x, p) - y`` of a problem, with a count of evaluations."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.parameters = problem.names
        self.n_rows = len(problem.response)
        self.n_evaluations = 0

    def residual(self, point: Array) -> Array:
        """Return the residuals, shape (n,); NaN or inf outside the domain."""
        self.n_evaluations += 1
        names: dict[str, Any] = dict(self.problem.columns)
        names.update(zip(self.parameters, map(float, point), strict=True))
        with np.errstate(all="ignore"), ad.no_grad():
            value = evaluate(self.problem.formula.rhs, names)
            fitted = value.numpy() if isinstance(value, ad.Tensor) else value
            result: Array = np.asarray(fitted, dtype=np.float64) - self.problem.response
        return result

    def residual_and_jacobian(self, point: Array) -> tuple[Array, Array]:
        """Return residuals, shape (n,), and Jacobian, shape (n, p).

        Parameters
        ----------
        point : array of shape (p,)
            The parameters.

        Notes
        -----
        One evaluation of the formula and one reverse sweep over all rows.
        """
        self.n_evaluations += 1
        n = self.n_rows
        leaves = [ad.full((n,), float(p), requires_grad=True) for p in point]
        names: dict[str, Any] = dict(self.problem.columns)
        names.update(zip(self.parameters, leaves, strict=True))
        jacobian = np.zeros((n, len(leaves)))
        with np.errstate(all="ignore"):
            value = evaluate(self.problem.formula.rhs, names)
            value.backward(gradient=ad.ones(n))
            for j, leaf in enumerate(leaves):
                if leaf.grad is not None:
                    jacobian[:, j] = leaf.grad.numpy()
            residual = value.detach().numpy() - self.problem.response
        return residual, jacobian
