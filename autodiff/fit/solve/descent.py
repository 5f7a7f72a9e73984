"""Descend from a start: trust-region Levenberg-Marquardt.

A trial step that leaves the formula's domain only shrinks the region. Where the
descent stops says nothing about success; that is judged elsewhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from autodiff.fit.solve.bounds import Box
from autodiff.fit.solve.factor import Factor, trust_region_step
from autodiff.fit.solve.model import Model

__all__ = ["descend"]

Array = npt.NDArray[np.float64]

CREEPING = 500  # evaluations in which the objective should fall by 0.1 %
NO_GAIN = 1e-15  # a promised decrease, or a step, below this is rounding


def descend(
    model: Model, box: Box, start: Array, *, radius_factor: float, limit: int
) -> tuple[Array, Array]:
    """Lower the objective until a step promises nothing.

    Parameters
    ----------
    model : Model
        The objective.
    box : Box
        Where points may be.
    start : array of shape (p,)
        Where to begin, inside.
    radius_factor : float
        First trust-region radius, in lengths of the scaled start.
    limit : int
        Of the model's count of evaluations.

    Returns
    -------
    point : array of shape (p,)
        The lowest point reached.
    metric : array of shape (p,)
        The longest Jacobian columns seen on the way.
    """
    here = model.linearize(start)
    if here.factor is None:
        return start, np.ones(len(start))
    descent = _Descent(model, box, start, here.objective, here.factor, radius_factor)
    milestone, height = model.n_evaluations + CREEPING, descent.objective
    while model.n_evaluations < limit and descent.step():
        if model.n_evaluations >= milestone:
            if descent.objective > 0.999 * height:
                break  # along a valley floor; Newton steps may do better
            milestone, height = model.n_evaluations + CREEPING, descent.objective
    return descent.point, descent.metric


class _Descent:
    """The current point with its factor, metric and trust region."""

    def __init__(
        self,
        model: Model,
        box: Box,
        point: Array,
        objective: float,
        factor: Factor,
        radius_factor: float,
    ) -> None:
        self.model, self.box = model, box
        self.metric = factor.scale
        self._move(point, objective, factor)
        length = float(np.linalg.norm(self.metric * point))
        self.radius = radius_factor * (length if length > 0.0 else 1.0)
        self.smallest = max(1e-30 * self.radius, 1e-290)

    def _move(self, point: Array, objective: float, factor: Factor) -> None:
        self.point, self.objective, self.factor = point, objective, factor
        norms = np.where(factor.vanished, 0.0, factor.scale)
        self.metric = np.maximum(self.metric, norms)

    def step(self) -> bool:
        """Try one step; return False when there is nothing left to gain."""
        if not self.radius > self.smallest:
            return False
        dampings = []

        def damped(factor: Factor, free: npt.NDArray[np.bool_]) -> Array:
            step, damping = trust_region_step(factor, self.metric[free], self.radius)
            dampings.append(damping)
            return step

        trial = self.box.step(self.point, self.factor, damped)
        step = trial - self.point
        length = float(np.linalg.norm(self.metric * step))
        promised = self.factor.decrease(step)
        size = float(np.linalg.norm(self.metric * self.point))
        if not (promised > NO_GAIN * self.objective and length > NO_GAIN * size):
            return False
        gain = self._try(trial, promised)
        if gain < 0.25:
            self.radius = 0.25 * min(self.radius, length)
        elif gain > 0.75 or dampings[-1] == 0.0:
            self.radius = max(self.radius, 2.0 * length)
        return True

    def _try(self, trial: Array, promised: float) -> float:
        """Move to a trial point if it is lower; return gained over promised."""
        objective = self.model.objective(trial)
        if not np.isfinite(objective):
            return -np.inf
        gain = (self.objective - objective) / promised
        if gain > 1e-4:
            there = self.model.linearize(trial)
            if there.factor is None:
                return -np.inf
            self._move(trial, there.objective, there.factor)
        return gain
