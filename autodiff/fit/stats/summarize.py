"""From a solution to everything that is reported: the one place that computes it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import Note, UsageError
from autodiff.fit.formula.parse import Node
from autodiff.fit.options import Options
from autodiff.fit.problem import Problem
from autodiff.fit.solve.judge import data_square
from autodiff.fit.solve.model import Model
from autodiff.fit.solve.passes import PIECE, chunks, over_chunks
from autodiff.fit.solve.solution import Solution
from autodiff.fit.stats.checks import ResidualChecks, check_residuals
from autodiff.fit.stats.chi_square import chi_square_probability
from autodiff.fit.stats.covariance import covariance
from autodiff.fit.stats.criteria import Criteria, criteria, normal_likelihood, r_squared
from autodiff.fit.stats.derive import (
    derived_quantity,
    image,
    parameters_of,
    parse_derived,
)
from autodiff.fit.stats.intervals import Intervals, intervals
from autodiff.fit.stats.profile import Profiler
from autodiff.fit.stats.result import Estimate, FitResult
from autodiff.fit.stats.student_t import t_quantile

__all__ = ["fit_notes", "summarize", "without_value"]

Array = npt.NDArray[np.float64]

# Residuals up to this many rounding errors of the largest response are no misfit.
ROUNDINGS = 16.0
STRANGE = 0.001  # probability of a chi-square that deserves a warning
MOST_CHECKED = 20_000  # residuals that are looked at


def summarize(solution: Solution, options: Options) -> FitResult:
    """Return the result of a fit.

    Parameters
    ----------
    solution : Solution
        Where the search ended.
    options : Options
        Which errors, which intervals, which derived quantities.

    Returns
    -------
    FitResult
        Errors and intervals are NaN unless the verdict is ``converged``.

    Notes
    -----
    One pass over the rows for the residuals, one for a sandwich, two refits a
    parameter to choose between intervals. Of many rows no residual is kept.
    """
    model, problem = solution.model, solution.model.problem
    n_evaluations = solution.n_evaluations  # before the refits of intervals
    with np.errstate(all="ignore"):
        rss, largest = _residual_sums(solution)
        free = solution.active == 0
        n = _n_rows(problem)
        df = n - int(np.count_nonzero(free))
        rounding = float(np.finfo(np.float64).eps) * model.observed.largest
        exact = (
            not model.loss.is_likelihood
            and largest <= ROUNDINGS * rounding
            and math.isfinite(rss)
        )
        unit = _unit(model, rss, df)
        cov = _covariance(solution, options, unit, df)
        quantile = t_quantile(options.level, _df_of_errors(model, df))
        profiler = _profiler(solution, unit, cov) if solution.converged else None
        found = intervals(
            profiler if df > 0 and not exact else None,
            solution,
            cov,
            quantile,
            options,
        )
        parameters = _parameters(solution, cov, quantile, found)
        derived = _derived(options, parameters, problem, cov, quantile)
        likelihood = _criteria(solution, rss, n, int(np.count_nonzero(free)))
        checks = None
        if solution.converged and options.loss == "normal" and df > 0 and not exact:
            checks = _checks(solution)
        chance = math.nan
        if problem.sigma is not None and solution.converged and df > 0:
            chance = chi_square_probability(rss, df)
        r2 = math.nan
        if options.loss == "normal":
            r2 = r_squared(rss, model.observed.about_mean)
        zeros = frozenset[str]()
        if exact and solution.converged:
            zeros = _zeros(solution, options, parameters, derived)
    notes = (*solution.notes, *found.notes, *fit_notes(checks, rss, df, chance))
    if solution.converged:
        notes += tuple(without_value({n: q.estimate for n, q in derived.items()}))
    return FitResult(
        formula=problem.formula.text,
        parameters=parameters,
        free=problem.names,
        cov=cov,
        rss=math.nan if model.loss.is_likelihood else rss,
        n=n,
        df=df,
        verdict=solution.verdict,
        code=solution.code,
        reason=solution.reason,
        exact=exact,
        largest_residual=largest,
        zeros=zeros,
        level=options.level,
        loss=options.loss,
        se=options.standard_errors,
        ci=found.why,
        errors=_kind_of_errors(model),
        r_squared=r2,
        loglik=likelihood.loglik,
        aic=likelihood.aic,
        aicc=likelihood.aicc,
        bic=likelihood.bic,
        deviance=2.0 * solution.objective if model.loss.is_likelihood else math.nan,
        chi2_probability=chance,
        checks=checks,
        derived=derived,
        n_evaluations=n_evaluations,
        n_outside=solution.n_outside,
        warnings=notes,
        problem=problem,
        solution=solution,
        profiler=profiler,
    )


def _residual_sums(solution: Solution) -> tuple[float, float]:
    """Return the sum of squares in standard units; the largest, in the response's."""

    def sums_of(rows: slice) -> tuple[float, float]:
        residual = solution.residual_in(rows)
        largest = float(np.abs(residual).max(initial=0.0))
        return _sum_of_squares(_standardised(solution.model, residual, rows)), largest

    parts = over_chunks(sums_of, chunks(solution.model.n_rows))
    largest = [part[1] for part in parts]
    return sum(part[0] for part in parts), float(np.max(largest, initial=0.0))


def _standardised(model: Model, residual: Array, rows: slice) -> Array:
    """Return residuals of some rows over sigma or times the root of the weight."""
    if model.loss.is_likelihood:
        return residual
    return residual * (
        model.root if isinstance(model.root, float) else model.root[rows]
    )


def _sum_of_squares(residual: Array) -> float:
    if len(residual) == PIECE:  # one of many
        return float(residual @ residual)
    try:
        return math.fsum(r * r for r in residual.tolist())
    except OverflowError:
        return math.inf


def _checks(solution: Solution) -> ResidualChecks:
    """Look at the residuals; of very many rows at some, evenly taken."""
    problem = solution.model.problem
    rows = slice(None, None, -(-len(problem.response) // MOST_CHECKED) or 1)
    standard = _standardised(solution.model, solution.residual_in(rows), rows)
    along = dict(list(problem.columns.items())[:1])
    return check_residuals(standard, {name: x[rows] for name, x in along.items()})


def _n_rows(problem: Problem) -> int:
    """Return how many rows count: those of weight 0 do not."""
    if problem.weight is None:
        return len(problem.response)
    return int(np.count_nonzero(problem.weight))


def _kind_of_errors(model: Model) -> str:
    if model.loss.is_likelihood:
        return "model"
    return "scaled" if model.problem.sigma is None else "absolute"


def _df_of_errors(model: Model, df: int) -> float:
    """Return the degrees of freedom of the t that intervals use."""
    return max(df, 1) if _kind_of_errors(model) == "scaled" else math.inf


def _unit(model: Model, rss: float, df: int) -> float:
    """Return the variance of a residual in standard units: s^2, or 1 if known."""
    if _kind_of_errors(model) != "scaled":
        return 1.0
    if df > 0:
        return rss / df
    return math.nan


def _covariance(solution: Solution, options: Options, unit: float, df: int) -> Array:
    """Return the covariance of all parameters; rows of those at a bound are NaN."""
    p = len(solution.point)
    cov = np.full((p, p), math.nan)
    factor = solution.linearization.factor
    free = solution.active == 0
    if not solution.converged or factor is None or not free.any():
        return cov
    model, kind = solution.model, options.standard_errors
    kept = factor.only(free)
    root, scale = kept.r * kept.scale, unit
    curvature = np.zeros_like(root)
    if kind != "jtj":
        curvature = model.curvature(solution.point)[np.ix_(free, free)]
    if model.loss.is_robust and kind != "sandwich":
        root, scale = _robust(solution, kind, root, free, df)
    scores = np.zeros_like(root)
    if kind == "sandwich":
        scores = _scores(model, solution.point)[np.ix_(free, free)]
    part = covariance(kind, root, curvature, scores, scale, df)
    if solution.errors is not None and kind == "jtj":
        exact = solution.errors[free] * math.sqrt(unit)
        found = np.sqrt(np.diagonal(part))
        ratio = np.where(found > 0.0, exact / found, 1.0)
        part = part * np.outer(ratio, ratio)
    cov[np.ix_(free, free)] = part
    return cov


def _robust(
    solution: Solution, kind: str, root: Array, free: npt.NDArray[np.bool_], df: int
) -> tuple[Array, float]:
    """Return what the covariance of a robust fit is made of; see covariance.py."""
    model = solution.model

    def sums_of(rows: slice) -> tuple[float, float]:
        root = model.root if isinstance(model.root, float) else model.root[rows]
        costs = model.costs(model.fitted(solution.point, rows), rows)
        psi, bend = costs.first / root, costs.second / np.square(root)
        return float(psi @ psi), float(bend.sum())

    parts = over_chunks(sums_of, chunks(model.n_rows))
    spread = sum(part[0] for part in parts) / df if df > 0 else math.nan
    slope = sum(part[1] for part in parts) / model.n_rows
    if kind == "hessian":
        return root, spread / slope
    plain = model.like("normal").linearize(solution.point).factor
    if plain is None:
        return root, math.nan
    kept = plain.only(free)
    return kept.r * kept.scale, spread / slope**2


def _scores(model: Model, point: Array) -> Array:
    """Return the sum over rows of the outer product of the gradient of the loss."""
    total = np.zeros((len(point), len(point)))
    for rows, fitted, jacobian in model.blocks(point):
        scores = jacobian * model.costs(fitted, rows).first[:, None]
        total += scores.T @ scores
    return total


def _profiler(solution: Solution, unit: float, cov: Array) -> Profiler | None:
    parameters = solution.model.problem.parameters
    if solution.model.loss.is_robust or not unit > 0.0:
        return None
    return Profiler(
        model=solution.model,
        point=solution.point,
        minimum=solution.objective,
        variance=unit,
        lower=np.array([p.lower for p in parameters]),
        upper=np.array([p.upper for p in parameters]),
        cov=cov,
    )


def _parameters(
    solution: Solution, cov: Array, quantile: float, found: Intervals
) -> dict[str, Estimate]:
    """Return every name of the formula that is no column, in order of first use."""
    problem, result = solution.model.problem, {}
    errors = np.sqrt(np.diagonal(cov))
    statuses = {-1: "at lower bound", 0: "free", 1: "at upper bound"}
    free = [
        Estimate(
            float(p), float(e), *found.ends[j], statuses[int(side)], found.kinds[j]
        )
        for j, (p, e, side) in enumerate(
            zip(solution.point, errors, solution.active, strict=True)
        )
    ]
    values: dict[str, float] = {}
    ties: dict[str, tuple[Node, ...]] = {}
    for slot in problem.slots:
        if slot.kind == "free":
            result[slot.name] = free[slot.position]
            values[slot.name] = free[slot.position].estimate
        elif slot.level_column:
            own = f"{slot.name}["
            pairs = zip(problem.names, free, strict=True)
            result |= {name: one for name, one in pairs if name.startswith(own)}
        elif slot.kind == "fixed":
            result[slot.name] = Estimate(
                slot.value, 0.0, slot.value, slot.value, "fixed"
            )
            values[slot.name] = slot.value
        else:
            names = [name for name in problem.names if name in values]
            places = [problem.names.index(name) for name in names]
            value, error = derived_quantity(
                slot.nodes, values, cov[np.ix_(places, places)], names, ties
            )
            wald = _with_reach(value, error, quantile, "tied")
            result[slot.name] = _imaged(wald, slot.nodes, result, ties)
            ties[slot.name] = slot.nodes
            values[slot.name] = value
    return result


def _with_reach(value: float, error: float, quantile: float, status: str) -> Estimate:
    reach = quantile * error
    return Estimate(value, error, value - reach, value + reach, status, "wald")


def _imaged(
    wald: Estimate,
    nodes: Sequence[Node],
    parameters: Mapping[str, Estimate],
    ties: Mapping[str, Sequence[Node]],
) -> Estimate:
    """Return a computed quantity with the profile interval of its one parameter."""
    used = [n for n in parameters_of(nodes, ties) if parameters[n].status == "free"]
    if len(used) != 1 or not wald.se > 0.0:
        return wald
    one = parameters[used[0]]
    if one.interval != "profile":
        return wald
    values = {name: np.array([p.estimate]) for name, p in parameters.items()}
    ends = np.array([one.lo]), np.array([one.hi])
    lo, hi, monotonic = image(nodes, values, used[0], ends, ties)
    if not monotonic[0]:
        return wald
    return replace(wald, lo=float(lo[0]), hi=float(hi[0]), interval="profile")


def _derived(
    options: Options,
    parameters: Mapping[str, Estimate],
    problem: Problem,
    cov: Array,
    quantile: float,
) -> dict[str, Estimate]:
    """Return the derived quantities, with errors propagated from `cov`."""
    values = {name: p.estimate for name, p in parameters.items()}
    result = {}
    # A parameter at its bound is as good as fixed.
    held = np.isnan(np.diagonal(cov)) & ~np.isnan(np.diagonal(cov)).all()
    known = np.where(held[:, None] | held[None, :], 0.0, cov)
    for name, text in options.derive.items():
        if name in values:
            raise UsageError(
                "U158", f"derive {name}: there is a parameter {name}; use another name"
            )
        nodes = parse_derived(text, list(values))
        value, error = derived_quantity(
            nodes, values, known, problem.names, problem.ties
        )
        wald = _with_reach(value, error, quantile, "derived")
        result[name] = _imaged(wald, nodes, parameters, problem.ties)
    return result


def _zeros(
    solution: Solution,
    options: Options,
    parameters: Mapping[str, Estimate],
    derived: Mapping[str, Estimate],
) -> frozenset[str]:
    """Return what cannot be told from 0: to call it so moves residuals by rounding."""
    factor = solution.linearization.factor
    if factor is None:
        return frozenset()
    rounding = (
        ROUNDINGS * np.finfo(np.float64).eps * math.sqrt(data_square(solution.model))
    )
    reach = rounding / factor.scale
    problem, values = (
        solution.model.problem,
        {n: p.estimate for n, p in parameters.items()},
    )
    computed = {slot.name: slot.nodes for slot in problem.slots if slot.kind == "tied"}
    computed |= {n: parse_derived(options.derive[n], list(values)) for n in derived}
    reaches = dict(zip(problem.names, reach.tolist(), strict=True))
    for name, nodes in computed.items():
        reaches[name] = derived_quantity(
            nodes, values, np.diag(np.square(reach)), problem.names
        )[1]
    everything = {**parameters, **derived}
    return frozenset(n for n, r in reaches.items() if abs(everything[n].estimate) <= r)


def without_value(derived: Mapping[str, float]) -> Iterator[Note]:
    """Yield a note for each derived quantity that is no finite number."""
    for name, value in derived.items():
        if not math.isfinite(value):
            text = f"{name} has no finite value at these parameters; see its --derive"
            yield Note("W146", text)


def _criteria(solution: Solution, rss: float, n: int, p: int) -> Criteria:
    model, problem = solution.model, solution.model.problem
    nothing = Criteria(math.nan, p, math.nan, math.nan, math.nan)
    if model.loss.is_robust or not math.isfinite(solution.objective) or n == 0:
        return nothing
    if model.loss.is_likelihood:
        seen = problem.weight  # of a likelihood: how often each row was
        whole = model.loss.saturated(problem.response, problem.trials, seen)
        count = n if seen is None else float(seen.sum())
        return criteria(whole - solution.objective, p, count)
    loglik = normal_likelihood(rss, n, sigma=problem.sigma, weight=problem.weight)
    return criteria(loglik, p + (problem.sigma is None), n)


def fit_notes(
    checks: ResidualChecks | None, rss: float, df: int, chance: float
) -> tuple[Note, ...]:
    """Return what residuals, and chi-square with its probability, have to say."""
    notes: list[Any] = []
    if checks is not None and checks.trouble:
        notes.append(Note("W141", checks.trouble))
    if chance < STRANGE:
        notes.append(
            Note(
                "W142",
                f"chi-square is {rss:.4g} on {df} degrees of freedom (probability "
                f"{chance:.1g}): residuals are larger than sigma allows; the formula "
                "misses something, or sigma is too small",
            )
        )
    elif chance > 1.0 - STRANGE:
        notes.append(
            Note(
                "W143",
                f"chi-square is {rss:.4g} on {df} degrees of freedom: residuals are "
                "smaller than sigma says; sigma is too large, or not in the unit of "
                "the response",
            )
        )
    return tuple(notes)
