"""Profiles: how well the best fit with one parameter held elsewhere still fits.

The profile of parameter j is the smallest objective F(v) over the other parameters
while j is held at v. Its signed root ``sqrt(2 (F(v) - F_min)) / s`` is a straight line
through 0 where a Wald interval is right; an interval of the profile ends where the
root reaches the quantile, however bent the model is (D. M. Bates and D. G. Watts,
"Nonlinear Regression Analysis and Its Applications", 1988, section 6.1).

Invariant: the slope of the profile is the j-th entry of the gradient there, so the
ends are found by Newton steps on the root, a few refits each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Curve", "End", "ProfileCurve", "Profiler", "Refit", "profile_curve"]

Array = npt.NDArray[np.float64]

MAX_STEPS = 100
MAX_REFITS = 60
CLOSE = 1e-9  # of the root, relative to its target
JUMP = 3.0  # times its target, a root is of another valley
FAR = 1e7  # standard errors, beyond which an interval is called open


class Expansion(Protocol):
    """A model in the neighbourhood of a point."""

    @property
    def objective(self) -> float:
        """The sum of losses; infinity outside the domain."""

    @property
    def gradient(self) -> Array:
        """Its gradient, shape (p,)."""

    @property
    def factor(self) -> object | None:
        """None outside the domain."""

    @property
    def root(self) -> Array:
        """A matrix R with ``R' R`` the Gauss-Newton Hessian, shape (p, p)."""


class Curve(Protocol):
    """What is asked of a model."""

    def linearize(self, point: Array) -> Expansion:
        """Return the model in the neighbourhood of a point."""

    def curvature(self, point: Array) -> Array:
        """Return what the Hessian has beyond Gauss-Newton, shape (p, p)."""


class Refit(NamedTuple):
    """The best fit with one parameter held: where, how good, and its slope."""

    point: Array
    objective: float
    slope: float


class End(NamedTuple):
    """One end of an interval; `kind` is ``found``, ``bound``, ``open`` or ``lost``."""

    value: float
    kind: str


class ProfileCurve(NamedTuple):
    """A profile at several values of its parameter, in increasing order.

    Attributes
    ----------
    values : array of shape (m,)
        Of the parameter that is held.
    roots : array of shape (m,)
        Signed roots there, in standard deviations; a straight line where Wald's
        interval is right. NaN where no fit was found.
    points : array of shape (m, p)
        All parameters of the best fits.
    """

    values: Array
    roots: Array
    points: Array


@dataclass(frozen=True)
class Profiler:
    """The profiles of a minimum.

    Attributes
    ----------
    model : Curve
        Objective and derivatives.
    point : array of shape (p,)
        The minimum.
    variance : float
        What a unit of the objective is worth: s^2, or 1 where errors are absolute.
    lower, upper : array of shape (p,)
        Bounds of the parameters.
    cov : array of shape (p, p)
        Covariance of the parameters: how the others follow one that is moved.
    """

    model: Curve
    point: Array
    minimum: float
    variance: float
    lower: Array
    upper: Array
    cov: Array

    def root(self, refit: Refit) -> float:
        """Return ``sqrt(2 (F - F_min)) / s``, never negative."""
        return math.sqrt(
            max(0.0, 2.0 * (refit.objective - self.minimum) / self.variance)
        )

    def near(self, j: int, value: float) -> Array:
        """Return where the others would go with parameter `j`, were all linear."""
        column = self.cov[:, j] / self.cov[j, j]
        moved = (value - self.point[j]) * np.where(np.isfinite(column), column, 0.0)
        result: Array = self.point + moved
        return result

    def refit(self, j: int, value: float, start: Array) -> Refit | None:
        """Minimise over all but parameter `j`; None where that fails.

        Notes
        -----
        Damped Newton steps from `start`, usually three to six.
        """
        point = np.clip(start, self.lower, self.upper)
        point[j] = value
        damping, here = 0.0, self.model.linearize(point)
        for _ in range(MAX_STEPS):
            if here.factor is None:
                return None
            gradient, hessian = here.gradient, here.root.T @ here.root
            if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
                return None
            free = self._free(j, point, gradient)
            size = np.sqrt(np.maximum(np.diagonal(hessian), 1e-300))
            bent = hessian + self.model.curvature(point)
            step = _newton(gradient, hessian, bent, size, free, damping)
            gain, objective = -float(gradient @ step), here.objective
            if gain <= 1e-14 * max(objective, self.variance):
                break
            trial = np.clip(point + step, self.lower, self.upper)
            there = self.model.linearize(trial)
            if there.objective <= objective:
                stuck = there.objective > objective - 1e-14 * abs(objective)
                point, here, damping = trial, there, damping / 10.0
                damping = damping if damping > 1e-8 else 0.0
                if stuck and gain < 1e-9 * max(objective, self.variance):
                    break
            else:
                damping = max(10.0 * damping, 1e-4)
                if damping > 1e12:
                    break
        else:
            return None
        return Refit(point, here.objective, float(here.gradient[j]))

    def end(self, j: int, direction: int, target: float, first: float) -> End:
        """Find where the root of parameter `j` reaches `target`.

        Parameters
        ----------
        j : int
            Which parameter.
        direction : {-1, 1}
            The lower or the upper end.
        target : float
            The quantile: the root at the end.
        first : float
            A guess of the distance, the Wald one; positive.
        """
        limit = self.upper[j] if direction > 0 else self.lower[j]
        near, far, distance = 0.0, math.inf, first  # near: below the target; far: above
        course = self.near(j, float(self.point[j] + direction * first)) - self.point
        course /= first  # which way the others go, for a unit of distance
        for _ in range(MAX_REFITS):
            value = self.point[j] + direction * distance
            at_limit = direction * (value - limit) >= 0.0
            value = limit if at_limit else value
            distance = abs(value - self.point[j])
            refit = self.refit(j, value, self.point + distance * course)
            root = math.inf if refit is None else self.root(refit)
            if refit is None or root > JUMP * target:
                # It failed, or fell into another valley: from nearer it may not.
                if distance - near <= 1e-6 * max(near, first):
                    break
                distance = 0.5 * (near + distance)
                continue
            if abs(root - target) <= CLOSE * target:
                return End(float(value), "found")
            if distance > 0.0:
                course = (refit.point - self.point) / distance
            if root < target:
                if at_limit:
                    return End(float(limit), "bound")
                near = distance
            else:
                far = distance
            distance = self._next(refit, root, target, direction, near, far, distance)
            if far - near <= 1e-13 * abs(self.point[j] + direction * near):
                break
            if distance > FAR * first:
                return End(direction * math.inf, "open")
        return End(float(self.point[j] + direction * near), "lost")

    def _next(
        self,
        refit: Refit,
        root: float,
        target: float,
        direction: int,
        near: float,
        far: float,
        distance: float,
    ) -> float:
        """Return the distance a Newton step on the root leads to, bracketed."""
        slope = direction * refit.slope / (self.variance * root) if root > 0.0 else 0.0
        if slope > 0.0:
            step = distance + (target - root) / slope
            if near < step < far and step < 10.0 * distance:
                return step
        return 0.5 * (near + far) if math.isfinite(far) else 4.0 * distance

    def _free(self, j: int, point: Array, gradient: Array) -> npt.NDArray[np.bool_]:
        """Say which parameters may move: not `j`, and none against its bound."""
        free = ((point > self.lower) | (gradient < 0.0)) & (
            (point < self.upper) | (gradient > 0.0)
        )
        free[j] = False
        return free


def _newton(
    gradient: Array,
    hessian: Array,
    bent: Array,
    size: Array,
    free: npt.NDArray[np.bool_],
    damping: float,
) -> Array:
    """Return the Newton step over `free`, Gauss-Newton where that is no descent."""
    step = np.zeros_like(gradient)
    if not free.any():
        return step
    scale = size[free]
    slope = gradient[free] / scale
    for matrix in (bent, hessian):
        scaled = matrix[np.ix_(free, free)] / np.outer(scale, scale)
        scaled = scaled + damping * np.eye(len(scale))
        if not np.isfinite(scaled).all():
            continue
        values, vectors = np.linalg.eigh(0.5 * (scaled + scaled.T))
        if values[0] > 1e-14 * values[-1]:
            step[free] = -(vectors @ ((vectors.T @ slope) / values)) / scale
            return step
    values = np.maximum(values, 1e-10 * max(values[-1], 1e-300))
    step[free] = -(vectors @ ((vectors.T @ slope) / values)) / scale
    return step


def profile_curve(
    profiler: Profiler, j: int, error: float, n_points: int
) -> ProfileCurve:
    """Return the profile of parameter `j` over three standard errors each way.

    Notes
    -----
    Refits walk outwards from the minimum, each from the one before.
    """
    centre = profiler.point[j]
    values = centre + error * np.linspace(-3.0, 3.0, n_points)
    values = np.unique(np.clip(values, profiler.lower[j], profiler.upper[j]))
    roots = np.full(len(values), np.nan)
    points = np.full((len(values), len(profiler.point)), np.nan)
    for direction in (-1, 1):
        start = profiler.point
        side = np.flatnonzero(direction * (values - centre) >= 0.0)
        for i in side[::direction]:
            refit = profiler.refit(j, float(values[i]), start)
            if refit is not None:
                start, points[i] = refit.point, refit.point
                roots[i] = math.copysign(profiler.root(refit), values[i] - centre)
    return ProfileCurve(values, roots, points)
