"""The model of a function of residuals, for code in place of a formula.

The function is compiled, so its Jacobian and second derivatives are exact; all rows are
one block.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.problem import Problem
from autodiff.fit.solve.model import Block, Model

__all__ = ["ResidualModel"]

Array = npt.NDArray[np.float64]


class ResidualModel(Model):
    """The objective of residuals that a function computes.

    Parameters
    ----------
    function : callable
        Takes a point of shape (p,), returns n residuals.
    problem : Problem
        Names, bounds and a response of n zeros.
    loss : str
        A name in `LOSSES` of a loss of residuals.
    """

    def __init__(
        self, function: Callable[[Any], Any], problem: Problem, loss: str = "normal"
    ):
        super().__init__(problem, loss)
        self._function = function
        self.block_rows = max(1, self.n_rows)

    def like(self, loss: str) -> Model:
        """Return the model of the same residuals with another loss."""
        return self._sharing(ResidualModel(self._function, self.problem, loss))

    @cached_property
    def _compiled(self) -> Any:
        return ad.compile(self._function)

    @cached_property
    def _weighted(self) -> Any:
        return ad.compile(lambda point, w: ad.dot(self._function(point), w))

    @cached_property
    def _value(self) -> Callable[..., Any]:
        return lambda point: np.asarray(self._compiled(point), dtype=np.float64)

    def _arguments(self, point: Array, rows: slice) -> tuple[Any, ...]:
        return (point,)

    def fitted(self, point: Array, rows: slice = slice(None)) -> Array:
        """Return the values of the function in some rows, shape (n,)."""
        return self._value(point)[rows]  # type: ignore[no-any-return]

    def _block(self, point: Array, rows: slice) -> Block:
        jacobian = np.asarray(self._compiled.jacobian(point), dtype=np.float64)
        return Block(rows, self._value(point), jacobian)

    def curvature(self, point: Array) -> Array:
        """Return what the Hessian of the objective has beyond ``J'J``, shape (p, p)."""
        self.budget.take()
        [block] = self.blocks(point)
        costs = self.costs(block.fitted)
        rest = (costs.second - costs.weight)[:, None]
        bends = np.asarray(self._weighted.hessian(point, costs.first), dtype=np.float64)
        result: Array = bends + block.jacobian.T @ (rest * block.jacobian)
        return result if np.isfinite(result).all() else np.zeros_like(result)
