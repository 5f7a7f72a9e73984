"""The fitted curve at any rows, with confidence and prediction bands.

The variance of the curve at a row is ``g C g'``, g the exact gradient of the formula in
the parameters and C their covariance; a new observation adds its own variance. The
band of a likelihood is symmetric on the scale on which its mean has no limits, log or
logit, so it stays where means can be.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import UsageError
from autodiff.fit.options import LIKELIHOODS
from autodiff.fit.problem import Problem
from autodiff.fit.solve.model import Model
from autodiff.fit.stats.student_t import t_quantile

if TYPE_CHECKING:
    from autodiff.fit.stats.result import Estimate, FitResult

__all__ = ["Bands", "bands"]

Array = npt.NDArray[np.float64]


class Bands(NamedTuple):
    """A curve with its bands, shape (n,) each, in the unit of the response.

    Attributes
    ----------
    fitted, se : array
        The formula's values and their standard errors.
    lo, hi : array
        The confidence band: where the curve is; computed for the logarithm of the mean
        with the loss ``poisson``, for the logit of the probability with ``bernoulli``
        and ``binomial``, and transformed back.
    observation_lo, observation_hi : array
        The prediction band: where one more observation would be, with the sigma or the
        weight that the fit's expression has in its row; NaN where that is not known.
    """

    fitted: Array
    se: Array
    lo: Array
    hi: Array
    observation_lo: Array
    observation_hi: Array


def bands(result: FitResult, problem: Problem, level: float | None = None) -> Bands:
    """Return the curve of a fit at the rows of a problem.

    Parameters
    ----------
    result : FitResult
        A fit.
    problem : Problem
        The problem of the fit, with the columns and codes of the rows that are wanted.
    level : float, optional
        Probability of the bands; that of the fit if left out.

    Notes
    -----
    One pass over the rows. A parameter at its bound counts as fixed.
    """
    level = result.level if level is None else level
    if not 0.0 < level < 1.0:
        raise UsageError("U159", f"--level {level!r}: expected a number in (0, 1)")
    df = result.df if result.errors == "scaled" else math.inf
    quantile = t_quantile(level, df) if df > 0 else math.nan
    held = np.array([p.status.startswith("at ") for p in _free(result)], dtype=bool)
    cov = np.where(held[:, None] | held[None, :], 0.0, result.cov)
    n = len(problem.rows)
    fitted, variance = np.empty(n), np.empty(n)
    model = Model(replace(problem, response=np.zeros(n), sigma=None, weight=None))
    with np.errstate(all="ignore"):
        for rows, values, jacobian in model.blocks(result.point):
            fitted[rows] = values
            variance[rows] = np.einsum("ij,jk,ik->i", jacobian, cov, jacobian)
        se = np.sqrt(np.maximum(variance, 0.0))
        spread = _observation_variance(result, problem)
        reach, wide = quantile * se, quantile * np.sqrt(se * se + spread)
        lo, hi = _confidence(result.loss, fitted, reach)
        return Bands(fitted, se, lo, hi, fitted - wide, fitted + wide)


def _confidence(loss: str, fitted: Array, reach: Array) -> tuple[Array, Array]:
    """Return the ends of the confidence band; `reach` is half its width, linearized."""
    if loss not in LIKELIHOODS:
        return fitted - reach, fitted + reach
    if loss == "poisson":  # of log(f)
        grown = np.exp(reach / fitted)
        lo, hi = fitted / grown, fitted * grown
        inside = fitted > 0.0
    else:  # of log(f/(1 - f))
        rest = 1.0 - fitted
        grown = np.exp(reach / (fitted * rest))
        lo = fitted / (fitted + rest * grown)
        hi = fitted * grown / (fitted * grown + rest)
        hi = np.where(np.isinf(grown), 1.0, hi)
        inside = (fitted > 0.0) & (rest > 0.0)
    without = np.where(reach == 0.0, fitted, math.nan)  # where there is no such scale
    return np.where(inside, lo, without), np.where(inside, hi, without)


def _free(result: FitResult) -> list[Estimate]:
    return [result.parameters[name] for name in result.free]


def _observation_variance(result: FitResult, problem: Problem) -> Array | float:
    if result.loss != "normal":
        return math.nan
    if result.errors == "absolute":
        return math.nan if problem.sigma is None else np.square(problem.sigma)
    square = result.sigma**2
    if problem.weight is not None:
        return square / problem.weight
    return square if problem.scale is None else math.nan
