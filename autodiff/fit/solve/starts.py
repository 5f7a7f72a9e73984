"""Starting points for parameters the user gave none for.

Parameters in which the formula is linear are solved for, given the others; the
others are tried on a fixed ladder of sizes. The same input gives the same points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from autodiff.fit.formula.evaluate import degree_in
from autodiff.fit.solve.factor import factorize
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
    missing = [name for name in model.parameters if name not in problem.given]
    linear: list[str] = []
    for name in missing:
        if degree_in(problem.formula.rhs, frozenset((*linear, name))) <= 1:
            linear.append(name)
    ladder = SIZES if missing else SIZES[:1]
    if missing and len(linear) == len(missing):
        ladder = SIZES[:1]
    points: list[Array] = []
    for size in ladder:
        point = np.array([problem.given.get(name, size) for name in model.parameters])
        points.append(_solve_linear(model, point, linear))
    return points


def _solve_linear(model: Model, point: Array, linear: list[str]) -> Array:
    """Return `point` with the linear parameters at their best for the others."""
    index = [model.parameters.index(name) for name in linear]
    if not index or len(index) > model.n_rows:
        return point
    origin = point.copy()
    origin[index] = 0.0
    residual, jacobian = model.residual_and_jacobian(origin)
    columns = jacobian[:, index]
    if not (np.isfinite(columns).all() and np.isfinite(residual @ residual)):
        return point
    with np.errstate(all="ignore"):
        origin[index] = factorize(columns).newton_step(residual)
    return origin if np.isfinite(origin).all() and origin[index].any() else point
