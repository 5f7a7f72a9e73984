"""Bounds of parameters: which are active, and steps that stop at them.

A parameter at a bound stays there while the gradient presses it outwards, and is
released when that turns. A step that would cross a bound sets the parameter on it and
is taken again in the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from autodiff.fit.problem import Parameter
from autodiff.fit.solve.factor import Factor

__all__ = ["Box"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Box:
    """Where a point may be."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.lower = np.array([p.lower for p in parameters], dtype=np.float64)
        self.upper = np.array([p.upper for p in parameters], dtype=np.float64)

    def clip(self, point: Array) -> Array:
        """Return the nearest point inside."""
        return np.clip(point, self.lower, self.upper)

    def active(self, point: Array, gradient: Array) -> npt.NDArray[np.int8]:
        """Return -1 where held at the lower bound, 1 at the upper, else 0."""
        held = np.zeros(len(point), dtype=np.int8)
        held[(point <= self.lower) & (gradient > 0.0)] = -1
        held[(point >= self.upper) & (gradient < 0.0)] = 1
        return held

    def step(
        self, point: Array, factor: Factor, step_of: Callable[[Factor, Mask], Array]
    ) -> Array:
        """Return the trial point of a step in the parameters that are free to move.

        Parameters
        ----------
        point : array of shape (p,)
            Inside.
        factor : Factor
            At the point.
        step_of : callable
            The step for the factor of some columns, and which they are.
        """
        free = self.active(point, factor.gradient) == 0
        trial = point.copy()
        while free.any():
            step = step_of(factor.only(free, trial - point), free)
            wanted = point[free] + step
            inside = self.clip(trial_of(trial, free, wanted))[free]
            crosses = wanted != inside
            if not crosses.any():
                trial[free] = wanted
                break
            places = np.flatnonzero(free)[crosses]
            trial[places] = inside[crosses]
            free[places] = False
        return trial


def trial_of(point: Array, free: Mask, values: Array) -> Array:
    """Return a point with other values in some places."""
    trial = point.copy()
    trial[free] = values
    return trial
