"""Starting points for parameters the user gave none for.

Parameters in which the formula is linear are solved for, given the others; the
others are tried on a fixed ladder of sizes. The same input gives the same points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from autodiff.fit.formula.evaluate import degree_in
from autodiff.fit.solve.bounds import Box
from autodiff.fit.solve.model import Model

__all__ = ["starting_points"]

Array = npt.NDArray[np.float64]

SIZES = (1.0, 0.1, 10.0, 0.01, 100.0, 1e-3, 1e3, -1.0, -0.1, -10.0, -0.01)


def starting_points(model: Model) -> list[Array]:
    """Return the points to try, at least one, shape (p,) each.

    Parameters
    ----------
    model : Model
        Its problem holds the start values that were given.
    """
    problem = model.problem
    missing = [name for name in model.names if name not in problem.given]
    linear: list[str] = []
    for name in missing:
        if degree_in(problem.formula.rhs, frozenset((*linear, name))) <= 1:
            linear.append(name)
    ladder = SIZES if missing else SIZES[:1]
    if missing and len(linear) == len(missing):
        ladder = SIZES[:1]
    points: list[Array] = []
    for size in ladder:
        point = np.array([problem.given.get(name, size) for name in model.names])
        points.append(_solve_linear(model, point, linear))
    return [Box(problem.parameters).clip(point) for point in points]


def _solve_linear(model: Model, point: Array, linear: list[str]) -> Array:
    """Return `point` with the linear parameters at their best for the others."""
    chosen = np.isin(model.names, linear)
    if not chosen.any() or np.count_nonzero(chosen) > model.n_rows:
        return point
    origin = np.where(chosen, 0.0, point)
    factor = model.linearize(origin).factor
    if factor is None:
        return point
    with np.errstate(all="ignore"):
        origin[chosen] = factor.only(chosen).newton_step()
    return origin if np.isfinite(origin).all() and origin[chosen].any() else point
