"""Fits of functions, in place of formulas: from what the user gives to a solution.

A function of residuals takes a point; a function of a curve takes columns and
parameters by their names and returns fitted values. Either is a `ResidualModel`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.binding.slots import check_inside
from autodiff.fit.data.columns import Columns
from autodiff.fit.errors import DataError, UsageError, name_list, suggestion
from autodiff.fit.formula.parse import Formula
from autodiff.fit.options import LIKELIHOODS, Options
from autodiff.fit.problem import Parameter, Problem, Slot
from autodiff.fit.solve import robust
from autodiff.fit.solve.minimise import minimise, within_budget
from autodiff.fit.solve.residuals import ResidualModel
from autodiff.fit.solve.solution import Solution

__all__ = ["solve_curve", "solve_residuals"]

Array = npt.NDArray[np.float64]


def solve_residuals(
    function: Callable[..., Any],
    x0: Any,
    args: Sequence[Any],
    bounds: Any,
    options: Options,
) -> Solution:
    """Minimise the losses of the residuals of a function; see `api.least_squares`."""
    if not callable(function):
        raise UsageError(
            "U190",
            f"least_squares takes a function of residuals, got a "
            f"{type(function).__name__}; for a formula use autodiff.fit",
        )
    if options.loss in LIKELIHOODS:
        raise UsageError(
            "U191", f"the loss {options.loss} needs fitted values, not residuals"
        )
    start, names, build = _start(x0)
    n = _count(function(build(start), *args))
    problem = _problem(function, names, start, _limits(bounds, names), np.zeros(n))

    def residuals(point: Any) -> Any:
        return _as_vector(function(build(point), *args))

    return _solve(ResidualModel(residuals, problem, options.loss), start, options)


def solve_curve(
    function: Callable[..., Any],
    table: Columns,
    given: Mapping[str, float],
    bounds: Mapping[str, tuple[float, float]] | None,
    scale: Mapping[str, str | None],
    options: Options,
) -> Solution:
    """Fit a function of columns and parameters to the column that it does not use.

    Parameters
    ----------
    function : callable
        Its arguments that are columns are data, all others are parameters; it returns
        a fitted value for each row.
    table : Columns
        The data.
    given : mapping of str to float
        Start values; else the defaults of the arguments, else 1.
    bounds : mapping of str to (lower, upper), optional
        Limits of the parameters.
    scale : mapping
        ``sigma`` and ``weight``: names of columns, or None.
    options : Options
        What to minimise.
    """
    arguments = inspect.signature(function).parameters
    data = [name for name in arguments if name in table.names]
    names = tuple(name for name in arguments if name not in table.names)
    spare = {*data, *(name for name in scale.values() if name)}
    responses = [name for name in table.names if name not in spare]
    if len(responses) != 1 or not names or not data:
        raise UsageError(
            "U195",
            "a function in place of a formula takes columns and parameters, and leaves "
            f"one column, the response: it takes the columns {name_list(data) or '-'} "
            f"and the parameters {name_list(names) or '-'}, and leaves "
            f"{name_list(responses) or 'none'}; give it the data without other columns",
        )
    for name in given:
        if name not in names:
            raise UsageError(
                "U113", f"start of {name!r}: no such parameter{suggestion(name, names)}"
            )
    limits = _limits(bounds, names)
    start = np.array(
        [
            float(given[name])
            if name in given
            else float(np.clip(_default(arguments[name]), *limit))
            for name, limit in zip(names, limits, strict=True)
        ]
    )
    wanted = [*data, responses[0], *(name for name in scale.values() if name)]
    columns, _ = table.numbers(wanted)

    def curve(point: Any) -> Any:
        pairs = zip(names, (point[k] for k in range(len(names))), strict=True)
        cells = {name: columns[name] for name in data}
        return _as_vector(function(**cells, **dict(pairs)))

    response = columns[responses[0]]
    n = _count(curve(start))
    if n != len(response):
        raise DataError(
            "D126",
            f"the function returned {n} fitted values for {len(response)} rows; it "
            "must return one for each",
        )
    problem = _problem(function, names, start, limits, response)
    sigma, weight = (columns.get(scale.get(key) or "") for key in ("sigma", "weight"))
    problem = replace(problem, sigma=sigma, weight=weight)
    model = ResidualModel(curve, problem, options.loss)
    model.loss.check(response, None, problem.place)
    return _solve(model, start, options)


def _default(argument: inspect.Parameter) -> float:
    is_given = isinstance(argument.default, (int, float))
    return float(argument.default) if is_given else 1.0


def _problem(
    function: Callable[..., Any],
    names: tuple[str, ...],
    start: Array,
    limits: list[tuple[float, float]],
    response: Array,
) -> Problem:
    for name, value, limit in zip(names, start, limits, strict=True):
        check_inside(name, value, *limit)
    return Problem(
        formula=Formula(getattr(function, "__name__", "function"), (), ()),
        parameters=tuple(
            Parameter(name, float(value), *limit)
            for name, value, limit in zip(names, start, limits, strict=True)
        ),
        slots=tuple(Slot(name, "free", k) for k, name in enumerate(names)),
        columns={},
        response=response,
        index=None,
        is_linear=False,
    )


def _solve(model: ResidualModel, start: Array, options: Options) -> Solution:
    def from_start(of: Any, how: Options) -> Solution:
        return minimise(of, start, max_evaluations=how.max_evaluations)

    def search(of: Any, how: Options) -> Solution:
        if of.loss.is_robust:
            return robust.solve(of, how, from_start)
        return from_start(of, how)

    with np.errstate(all="ignore"):
        return within_budget(model, options, search)


def _start(x0: Any) -> tuple[Array, tuple[str, ...], Callable[[Any], Any]]:
    """Return the start, the names, and what makes the argument of a point."""
    if isinstance(x0, Mapping):
        names = tuple(str(name) for name in x0)
        values = list(x0.values())
        keys = list(x0)

        def build(point: Any) -> Any:
            return {key: point[k] for k, key in enumerate(keys)}

    else:
        values = x0

        def build(point: Any) -> Any:
            return point

    try:
        start = np.atleast_1d(np.array(values, dtype=np.float64))
    except (TypeError, ValueError):
        raise UsageError("U192", f"x0: {values!r} are not numbers") from None
    if start.ndim != 1 or start.size == 0 or not np.isfinite(start).all():
        raise UsageError(
            "U192",
            "x0 must be finite numbers, one for each parameter, got shape "
            f"{start.shape}: {start!r}",
        )
    if not isinstance(x0, Mapping):
        names = tuple(f"x[{k}]" for k in range(start.size))
    return start, names, build


def _as_vector(found: Any) -> Any:
    if isinstance(found, (list, tuple)):
        found = ad.stack([ad.as_tensor(part) for part in found])
    return ad.reshape(found, -1)


def _count(found: Any) -> int:
    """Return how many residuals there are."""
    values = np.asarray(
        [float(part) for part in found] if isinstance(found, (list, tuple)) else found
    )
    if values.size == 0 or values.dtype.kind not in "fiub":
        raise UsageError(
            "U193",
            "the function must return residuals: an array or a list of numbers, got "
            f"{type(found).__name__} of shape {values.shape}",
        )
    return int(values.size)


def _limits(bounds: Any, names: tuple[str, ...]) -> list[tuple[float, float]]:
    """Return lower and upper bounds of each parameter."""
    limits = [(-np.inf, np.inf)] * len(names)
    if bounds is None:
        return limits
    if isinstance(bounds, Mapping):
        for name, pair in bounds.items():
            if name not in names:
                raise UsageError(
                    "U194",
                    f"bounds of {name!r}: no such parameter among {name_list(names)}",
                )
            limits[names.index(name)] = _pair(name, pair)
    else:
        lower, upper = _lower_and_upper(bounds, len(names))
        limits = [(float(a), float(b)) for a, b in zip(lower, upper, strict=True)]
    for name, (low, high) in zip(names, limits, strict=True):
        if not low < high:
            raise UsageError(
                "U194", f"bounds of {name}: {low:g} .. {high:g}; lower < upper expected"
            )
    return limits


def _pair(name: str, pair: Any) -> tuple[float, float]:
    try:
        low, high = pair
        return (
            -np.inf if low is None else float(low),
            np.inf if high is None else float(high),
        )
    except (TypeError, ValueError):
        raise UsageError(
            "U194",
            f"bounds of {name!r}: {pair!r}; a lower and an upper number are expected, "
            "as (0, inf)",
        ) from None


def _lower_and_upper(bounds: Any, n: int) -> tuple[Array, Array]:
    try:
        lower, upper = (np.broadcast_to(np.asarray(b, float), n) for b in bounds)
    except (TypeError, ValueError):
        raise UsageError(
            "U194",
            f"bounds: {bounds!r}; a dict of a lower and an upper number for each name "
            f"is expected, or all {n} lower bounds and all {n} upper ones",
        ) from None
    return lower, upper
