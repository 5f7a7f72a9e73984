"""Fitting from Python: `fit` and `compare`, with the words of the command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff.fit.binding.slots import as_mapping
from autodiff.fit.data.arrays import as_columns
from autodiff.fit.data.columns import Columns
from autodiff.fit.errors import UsageError, suggestion
from autodiff.fit.options import Options
from autodiff.fit.problem import Problem, pose
from autodiff.fit.stats.result import FitResult
from autodiff.fit.wording import in_python, note_in_python, speaks_python

if TYPE_CHECKING:
    from autodiff.fit.stats.compare import Comparison

__all__ = [
    "compare",
    "fit",
    "fit_problem",
    "is_nested",
    "least_squares",
    "on_data",
    "table_of",
]

Watch = Callable[[int, int, float], None]


@speaks_python
def fit(
    formula: str | Callable[..., Any],
    data: Any,
    start: Mapping[str, float] | None = None,
    *,
    columns: Sequence[str] | None = None,
    loss: str = "normal",
    loss_scale: float | None = None,
    se: str = "auto",
    ci: str = "auto",
    level: float = 0.95,
    derive: Mapping[str, str] | None = None,
    starts: int | str = "auto",
    method: str = "lm",
    lr: float = 0.01,
    epochs: int = 100,
    max_evaluations: int = 20_000,
    **binding: Any,
) -> FitResult:
    """Fit a formula to data.

    Parameters
    ----------
    formula : str or callable
        ``'y ~ a*exp(-b*x)'``: names that are columns are data, all others are
        parameters. Or a function with arguments of these names that returns a fitted
        value for each row; it is compiled, and its start values are `start`, the
        defaults of its arguments, or 1.
    data : mapping of arrays, structured array, table or path
        Columns of equal length n, or the path of a CSV file.
    start : mapping of str to float, optional
        Start values, in the unit of each parameter; none is needed.
    columns : sequence of str, optional
        Names for the columns of a file without a header line.
    loss : str
        ``normal`` (least squares), ``huber``, ``soft-l1``, ``cauchy``, ``tukey``,
        ``poisson``, ``bernoulli`` or ``binomial``.
    loss_scale : float, optional
        Where a robust loss begins to bend; estimated if left out.
    se : {'auto', 'jtj', 'hessian', 'sandwich'}
        Kind of standard errors.
    ci : {'auto', 'wald', 'profile'}
        Kind of intervals.
    level : float
        Probability of the intervals, in (0, 1).
    derive : mapping of str to str, optional
        Quantities computed from the parameters: ``{'t_half': 'log(2)/b'}``.
    starts : int or 'auto'
        How many starting points are tried.
    method : {'lm', 'sgd'}
        To full precision, or gradient descent a row at a time.
    lr, epochs : float, int
        Step and number of passes of gradient descent.
    max_evaluations : int
        Passes over the rows in which the search has to end, all starts and polishing
        together; the refits of intervals come after and do not count.
    **binding
        Of the problem: ``bounds={'b': (0, inf)}``, ``fix={'c': 0.0}``,
        ``tie={'tau': '1/b'}``, ``sigma`` (absolute) or ``weight`` (relative),
        ``trials``, ``where``: names of columns or expressions.

    Returns
    -------
    FitResult
        Estimates, standard errors and a verdict. Look at the verdict: a fit that did
        not converge is returned, not raised.

    Raises
    ------
    FitError
        If formula, data or options make no sense.

    Examples
    --------
    >>> line = {"x": [0, 1, 2, 3], "y": [3, 8, 13, 18]}
    >>> result = fit("y ~ w*x + b", line)
    >>> result.params
    {'w': 5.0, 'b': 3.0}
    """
    if not isinstance(formula, str) and not callable(formula):
        raise UsageError(
            "U160",
            f"the formula is a {type(formula).__name__}; a str is expected, "
            "as in 'y ~ w*x + b', or a function",
        )
    _check_binding(binding)
    options = Options(
        loss=loss,
        loss_scale=loss_scale,
        se=se,
        ci=ci,
        level=level,
        starts=starts,
        method=method,
        lr=lr,
        epochs=epochs,
        max_evaluations=max_evaluations,
        derive=_derive(derive),
    )
    table = table_of(data, columns)
    if isinstance(formula, str):
        problem = pose(formula, table, _start(start), **binding)
        return _told(fit_problem(problem, options))
    return _told(_fit_function(formula, table, _start(start), binding, options))


_BINDING = ("bounds", "fix", "tie", "sigma", "weight", "trials", "where")


def _check_binding(binding: Mapping[str, Any]) -> None:
    """Refuse what is no argument of `fit`."""
    for name in binding:
        if name in _BINDING:
            continue
        known = (*signature(fit).parameters, *_BINDING)
        cure = suggestion(name, [word for word in known if word != "binding"])
        if name == "by":
            cure = "; fit each group by itself, or use the command, which has it"
        raise UsageError("U197", f"fit has no argument {name!r}{cure}")


def _told(result: FitResult) -> FitResult:
    """Return a result whose verdict and notes speak in the words of Python."""
    notes = tuple(note_in_python(note) for note in result.warnings)
    return replace(result, reason=in_python(result.reason), warnings=notes)


def _fit_function(
    function: Callable[..., Any],
    table: Columns,
    start: Mapping[str, float],
    binding: Mapping[str, Any],
    options: Options,
) -> FitResult:
    from autodiff.fit.solve.callables import solve_curve
    from autodiff.fit.stats.summarize import summarize

    known = ("bounds", "sigma", "weight")
    for name in binding:
        if name not in known:
            raise UsageError(
                "U196",
                f"{name} goes with a formula, not with a function; a function takes "
                f"{', '.join(known)}",
            )
    scale = {key: binding.get(key) for key in ("sigma", "weight")}
    for key, column in scale.items():
        if column is not None and column not in table.names:
            raise UsageError(
                "U196", f"{key} of a function is the name of a column, got {column!r}"
            )
    solution = solve_curve(
        function, table, start, binding.get("bounds"), scale, options
    )
    return summarize(solution, options)


def fit_problem(
    problem: Problem, options: Options, watch: Watch | None = None
) -> FitResult:
    """Fit a bound problem.

    Parameters
    ----------
    problem : Problem
        Formula and data.
    options : Options
        What to minimise, and what to report.
    watch : callable, optional
        Told epoch, row and loss of each step of gradient descent.
    """
    from autodiff.fit.solve.driver import solve
    from autodiff.fit.stats.summarize import summarize

    return summarize(solve(problem, options, watch), options)


@speaks_python
def least_squares(
    residual: Callable[..., Any],
    x0: Any,
    *,
    args: Sequence[Any] = (),
    bounds: Any = None,
    loss: str = "normal",
    loss_scale: float | None = None,
    se: str = "auto",
    ci: str = "auto",
    level: float = 0.95,
    max_evaluations: int = 20_000,
) -> FitResult:
    """Find the point at which the sum of squares of residuals is least.

    Parameters
    ----------
    residual : callable
        ``residual(x, *args)`` returns n residuals, model minus data: an array or a
        list. It is compiled, so its derivatives are exact; branches are followed.
    x0 : array of shape (p,) or mapping of str to float
        Where to begin. The parameters are called ``x[0]``, ...; for a mapping, x is one
        too, and they have its names.
    args : sequence
        Further arguments.
    bounds : mapping of str to (lower, upper), or pair of arrays, optional
        Limits of the parameters.
    loss, loss_scale, se, ci, level, max_evaluations
        As for `fit`; losses of residuals only.

    Returns
    -------
    FitResult
        As of `fit`; `formula` is the name of the function.

    Raises
    ------
    UsageError
        If start, bounds or residuals make no sense.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = np.arange(6.0)
    >>> y = 2.0 * np.exp(-0.5 * x) + 1.0
    >>> def misfit(p):
    ...     return p[0] * ad.exp(-p[1] * x) + p[2] - y
    >>> found = least_squares(misfit, [1.0, 1.0, 0.0])
    >>> [round(p, 9) for p in found.params.values()]
    [2.0, 0.5, 1.0]
    """
    from autodiff.fit.solve.callables import solve_residuals
    from autodiff.fit.stats.summarize import summarize

    options = Options(
        loss=loss,
        loss_scale=loss_scale,
        se=se,
        ci=ci,
        level=level,
        max_evaluations=max_evaluations,
    )
    solution = solve_residuals(residual, x0, args, bounds, options)
    return _told(summarize(solution, options))


@speaks_python
def compare(*results: FitResult, labels: Sequence[str] | None = None) -> Comparison:
    """Rank fits of the same response by AICc, and test nested ones.

    Parameters
    ----------
    *results : FitResult
        At least two.
    labels : sequence of str, optional
        What to call them; their formulas if left out.

    Returns
    -------
    Comparison
        Ranks from best to worst, and a test for each pair of which one is a
        special case of the other.

    Raises
    ------
    UsageError
        If they are not of the same rows and loss.

    Examples
    --------
    >>> data = {"x": [0.0, 1, 2, 3, 4, 5, 6], "y": [1.0, 3.1, 4.9, 7.2, 8.8, 11.1, 13]}
    >>> found = compare(fit("y ~ a", data), fit("y ~ a + b*x", data))
    >>> found.ranks[0].label
    'y ~ a + b*x'
    """
    from autodiff.fit.stats.compare import compare as rank

    names = [r.formula for r in results] if labels is None else list(labels)
    if len(names) != len(results):
        raise UsageError("U161", "compare: labels must be as many as results")
    for result, name in zip(results, names, strict=True):
        if not result.converged:
            raise UsageError(
                "U162", f"{name}: {result.verdict}; only good fits can be compared"
            )
    first = results[0].problem if results else None
    for result, name in zip(results, names, strict=True):
        other = result.problem
        if (
            first is not None
            and other is not None
            and not np.array_equal(first.response, other.response)
        ):
            raise UsageError(
                "U163",
                f"{names[0]} and {name} have different responses: a transformed "
                "response is another unit; compare fits of one response",
            )
    return rank(results, names, lambda i, j: is_nested(results[i], results[j]))


def on_data(result: FitResult, label: str, data: Any, **binding: Any) -> FitResult:
    """Return a saved fit with the rows that it was fitted to; nothing is fitted.

    Parameters
    ----------
    result : FitResult
        Read from a file.
    label : str
        What messages call it.
    data : mapping of arrays, table or path
        The data of the fit.
    **binding
        ``where``, and ``sigma``, ``weight`` or ``trials``, as for the fit.

    Raises
    ------
    UsageError
        If these are other rows: in number, or by their sum of squares.
    """
    from autodiff.fit.formula.printing import to_text
    from autodiff.fit.solve.model import Model
    from autodiff.fit.solve.solution import Solution

    assert result.problem is not None
    slots, free = result.problem.slots, set(result.free)
    problem = pose(
        result.formula,
        table_of(data),
        {name: p.estimate for name, p in result.parameters.items() if name in free},
        fix={slot.name: slot.value for slot in slots if slot.kind == "fixed"},
        tie={name: to_text(nodes) for name, nodes in result.problem.ties.items()},
        **binding,
    )
    model = Model(problem, result.loss)
    if set(problem.names) != free or model.n_rows != result.n:
        raise _other_rows(label, f"{result.n} rows", f"{model.n_rows}")
    point = np.array([result.parameters[name].estimate for name in problem.names])
    found = Solution(
        model,
        point,
        model.objective(point),
        model.linearize(point),
        np.zeros(len(point), dtype=np.int8),
        result.verdict,
    )
    if model.loss.is_likelihood:
        what, saved, here = "deviance", result.deviance, 2.0 * found.objective
    else:
        weighted = model.root * found.residuals
        what, saved, here = "rss", result.rss, float(weighted @ weighted)
    rounding = 1e-24 * float(np.square(model.root * problem.response).sum())
    if not abs(here - saved) <= 1e-8 * abs(saved) + rounding:
        raise _other_rows(label, f"{what} {saved:.9g}", f"{what} {here:.9g}")
    return replace(result, problem=problem, solution=found)


def _other_rows(label: str, saved: str, here: str) -> UsageError:
    return UsageError(
        "U153",
        f"{label} was fitted to other rows: it has {saved}, these data give {here}; "
        "give the data of the fit, with the same --where, --sigma or --weight",
    )


def is_nested(small: FitResult, large: FitResult) -> bool:
    """Say whether one fit's curve is among the curves of another's formula.

    Notes
    -----
    The larger formula is fitted to the smaller's curve: it meets every point of it, or
    the smaller is no special case.
    """
    from autodiff.fit.solve.driver import solve

    if small.problem is None or large.problem is None:
        return False
    curve = replace(large.problem, response=small.fitted)
    found = solve(curve, Options())
    if found.linearization.factor is None:
        return False
    misfit = float(np.abs(found.model.residual(found.point)).max(initial=0.0))
    return misfit <= 1e-6 * float(np.abs(small.fitted).max(initial=0.0))


def _start(start: Mapping[str, float] | None) -> dict[str, float]:
    given = {}
    for name, value in as_mapping("start", start).items():
        try:
            given[name] = float(value)
        except (TypeError, ValueError):
            raise UsageError(
                "U111", f"start of {name!r}: {value!r} is not a number"
            ) from None
        if not np.isfinite(given[name]):
            raise UsageError("U111", f"start of {name!r}: {value!r} is not finite")
    return given


def _derive(derive: Mapping[str, str] | None) -> dict[str, str]:
    given = dict(as_mapping("derive", derive))
    for name, text in given.items():
        if not isinstance(text, str):
            raise UsageError(
                "U183",
                f"derive {name}: {text!r}; an expression is expected, as 'log(2)/b'",
            )
    return given


def table_of(data: Any, columns: Sequence[str] | None = None) -> Columns:
    """Return whatever holds the data as named columns."""
    return as_columns(data, columns)
