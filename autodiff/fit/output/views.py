"""What a plot of a fit shows, as arrays; how it is drawn is said elsewhere.

With one predictor: data, curve and bands over it, for each level if there are levels.
<<<<<<< HEAD
With several: observed against fitted. Beneath it, residuals over the same axis.
=======
With several: observed against fitted. Beneath it, residuals over the predictor or the
fitted values.
>>>>>>> 2ed66669494c563ec5692fec56295df8f7b36167
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import UsageError
from autodiff.fit.problem import Problem
from autodiff.fit.stats.result import FitResult

__all__ = ["MOST_CURVES", "Series", "View", "ticks", "view_of"]

Array = npt.NDArray[np.float64]

CURVE_POINTS = 400
MOST_CURVES = 6  # of one plot; there are as many colours


@dataclass(frozen=True)
class Series:
    """Data with a curve of their own: all of them, or those of one level.

    Attributes
    ----------
    name : str
        The level; empty where there is one series.
    x, y : array of shape (n,)
        Data: the predictor and the response, or fitted and observed.
    residuals : array of shape (n,)
        Observed minus fitted.
    curve_x, curve_y : array of shape (m,)
        The curve, in order; or the diagonal.
    band_lo, band_hi : array of shape (m,) or None
        Confidence band of the curve.
    error : array of shape (n,) or None
        Absolute standard deviations of the response, where they are known.
    """

    name: str
    x: Array
    y: Array
    residuals: Array
    curve_x: Array
    curve_y: Array
    band_lo: Array | None = None
    band_hi: Array | None = None
    error: Array | None = None


@dataclass(frozen=True)
class View:
    """One plot: series, what the axes are called, and what the curves are.

    Attributes
    ----------
    series : tuple of Series
        At least one.
    x_label, y_label : str
        Of the axes.
    has_curve : bool
        Whether the curves are the formula, not the diagonal.
    """

    series: tuple[Series, ...]
    x_label: str
    y_label: str
    has_curve: bool = True


def view_of(result: FitResult) -> View:
    """Return what a plot of a fit shows.

    Parameters
    ----------
    result : FitResult
        A fit with its problem.

    Raises
    ------
    UsageError
        If the fit has no values to show.
    """
    problem = result.problem
    if problem is None or not len(result.fitted):
        raise UsageError("U174", "this result holds no data, so there is no plot of it")
    left = _left_side(result.formula)
    levels = _levels(problem)
    if len(problem.columns) != 1 or len(levels) > MOST_CURVES:
        return _observed_against_fitted(result, problem, left)
    [(name, x)] = problem.columns.items()
    columns = {slot.level_column for slot in problem.slots if slot.level_column}
    series = []
    for level, rows in levels.items():
        own = x[rows]
        grid = np.linspace(float(own.min()), float(own.max()), CURVE_POINTS)
        words = {column: [level] * CURVE_POINTS for column in columns}
        bands = result.predict({name: grid, **words})
        has_band = bool(np.isfinite(bands.lo).any())
        series.append(
            Series(
                level,
                own,
                problem.response[rows],
                (problem.response - result.fitted)[rows],
                grid,
                bands.fitted,
                bands.lo if has_band else None,
                bands.hi if has_band else None,
                None if problem.sigma is None else problem.sigma[rows],
            )
        )
    return View(tuple(series), name, left)


def _levels(problem: Problem) -> dict[str, npt.NDArray[np.intp]]:
    """Return the rows of each level of the one column of levels, in order.

    Without such a column all rows are one series; with several nothing is drawn as a
    curve, which is said by more levels than are drawn.
    """
    n = len(problem.response)
    indexed = [slot for slot in problem.slots if slot.positions is not None]
    if not indexed:
        return {"": np.arange(n)}
    if len({slot.level_column for slot in indexed}) > 1:
        return {str(i): np.arange(0) for i in range(MOST_CURVES + 1)}
    slot = indexed[0]
    assert slot.positions is not None
    found = {}
    for position in np.unique(slot.positions).tolist():
        name = problem.parameters[position].name
        found[name.partition("[")[2][:-1]] = np.flatnonzero(slot.positions == position)
    return found


def _observed_against_fitted(result: FitResult, problem: Problem, left: str) -> View:
    fitted = result.fitted
    ends = np.array([float(fitted.min()), float(fitted.max())])
    residuals = problem.response - fitted
    one = Series(
        "", fitted, problem.response, residuals, ends, ends, error=problem.sigma
    )
    return View((one,), f"fitted {left}", f"observed {left}", has_curve=False)


def _left_side(formula: str) -> str:
    return formula.partition("~")[0].strip() if "~" in formula else "response"


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers that cover an interval.

    Examples
    --------
    >>> ticks(0.0, 10.0, 5)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    rough = (high - low) / count
    if not (rough > 0.0 and math.isfinite(rough)):
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]
