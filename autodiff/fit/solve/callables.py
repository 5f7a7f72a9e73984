"""Least squares of a function: from what the user gives to a solution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.errors import UsageError, name_list
from autodiff.fit.formula.parse import Formula
from autodiff.fit.options import LIKELIHOODS, Options
from autodiff.fit.problem import Parameter, Problem, Slot
from autodiff.fit.solve import robust
from autodiff.fit.solve.minimise import minimise
from autodiff.fit.solve.residuals import ResidualModel
from autodiff.fit.solve.solution import Solution

__all__ = ["solve_residuals"]

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
    limits = _limits(bounds, names)
    problem = Problem(
        formula=Formula(getattr(function, "__name__", "residuals"), (), ()),
        parameters=tuple(
            Parameter(name, float(value), *limit)
            for name, value, limit in zip(names, start, limits, strict=True)
        ),
        slots=tuple(Slot(name, "free", k) for k, name in enumerate(names)),
        columns={},
        response=np.zeros(n),
        rows=np.arange(1, n + 1),
        is_linear=False,
    )

    def residuals(point: Any) -> Any:
        return _as_vector(function(build(point), *args))

    model = ResidualModel(residuals, problem, options.loss)

    def search(of: Any, how: Options) -> Solution:
        return minimise(of, start, max_evaluations=how.max_evaluations)

    with np.errstate(all="ignore"):
        if model.loss.is_robust:
            return robust.solve(model, options, search)
        return search(model, options)


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
        for name, (low, high) in bounds.items():
            if name not in names:
                raise UsageError(
                    "U194",
                    f"bounds of {name!r}: no such parameter among {name_list(names)}",
                )
            limits[names.index(name)] = (float(low), float(high))
    else:
        lower, upper = (
            np.broadcast_to(np.asarray(b, float), len(names)) for b in bounds
        )
        limits = [(float(a), float(b)) for a, b in zip(lower, upper, strict=True)]
    for name, (low, high) in zip(names, limits, strict=True):
        if not low < high:
            raise UsageError(
                "U194", f"bounds of {name}: {low:g} .. {high:g}; lower < upper expected"
            )
    return limits
