"""Fit from Python, with the words of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autodiff.fit.data.arrays import as_columns
from autodiff.fit.errors import UsageError
from autodiff.fit.stats.result import FitResult

__all__ = ["fit"]


def fit(
    formula: str,
    data: Any,
    start: Mapping[str, float] | None = None,
    *,
    columns: Sequence[str] | None = None,
    method: str = "lm",
    lr: float = 0.01,
    epochs: int = 100,
    level: float = 0.95,
) -> FitResult:
    """Fit a formula to data by least squares.

    Parameters
    ----------
    formula : str
        ``'y ~ a*exp(-b*x)'``: names that are columns are data, all others are
        parameters.
    data : mapping of arrays, structured array, table or path
        Columns of equal length n, or the path of a CSV file.
    start : mapping of str to float, optional
        Start values; a model linear in its parameters needs none.
    columns : sequence of str, optional
        Names for the columns of a file without a header line.
    method : {'lm', 'sgd'}
        Least squares to full precision, or gradient descent a row at a time.
    lr, epochs : float, int
        Step and number of passes of gradient descent.
    level : float
        Probability of the intervals, in (0, 1).

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
    >>> result.parameters["w"].estimate, result.parameters["b"].estimate
    (5.0, 3.0)
    """
    from autodiff.fit.problem import pose
    from autodiff.fit.solve.driver import solve

    if not isinstance(formula, str):
        raise UsageError(
            "F101",
            f"the formula is a {type(formula).__name__}; a str is expected, "
            "as in 'y ~ w*x + b'",
        )
    table = as_columns(data, columns)
    problem = pose(formula, table, _start(start))
    return solve(problem, method=method, rate=lr, epochs=epochs, level=level)


def _start(start: Mapping[str, float] | None) -> dict[str, float]:
    given = {}
    for name, value in (start or {}).items():
        try:
            given[name] = float(value)
        except (TypeError, ValueError):
            raise UsageError(
                "U111", f"start of {name!r}: {value!r} is not a number"
            ) from None
        if not np.isfinite(given[name]):
            raise UsageError("U111", f"start of {name!r}: {value!r} is not finite")
    return given
