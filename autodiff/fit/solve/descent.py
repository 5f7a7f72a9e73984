"""Descend from a start: trust-region Levenberg-Marquardt.

A trial step that leaves the formula's domain only shrinks the region. Where the
descent stops says nothing about success; that is judged elsewhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from autodiff.fit.solve.factor import Factor, column_norms, factorize, trust_region_step
from autodiff.fit.solve.model import Model

__all__ = ["descend", "is_finite"]

Array = npt.NDArray[np.float64]

CREEPING = 500  # evaluations in which the sum of squares should fall by 0.1 %
NO_GAIN = 1e-15  # a promised decrease, or a step, below this is rounding


def is_finite(residual: Array, jacobian: Array) -> bool:
    """Whether residuals, Jacobian and the sums over them are finite."""
    squares = residual @ residual + column_norms(jacobian).sum()
    return bool(np.isfinite(squares) and np.isfinite(jacobian).all())


def descend(
    model: Model, start: Array, *, radius_factor: float, share: int
) -> tuple[Array, Array]:
    """Lower the sum of squares until a step promises nothing.

    Parameters
    ----------
    model : Model
        Residuals and Jacobian.
    start : array of shape (p,)
        Where to begin.
    radius_factor : float
        First trust-region radius, in lengths of the scaled start.
    share : int
        Evaluations allowed.

    Returns
    -------
    point : array of shape (p,)
        The lowest point reached.
    metric : array of shape (p,)
        The longest Jacobian columns seen on the way.
    """
    residual, jacobian = model.residual_and_jacobian(start)
    if not is_finite(residual, jacobian):
        return start, np.ones(len(start))
    descent = _Descent(model, start, residual, jacobian, radius_factor)
    limit = model.n_evaluations + share
    milestone, height = model.n_evaluations + CREEPING, descent.rss
    while model.n_evaluations < limit and descent.step():
        if model.n_evaluations >= milestone:
            if descent.rss > 0.999 * height:
                break  # along a valley floor; Newton steps may do better
            milestone, height = model.n_evaluations + CREEPING, descent.rss
    return descent.point, descent.metric


class _Descent:
    """The current point with its factor, metric and trust region."""

    def __init__(
        self,
        model: Model,
        point: Array,
        residual: Array,
        jacobian: Array,
        radius_factor: float,
    ) -> None:
        self.model = model
        self.metric = column_norms(jacobian)
        self.metric[self.metric == 0.0] = 1.0
        self._move(point, residual, jacobian)
        length = float(np.linalg.norm(self.metric * point))
        self.radius = radius_factor * (length if length > 0.0 else 1.0)
        self.smallest = max(1e-30 * self.radius, 1e-290)

    def _move(self, point: Array, residual: Array, jacobian: Array) -> None:
        self.point, self.residual, self.jacobian = point, residual, jacobian
        self.rss = float(residual @ residual)
        self.factor: Factor = factorize(jacobian)
        self.metric = np.maximum(self.metric, column_norms(jacobian))

    def step(self) -> bool:
        """Try one step; return False when there is nothing left to gain."""
        if not self.radius > self.smallest:
            return False
        step, damping = trust_region_step(
            self.factor, self.residual, self.metric, self.radius
        )
        length = float(np.linalg.norm(self.metric * step))
        linear = self.residual + self.jacobian @ step
        promised = self.rss - float(linear @ linear)
        size = float(np.linalg.norm(self.metric * self.point))
        if not (promised > NO_GAIN * self.rss and length > NO_GAIN * size):
            return False
        gain = self._try(self.point + step, promised)
        if gain < 0.25:
            self.radius = 0.25 * min(self.radius, length)
        elif gain > 0.75 or damping == 0.0:
            self.radius = max(self.radius, 2.0 * length)
        return True

    def _try(self, trial: Array, promised: float) -> float:
        """Move to a trial point if it is lower; return gained over promised."""
        residual = self.model.residual(trial)
        rss = float(residual @ residual)
        if not np.isfinite(rss):
            return -np.inf
        gain = (self.rss - rss) / promised
        if gain > 1e-4:
            residual, jacobian = self.model.residual_and_jacobian(trial)
            if not is_finite(residual, jacobian):
                return -np.inf
            self._move(trial, residual, jacobian)
        return gain
