"""Solve a problem: the one place that chooses the method.

Linear least squares directly; all else by descent, from the given start or from
several, on an even thinning first where there are many rows; robust losses from the
least squares solution, with their scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import UsageError
from autodiff.fit.options import Options
from autodiff.fit.problem import Problem
from autodiff.fit.solve import linear, robust, sgd
from autodiff.fit.solve.bounds import Box
from autodiff.fit.solve.budget import SpentError
from autodiff.fit.solve.determined import undetermined
from autodiff.fit.solve.judge import deviation, judge, worse_than_constant
from autodiff.fit.solve.minimise import minimise, polish, within_budget
from autodiff.fit.solve.model import Linearization, Model
from autodiff.fit.solve.solution import (
    CONVERGED,
    NOT_CONVERGED,
    NOT_DETERMINABLE,
    Solution,
)

__all__ = ["solve"]

Array = npt.NDArray[np.float64]
Watch = Callable[[int, int, float], None]

FEW_ROWS = 1_000  # more are solved on a hundredth of them first, but not on fewer
THINNING = 100
DIRECT_NUMBERS = 4_000_000  # of a linear design that is held in doubled precision


def solve(
    problem: Problem, options: Options | None = None, watch: Watch | None = None
) -> Solution:
    """Find the parameters of a problem.

    Parameters
    ----------
    problem : Problem
        Formula and data.
    options : Options, optional
        What to minimise, and how.
    watch : callable, optional
        Told epoch, row and loss of each step of gradient descent.

    Returns
    -------
    Solution
        With a verdict; only ``converged`` can be relied on.

    Raises
    ------
    DataError
        If the response cannot be one of the loss.
    UsageError
        If sigma is given for a likelihood.
    """
    options = options or Options()
    model = Model(problem, options.loss)
    if model.loss.is_likelihood and problem.sigma is not None:
        raise UsageError(
            "U185",
            f"the {options.loss} loss knows the variance of every row; leave out sigma",
        )
    model.loss.check(problem.response, problem.trials, problem.place)
    with np.errstate(all="ignore"):
        solution = _solve(model, options, watch)
    notes = (*problem.notes, *solution.notes, *worse_than_constant(solution))
    return replace(solution, notes=notes)


def _solve(model: Model, options: Options, watch: Watch | None) -> Solution:
    n, p = model.n_rows, model.n_params
    if n < p:
        reason = f"{n} row{'s' * (n != 1)} cannot determine {p} parameters; add data"
        return _nowhere(model, NOT_DETERMINABLE, "N101", reason)
    if options.method == "sgd":
        return _gradient_descent(model, options, watch)
    return within_budget(model, options, _search_for)


def _search_for(model: Model, options: Options) -> Solution:
    if model.loss.is_robust:
        return robust.solve(model, options, _search)
    return _search(model, options)


def _search(model: Model, options: Options) -> Solution:
    """Solve for a loss whose scale is known."""
    is_direct = model.problem.is_linear and model.loss.name == "normal"
    if is_direct and model.n_rows * model.n_params <= DIRECT_NUMBERS:
        return _linear(model)
    if model.n_rows > FEW_ROWS:
        return _thinned_first(model, options)
    from autodiff.fit.solve.several import from_starts  # not for a line

    return from_starts(model, options)


def _nowhere(model: Model, verdict: str, code: str, reason: str) -> Solution:
    nowhere = np.full(model.n_params, np.nan)
    blank = Linearization(np.inf, None, 0)
    held = np.zeros(model.n_params, dtype=np.int8)
    return Solution(model, nowhere, np.inf, blank, held, verdict, code, reason)


def _linear(model: Model) -> Solution:
    design = linear.design_of(model.problem, model.root)
    factor = design.factor
    if factor is None:
        return _outside_domain(model, design)
    held = np.zeros(model.n_params, dtype=np.int8)
    if factor.rank < model.n_params:
        point = factor.newton_step()
        here = model.linearize(point)
        free, error = held == 0, deviation(model, here.objective, factor.rank)
        code, reason = undetermined(model, point, factor, free, error)
        verdict = NOT_DETERMINABLE, code, reason
        return Solution(model, point, here.objective, here, held, *verdict)
    point, residual = linear.solve_linear(design, factor)
    inside = Box(model.problem.parameters).clip(point)
    if (inside != point).any():
        return minimise(model, inside)
    here = Linearization(
        0.5 * float(residual @ residual),
        replace(factor, qtr=design.q.T @ residual),
        0,
    )
    return Solution(
        model,
        point,
        here.objective,
        here,
        held,
        CONVERGED,
        curvature=np.zeros_like(factor.r),
        residual=residual / model.root,
        errors=linear.refined_errors(design, factor),
    )


def _outside_domain(model: Model, design: linear.Design) -> Solution:
    bad = ~(np.isfinite(design.matrix).all(axis=1) & np.isfinite(design.target.high))
    reason = (
        f"the formula has no finite value in {np.count_nonzero(bad)} of {len(bad)} "
        f"rows, first in {model.problem.place(int(np.argmax(bad)))}; leave such "
        "rows out"
    )
    return _nowhere(model, NOT_CONVERGED, "C102", reason)


def _thinned_first(model: Model, options: Options) -> Solution:
    """Solve on an even thinning; finish on all rows with its curvature."""
    sketch = Model(_thinned(model.problem), model.loss.name, model.scale)
    sketch.budget.limit = model.budget.limit
    try:
        found = _search(sketch, options)
    except SpentError:
        model.budget.point = sketch.budget.point
        raise
    factor, share = found.linearization.factor, model.n_rows / sketch.n_rows
    if found.converged and factor is not None and found.curvature is not None:
        metric = factor.scale * np.sqrt(share)
        model.near = found.linearization.root * np.sqrt(share)
        solution = polish(model, found.point, metric, share * found.curvature)
        if solution.converged:
            return replace(solution, notes=(*found.notes, *solution.notes))
    return minimise(model, found.point, max_evaluations=options.max_evaluations)


def _thinned(problem: Problem) -> Problem:
    """Return the problem with a hundredth of its rows, evenly chosen."""
    n = len(problem.response)
    few = max(FEW_ROWS, n // THINNING)
    rows = np.linspace(0, n - 1, few).round().astype(int)

    def some(column: Array | None) -> Array | None:
        return None if column is None else column[rows]

    return replace(
        problem,
        columns={name: column[rows] for name, column in problem.columns.items()},
        response=problem.response[rows],
        index=rows if problem.index is None else problem.index[rows],
        sigma=some(problem.sigma),
        weight=some(problem.weight),
        trials=some(problem.trials),
        slots=tuple(
            slot
            if slot.positions is None
            else replace(slot, positions=slot.positions[rows])
            for slot in problem.slots
        ),
    )


def _gradient_descent(model: Model, options: Options, watch: Watch | None) -> Solution:
    problem = model.problem
    start = np.array([problem.given.get(name, 1.0) for name in model.names])
    point, trouble = sgd.descend(
        problem, start, rate=options.lr, epochs=options.epochs, watch=watch
    )
    here = model.linearize(point)
    found = None
    if here.factor is None:
        trouble = trouble or "gradient descent left the formula's domain"
    elif not trouble:
        found = judge(model, point, here, here.factor.scale)
        if found.verdict != NOT_CONVERGED:
            return found
    reason = trouble or (
        f"{options.epochs} epochs of gradient descent did not reach the minimum; take "
        "more --epochs, another --lr, or leave out --method sgd"
    )
    held = np.zeros(model.n_params, dtype=np.int8)
    verdict = NOT_CONVERGED, "C105", reason
    return Solution(model, point, here.objective, here, held, *verdict)
