"""Fit a problem: choose the method, judge the outcome, make the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import UsageError
from autodiff.fit.problem import Problem
from autodiff.fit.solve import linear, sgd
from autodiff.fit.solve.factor import column_norms, factorize
from autodiff.fit.solve.minimise import (
    CONVERGED,
    NOT_CONVERGED,
    NOT_DETERMINABLE,
    Solution,
    judge,
    minimise,
    undetermined,
)
from autodiff.fit.solve.model import Model
from autodiff.fit.solve.starts import starting_points
from autodiff.fit.stats.result import FitResult, summarize

__all__ = ["METHODS", "solve"]

Array = npt.NDArray[np.float64]
Watch = Callable[[int, int, float], None]

METHODS = ("lm", "sgd")
MANY_ROWS = 1000  # starts are tried out on no more


def solve(
    problem: Problem,
    *,
    method: str = "lm",
    rate: float = 0.01,
    epochs: int = 100,
    level: float = 0.95,
    watch: Watch | None = None,
) -> FitResult:
    """Fit a problem by least squares.

    Parameters
    ----------
    problem : Problem
        Formula and data.
    method : {'lm', 'sgd'}
        Least squares to full precision, or gradient descent a row at a time.
    rate, epochs : float, int
        Of gradient descent.
    level : float
        Probability of the intervals, in (0, 1).
    watch : callable, optional
        Told epoch, row and loss of each step of gradient descent.

    Returns
    -------
    FitResult
        With a verdict; only ``converged`` can be relied on.
    """
    if method not in METHODS:
        raise UsageError(
            "U150", f"method {method!r}: expected one of {', '.join(METHODS)}"
        )
    if not 0.0 < level < 1.0:
        raise UsageError(
            "U151", f"level {level:g}: a probability between 0 and 1 is expected"
        )
    if not (rate > 0.0 and np.isfinite(rate)) or epochs < 1:
        raise UsageError(
            "U152", "--lr must be a positive number and --epochs at least 1"
        )
    model = Model(problem)
    n, p = model.n_rows, len(model.parameters)
    warnings = _data_warnings(problem)
    errors: Array | None = None
    if n < p:
        reason = f"{n} row{'s' * (n != 1)} cannot determine {p} parameters; add data"
        blank = np.full(p, np.nan)
        solution = Solution(blank, np.full(n, np.nan), None, NOT_DETERMINABLE, reason)
    elif method == "sgd":
        solution = _gradient_descent(model, rate, epochs, watch)
    elif problem.is_linear:
        solution, errors = _linear(model)
    else:
        solution, notes = _nonlinear(model)
        warnings += notes
    return _result(model, solution, errors, level, warnings)


def _data_warnings(problem: Problem) -> tuple[str, ...]:
    if not problem.n_dropped:
        return ()
    total = problem.n_dropped + len(problem.response)
    return (f"{problem.n_dropped} of {total} rows left out: a value is missing",)


def _linear(model: Model) -> tuple[Solution, Array | None]:
    with np.errstate(all="ignore"):
        design = linear.design_of(model.problem)
        if not design.is_finite:
            return _outside_domain(design), None
        factor = factorize(design.matrix)
        if factor.rank < len(factor.scale):
            point = factor.newton_step(-design.target.high)
            residual = design.matrix @ point - design.target.high
            reason = undetermined(model.parameters, point, factor)
            return Solution(point, residual, factor, NOT_DETERMINABLE, reason), None
        point, residual = linear.solve_linear(design, factor)
        errors = linear.refined_errors(design, factor)
    return Solution(point, residual, factor, CONVERGED), errors


def _outside_domain(design: linear.Design) -> Solution:
    n, p = design.matrix.shape
    bad = ~(np.isfinite(design.matrix).all(axis=1) & np.isfinite(design.target.high))
    reason = (
        f"the formula has no finite value in {np.count_nonzero(bad)} of {n} rows, "
        f"first in row {int(np.argmax(bad)) + 1}; leave such rows out"
    )
    nowhere = np.full(n, np.nan)
    return Solution(np.full(p, np.nan), nowhere, None, NOT_CONVERGED, reason)


def _nonlinear(model: Model) -> tuple[Solution, tuple[str, ...]]:
    """Fit from the given start, or from every size of start where some are missing."""
    if model.n_rows > MANY_ROWS and len(starting_points(model)) > 1:
        sketch = Model(_thinned(model.problem))
        found, notes = _lowest(sketch, starting_points(sketch))
        if found.verdict == CONVERGED:
            return minimise(model, found.point), notes
    return _lowest(model, starting_points(model))


def _thinned(problem: Problem) -> Problem:
    """Return the problem with `MANY_ROWS` of its rows, evenly chosen."""
    rows = np.linspace(0, len(problem.response) - 1, MANY_ROWS).round().astype(int)
    columns = {name: column[rows] for name, column in problem.columns.items()}
    return replace(
        problem,
        columns=columns,
        response=problem.response[rows],
        rows=problem.rows[rows],
    )


def _lowest(model: Model, starts: list[Array]) -> tuple[Solution, tuple[str, ...]]:
    """Fit from every starting point; keep the lowest minimum."""
    solutions = [minimise(model, start, patient=len(starts) == 1) for start in starts]
    if len(starts) > 1 and all(s.verdict != CONVERGED for s in solutions):
        nearest = min(range(len(starts)), key=lambda i: solutions[i].rss)
        solutions.append(minimise(model, starts[nearest]))
    good = [s for s in solutions if s.verdict == CONVERGED]
    best = min(good or solutions, key=lambda s: s.rss)
    notes = _worse_than_constant(model, best)
    higher = [s for s in good if s.rss > best.rss * (1 + 1e-6) + 1e-200]
    if higher:
        second = min(higher, key=lambda s: s.rss)
        notes += (
            "more than one minimum: this is the lowest found, the next has rss "
            f"{second.rss:.6g}; give start values with -p to choose",
        )
    return best, notes


def _worse_than_constant(model: Model, solution: Solution) -> tuple[str, ...]:
    response = model.problem.response
    around_mean = float(((response - response.mean()) ** 2).sum())
    if solution.verdict != CONVERGED or not solution.rss > around_mean:
        return ()
    return (
        "a constant would fit better: this may be a minimum far from the best one; "
        "try other start values with -p",
    )


def _gradient_descent(
    model: Model, rate: float, epochs: int, watch: Watch | None
) -> Solution:
    problem = model.problem
    start = np.array([problem.given.get(name, 1.0) for name in model.parameters])
    with np.errstate(all="ignore"):
        point, trouble = sgd.descend(
            problem, start, rate=rate, epochs=epochs, watch=watch
        )
        residual, jacobian = model.residual_and_jacobian(point)
        finite = np.isfinite(residual @ residual) and np.isfinite(jacobian).all()
        if trouble or not finite:
            reason = trouble or "gradient descent left the formula's domain"
            return Solution(point, residual, None, NOT_CONVERGED, reason)
        found = judge(model, point, residual, jacobian, column_norms(jacobian))
    if found.verdict != NOT_CONVERGED:
        return found
    reason = (
        f"{epochs} epochs of gradient descent did not reach the minimum; take more "
        "--epochs, another --lr, or leave out --method sgd"
    )
    return Solution(point, residual, found.factor, NOT_CONVERGED, reason)


def _result(
    model: Model,
    solution: Solution,
    errors: Array | None,
    level: float,
    warnings: tuple[str, ...],
) -> FitResult:
    if solution.verdict != CONVERGED or solution.factor is None:
        errors = np.full(len(solution.point), np.nan)
    elif errors is None:
        errors = solution.factor.unscaled_errors()
    return summarize(
        model.parameters,
        solution.point,
        solution.residual,
        model.problem.response,
        errors,
        level=level,
        formula=model.problem.formula.text,
        verdict=solution.verdict,
        reason=solution.reason,
        n_evaluations=model.n_evaluations,
        warnings=warnings,
    )
