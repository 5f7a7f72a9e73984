"""From a solution to estimates with standard errors and intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import (
    EXIT_NOT_CONVERGED,
    EXIT_NOT_DETERMINABLE,
    EXIT_OK,
)
from autodiff.fit.stats.student_t import t_quantile

__all__ = ["Estimate", "FitResult", "summarize"]

Array = npt.NDArray[np.float64]

_EXIT_CODES = {
    "converged": EXIT_OK,
    "not converged": EXIT_NOT_CONVERGED,
    "not determinable": EXIT_NOT_DETERMINABLE,
}

# Residuals up to this many rounding errors of the largest response are no misfit.
_ROUNDINGS = 16.0


@dataclass(frozen=True)
class Estimate:
    """One parameter: estimate, standard error, ends of the interval.

    `se`, `lo` and `hi` are NaN where they are not defined.
    """

    estimate: float
    se: float
    lo: float
    hi: float


@dataclass(frozen=True)
class FitResult:
    """What a fit found.

    Attributes
    ----------
    parameters : dict of str to Estimate
        In order of first use in the formula.
    rss : float
        Residual sum of squares, in squared units of the response.
    n, df : int
        Rows used; rows minus parameters.
    level : float
        Probability of the intervals.
    verdict : str
        ``converged``, ``not converged`` or ``not determinable``. Estimates mean
        something only in the first case.
    reason : str
        Why it is not ``converged``, and what to do; else empty.
    exact : bool
        Whether all residuals are zero up to rounding.
    largest_residual : float
        In absolute value.
    n_evaluations : int
        How often the formula was evaluated over the rows.
    warnings : tuple of str
        What the reader should know.
    """

    formula: str
    parameters: dict[str, Estimate]
    rss: float
    n: int
    df: int
    level: float
    verdict: str
    reason: str = ""
    exact: bool = False
    largest_residual: float = math.nan
    n_evaluations: int = 0
    warnings: tuple[str, ...] = field(default=())

    @property
    def converged(self) -> bool:
        """Whether the estimates can be relied on."""
        return self.verdict == "converged"

    @property
    def exit_code(self) -> int:
        """What the command line returns to the shell: 0, 4 or 5."""
        return _EXIT_CODES[self.verdict]

    @property
    def sigma(self) -> float:
        """Residual standard deviation; NaN without degrees of freedom."""
        return math.sqrt(self.rss / self.df) if self.df > 0 else math.nan

    def to_json(self) -> str:
        """Return the result as JSON, all 17 digits, undefined numbers as null."""
        from autodiff.fit.output.report import json_report

        return json_report(self)


def _sum_of_squares(residual: Array) -> float:
    try:
        return math.fsum(r * r for r in residual.tolist())
    except OverflowError:
        return math.inf


def summarize(
    names: tuple[str, ...],
    point: Array,
    residual: Array,
    response: Array,
    unscaled_errors: Array,
    *,
    level: float,
    **details: Any,
) -> FitResult:
    """Return the result of a fit.

    Parameters
    ----------
    names : tuple of str
        Parameter names.
    point : array of shape (p,)
        Their estimates.
    residual, response : array of shape (n,)
        Fitted minus observed, and observed.
    unscaled_errors : array of shape (p,)
        Square roots of the diagonal of ``(J'J)^-1``.
    level : float
        Probability of the intervals, in (0, 1).
    **details
        Further fields of `FitResult`.

    Notes
    -----
    The variance of the data is not known, so it is estimated by ``rss / df`` and the
    intervals are Student's t.
    """
    n, df = len(residual), len(residual) - len(point)
    rss = _sum_of_squares(residual)
    largest = float(np.abs(residual).max())
    rounding = float(np.finfo(np.float64).eps * np.abs(response).max())
    if df > 0:
        errors = math.sqrt(rss / df) * unscaled_errors
        reach = t_quantile(level, df) * errors
    elif largest == 0.0:
        errors = reach = np.zeros(len(point))
    else:
        errors = reach = np.full(len(point), math.nan)
    estimates = {
        name: Estimate(float(p), float(e), float(p - t), float(p + t))
        for name, p, e, t in zip(names, point, errors, reach, strict=True)
    }
    return FitResult(
        parameters=estimates,
        rss=rss,
        n=n,
        df=df,
        level=level,
        exact=largest <= _ROUNDINGS * rounding,
        largest_residual=largest,
        **details,
    )
