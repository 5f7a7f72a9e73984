"""What a plot of a fit shows, as arrays; how it is drawn is said elsewhere.

With one predictor: data, curve and bands over it. With several, or with levels: observed
against fitted. Beneath it, residuals over the predictor or over the fitted values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import UsageError
from autodiff.fit.stats.result import FitResult

__all__ = ["View", "ticks", "view_of"]

Array = npt.NDArray[np.float64]

CURVE_POINTS = 400


@dataclass(frozen=True)
class View:
    """One plot.

    Attributes
    ----------
    x, y : array of shape (n,)
        Data: the predictor and the response, or fitted and observed.
    curve_x, curve_y : array of shape (m,)
        The curve, in order; or the diagonal.
    band_lo, band_hi : array of shape (m,) or None
        Confidence band of the curve.
    residual_x, residuals : array of shape (n,)
        Observed minus fitted, over the predictor or over the fitted values.
    error : array of shape (n,) or None
        Absolute standard deviations of the response, where they are known.
    x_label, y_label, residual_label : str
        Of the axes.
    has_curve : bool
        Whether the curve is the formula, not the diagonal.
    """

    x: Array
    y: Array
    curve_x: Array
    curve_y: Array
    residual_x: Array
    residuals: Array
    x_label: str
    y_label: str
    residual_label: str
    band_lo: Array | None = None
    band_hi: Array | None = None
    error: Array | None = None
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
    response, fitted = problem.response, result.fitted
    left = _left_side(result.formula)
    columns = problem.columns
    indexed = any(slot.kind == "indexed" for slot in problem.slots)
    residuals = response - fitted
    if len(columns) != 1 or indexed:
        low, high = float(fitted.min()), float(fitted.max())
        ends = np.array([low, high])
        label = f"fitted {left}"
        return View(
            fitted, response, ends, ends, fitted, residuals,
            label, f"observed {left}", label, error=problem.sigma, has_curve=False,
        )  # fmt: skip
    [(name, x)] = columns.items()
    grid = np.linspace(float(x.min()), float(x.max()), CURVE_POINTS)
    curve, lo, hi = _curve(result, name, grid)
    return View(
        x, response, grid, curve, x, residuals, name, left, name, lo, hi, problem.sigma
    )


def _left_side(formula: str) -> str:
    return formula.partition("~")[0].strip() if "~" in formula else "response"


def _curve(
    result: FitResult, name: str, grid: Array
) -> tuple[Array, Array | None, Array | None]:
    bands = result.predict({name: grid})
    if not np.isfinite(bands.lo).any():
        return bands.fitted, None, None
    return bands.fitted, bands.lo, bands.hi


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
