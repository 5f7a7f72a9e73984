"""Minimise an objective: descend, then polish until the step is noise.

The descent is a trust-region Levenberg-Marquardt iteration; a trial step that
leaves the formula's domain only shrinks the region. The polish takes undamped
Newton steps and stops when they no longer get shorter. Neither looks at how little
the objective changes to call a fit good: the sum is flat at its minimum, and
such a rule loses half the digits. What decides is the last undamped step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import Note
from autodiff.fit.options import Options
from autodiff.fit.solve.bounds import Box
from autodiff.fit.solve.budget import SpentError
from autodiff.fit.solve.descent import descend
from autodiff.fit.solve.factor import Factor
from autodiff.fit.solve.judge import data_square, judge
from autodiff.fit.solve.model import Linearization, Model
from autodiff.fit.solve.solution import NOT_CONVERGED, Solution

__all__ = ["MAX_HASTY", "minimise", "polish", "within_budget"]

Array = npt.NDArray[np.float64]

MAX_EVALUATIONS = 20_000
MAX_HASTY = 500  # evaluations of a start that is one of several
MAX_POLISH = 60
EPSILON = float(np.finfo(np.float64).eps)
ROUNDINGS = 64.0  # of a gradient
RADIUS_FACTORS = (1.0, 0.1, 10.0, 0.01, 100.0)
FIRST_SHARE = 0.5  # of many evaluations, for the first radius; the others share alike
KEPT_BACK, MOST_KEPT_BACK = 0.1, 2 * MAX_POLISH  # of what is left, for the last polish


def within_budget(
    model: Model, options: Options, search: Callable[[Model, Options], Solution]
) -> Solution:
    """Search with at most `max_evaluations` passes over the rows.

    Parameters
    ----------
    model : Model
        What is minimised.
    options : Options
        `max_evaluations`.
    search : callable
        Returns the solution for both.

    Returns
    -------
    Solution
        If the search was cut short: the lowest point it met, not converged.
    """
    model.budget.limit = options.max_evaluations
    try:
        return search(model, options)
    except SpentError:
        return _cut_short(model, options.max_evaluations)
    finally:
        model.budget.limit = np.inf


def _cut_short(model: Model, limit: int) -> Solution:
    point, p = model.budget.point, model.n_params
    return Solution(
        model,
        np.full(p, np.nan) if point is None else point,
        model.budget.lowest,
        Linearization(model.budget.lowest, None, 0),
        np.zeros(p, dtype=np.int8),
        NOT_CONVERGED,
        "C107",
        f"the search had not ended after {limit} evaluation{'s' * (limit != 1)}, which "
        "is as many as --max-evaluations allows; allow more, or give start values "
        "nearer to the answer with -p",
    )


def minimise(
    model: Model,
    start: Array,
    *,
    patient: bool = True,
    max_evaluations: int = MAX_EVALUATIONS,
) -> Solution:
    """Fit the parameters of a model from one starting point.

    Parameters
    ----------
    model : Model
        The objective.
    start : array of shape (p,)
        Where to begin; moved into the bounds.
    patient : bool
        Whether to try again with other trust regions when the first fails, and to
        allow many evaluations.
    max_evaluations : int
        Passes over the rows.

    Returns
    -------
    Solution
        The first that converged over several initial trust regions; otherwise the
        lowest, with its verdict.
    """
    best: Solution | None = None
    factors = RADIUS_FACTORS if patient else RADIUS_FACTORS[:1]
    allowed = max_evaluations if patient else min(MAX_HASTY, max_evaluations)
    limits = _limits(model, allowed, len(factors))
    n_outside = model.n_outside
    for limit, radius_factor in zip(limits, factors, strict=True):
        solution = _attempt(model, start, radius_factor, limit)
        if solution.converged:
            return _told_of(model.n_outside - n_outside, solution)
        if best is None or solution.objective < best.objective:
            best = solution
        if solution.linearization.factor is None:
            break
    assert best is not None
    return best


def _limits(model: Model, allowed: int, count: int) -> list[int]:
    """Return at which count of evaluations each of several descents has to end."""
    first, left = model.n_evaluations, model.budget.limit - model.n_evaluations
    if left < np.inf:
        allowed = min(allowed, int(left - min(KEPT_BACK * left, MOST_KEPT_BACK)))
    shortest = min(allowed, max(MAX_HASTY, int(FIRST_SHARE * allowed)))
    return [first + int(limit) for limit in np.linspace(shortest, allowed, count)]


def _told_of(n_outside: int, solution: Solution) -> Solution:
    if not n_outside:
        return solution
    points = f"{n_outside} trial point{'s' * (n_outside != 1)}"
    note = Note("W102", f"{points} left the formula's domain; shorter steps were taken")
    return replace(solution, notes=(*solution.notes, note))


def _attempt(model: Model, start: Array, radius_factor: float, limit: int) -> Solution:
    box = Box(model.problem.parameters)
    start = box.clip(start)
    with np.errstate(all="ignore"):
        try:
            reached, metric = descend(
                model, box, start, radius_factor=radius_factor, limit=limit
            )
            found = polish(model, reached, metric)
            centred = _centred(found)
            if centred is None:
                return found
            return polish(model, centred, metric)
        except np.linalg.LinAlgError:  # entries near the end of the number range
            return Solution(
                model,
                start,
                np.inf,
                Linearization(np.inf, None, 0),
                np.zeros(len(start), dtype=np.int8),
                NOT_CONVERGED,
                "C103",
                "the numbers left the range of a double; rescale data or starts",
            )


def _centred(found: Solution) -> Array | None:
    """Return a singular solution without what it has along the null space.

    Parameters that only their sum is determined of may have wandered off together,
    and the sum lost its digits. None where there is nothing to be gained.
    """
    factor = found.linearization.factor
    if found.code != "N102" or factor is None or found.active.any():
        return None
    null = factor.null_space()
    scaled = factor.scale * found.point
    point: Array = (scaled - null.T @ (null @ scaled)) / factor.scale
    is_inside = (Box(found.model.problem.parameters).clip(point) == point).all()
    limit = found.objective * 1.01 + 1e-28 * data_square(found.model)
    return point if is_inside and found.model.objective(point) <= limit else None


def polish(
    model: Model, point: Array, metric: Array, given: Array | None = None
) -> Solution:
    """Take undamped steps until they are noise; judge the end.

    Parameters
    ----------
    model : Model
        The objective.
    point : array of shape (p,)
        Near a minimum, inside the bounds.
    metric : array of shape (p,)
        The longest Jacobian columns seen so far.
    given : array of shape (p, p), optional
        The curvature, where about that of the minimum is known. The answer does not
        depend on it; how many steps it takes does.
    """
    box = Box(model.problem.parameters)
    here = model.linearize(point)
    shortest, since_shortest = np.inf, 0
    patience = 3 if given is None else 1
    best, lowest, curvature = (point, here), here.objective, given
    for _ in range(MAX_POLISH if here.factor is not None else 0):
        assert here.factor is not None
        if given is None and (curvature is None or shortest > 1e-6):
            curvature = model.curvature(point)
        trial = box.step(point, here.factor, _newton(curvature))
        scale = here.factor.scale
        size = float(np.linalg.norm(scale * (trial - point)))
        size /= float(np.linalg.norm(scale * point)) or 1.0
        since_shortest = 0 if size < shortest else since_shortest + 1
        if size < shortest:
            shortest, best = size, (point, here)
        is_rounding = (np.abs(trial - point) <= EPSILON * np.abs(point)).all()
        if is_rounding or since_shortest >= patience or not np.isfinite(size):
            break
        there = model.linearize(trial)
        rounding = 1e-28 * data_square(model)
        if there.factor is None or there.objective > lowest * (1 + 1e-9) + rounding:
            break
        if given is not None:
            assert curvature is not None
            curvature = _corrected(curvature, trial - point, here, there)
        point, here, lowest = trial, there, min(lowest, there.objective)
    return judge(model, *best, metric, given)


def _corrected(
    curvature: Array, step: Array, here: Linearization, there: Linearization
) -> Array:
    """Return a curvature that explains how the gradient changed along a step.

    The symmetric update of rank one, where the change is not of rounding.
    """
    assert there.factor is not None
    root, scale = there.root, there.factor.scale
    miss = there.gradient - here.gradient - root.T @ (root @ step) - curvature @ step
    size, along = float(np.linalg.norm(miss / scale)), float(miss @ step)
    rounding = ROUNDINGS * EPSILON * np.sqrt(2.0 * there.objective)
    if size <= rounding or abs(along) <= 1e-8 * size * np.linalg.norm(scale * step):
        return curvature
    return curvature + np.outer(miss, miss) / along


def _newton(
    curvature: Array | None,
) -> Callable[[Factor, npt.NDArray[np.bool_]], Array]:
    def step_of(factor: Factor, free: npt.NDArray[np.bool_]) -> Array:
        if curvature is None:
            return factor.newton_step()
        part = curvature[np.ix_(free, free)]
        return factor.newton_step(None if factor.bends_down(part) else part)

    return step_of
