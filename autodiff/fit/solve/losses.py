"""Losses: one row of a table for each, and all that the solver asks of one.

A loss says what a fitted value f costs beside an observation y: the loss itself, its
first and second derivative in f, and the weight of Gauss-Newton, which is never
negative. For the likelihoods that is the expected second derivative, for the robust
losses psi(u)/u, which is that of reweighted least squares. Sums of losses are half
deviances: zero where every observation is met.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.errors import DataError, UsageError

__all__ = ["LOSSES", "Costs", "Loss", "mad_scale"]

Array = npt.NDArray[np.float64]


class Costs(NamedTuple):
    """Of each row: loss, its derivatives in the fitted value, Gauss-Newton's weight."""

    loss: Array
    first: Array
    second: Array
    weight: Array


Bent = Callable[[Array], tuple[Array, Array, Array, Array]]


@dataclass(frozen=True)
class Loss:
    """One loss.

    Attributes
    ----------
    name : str
        As the option has it.
    bend : callable or None
        Of a loss of residuals: of v = u / c, with u the residual in standard units
        and c the tuning, ``rho(u) / c^2``, ``psi / c``, ``psi'`` and ``psi / u``.
    tuning : float
        Of a robust loss: c, in robust standard deviations, for which it is 95 %
        efficient on normal data; infinite for the normal loss.
    upper : float
        Of a likelihood: fitted values lie between 0 and this, both excluded.
    """

    name: str
    bend: Bent | None
    tuning: float = math.inf
    upper: float = math.nan

    @property
    def is_robust(self) -> bool:
        """Whether it has a scale to be tuned by."""
        return math.isfinite(self.tuning)

    @property
    def is_likelihood(self) -> bool:
        """Whether its rows have a known variance, so that nothing is estimated."""
        return self.bend is None

    def costs(
        self, fitted: Array, observed: Array, root: Array | float, scale: float
    ) -> Costs:
        """Return what rows cost; NaN where a fitted value is outside the domain.

        Parameters
        ----------
        fitted, observed : array of shape (n,)
            Model and data.
        root : array of shape (n,) or float
            Of a loss of residuals, the factor that brings them to standard units: the
            root of a weight, or 1 / sigma. Of a likelihood, the number of trials.
        scale : float
            Where a robust loss bends, in standard units.
        """
        if self.bend is None:
            return self._likelihood(fitted, observed, np.asarray(root))
        u = root * (fitted - observed)
        if not self.is_robust:
            square = np.broadcast_to(np.square(root), u.shape)
            return Costs(0.5 * u * u, root * u, square, square)
        rho, psi, slope, weight = self.bend(u / scale)
        square = np.square(root)
        return Costs(
            scale * scale * rho, root * scale * psi, square * slope, square * weight
        )

    def _likelihood(self, fitted: Array, y: Array, m: Array) -> Costs:
        inside = (fitted > 0.0) & (fitted < self.upper)
        mean = np.where(inside, fitted, np.nan)
        if self.name == "poisson":
            loss = mean - y - _ratio_log(y, mean)
            return Costs(loss, 1.0 - y / mean, y / mean**2, 1.0 / mean)
        # A probability that is rounded to 0 or 1, and rightly so, costs nothing.
        met = ((fitted == 0.0) & (y == 0.0)) | ((fitted == 1.0) & (y == m))
        return Costs(*(np.where(met, 0.0, part) for part in self._trials(mean, y, m)))

    @staticmethod
    def _trials(mean: Array, y: Array, m: Array) -> Costs:
        """Return what successes y of m trials cost at a probability inside (0, 1)."""
        rest, spread = 1.0 - mean, mean * (1.0 - mean)
        loss = -_ratio_log(y, m * mean) - _ratio_log(m - y, m * rest)
        second = y / mean**2 + (m - y) / rest**2
        return Costs(loss, (m * mean - y) / spread, second, m / spread)

    def check(
        self, observed: Array, trials: Array | None, place: Callable[[int], str]
    ) -> None:
        """Raise `DataError` where a response cannot be one of this likelihood.

        `place` says what a row is called; binomial without trials is a `UsageError`.
        """
        if not self.is_likelihood:
            return
        if self.name == "binomial" and trials is None:
            message = "--loss binomial needs --trials; add it"
            raise UsageError("U172", message)
        top = np.inf if self.name == "poisson" else 1.0 if trials is None else trials
        bad = (observed < 0) | (observed > top) | (observed != np.round(observed))
        if trials is not None:
            bad = bad | (trials < 1) | (trials != np.round(trials))
        if bad.any():
            row = int(np.argmax(bad))
            kind = {"poisson": "counts 0, 1, 2, ...", "bernoulli": "0 or 1"}.get(
                self.name, "counts from 0 to the number of trials"
            )
            raise DataError(
                "D150",
                f"the {self.name} loss takes {kind}; the response is "
                f"{observed[row]:g} in {place(row)}",
            )

    def saturated(
        self, observed: Array, trials: Array | None, seen: Array | None = None
    ) -> float:
        """Return the log-likelihood where every observation is met.

        The log-likelihood of a fit is this less the objective. `seen` is how often each
        observation was made, once if left out.
        """
        y = observed
        often = np.ones_like(y) if seen is None else seen
        if self.name == "poisson":
            one = np.ones_like(y)
            return -float((often * (_ratio_log(y, one) + y + _lgamma(y + 1))).sum())
        if self.is_likelihood:
            m = np.ones_like(y) if trials is None else trials
            ways = _lgamma(m + 1) - _lgamma(y + 1) - _lgamma(m - y + 1)
            each = ways - _ratio_log(y, m) - _ratio_log(m - y, m)
            return float((often * each).sum())
        return math.nan


def _ratio_log(y: Array, mean: Array) -> Array:
    """Return ``y log(mean / y)``, 0 where y is."""
    some = np.where(y > 0.0, y, 1.0)
    result: Array = np.where(y > 0.0, y * np.log(mean / some), 0.0 * mean)
    return result


def _lgamma(x: Array) -> Array:
    with ad.no_grad():
        return np.asarray(ad.lgamma(ad.tensor(x)).numpy())


def _huber(v: Array) -> tuple[Array, Array, Array, Array]:
    size = np.abs(v)
    near = size <= 1.0
    weight = 1.0 / np.maximum(size, 1.0)
    return (
        np.where(near, 0.5 * v * v, size - 0.5),
        np.clip(v, -1.0, 1.0),
        near.astype(float),
        weight,
    )


def _soft_l1(v: Array) -> tuple[Array, Array, Array, Array]:
    root = np.sqrt(1.0 + v * v)
    return v * v / (1.0 + root), v / root, 1.0 / root**3, 1.0 / root


def _cauchy(v: Array) -> tuple[Array, Array, Array, Array]:
    square = 1.0 + v * v
    return (
        0.5 * np.log1p(v * v),
        v / square,
        (1.0 - v * v) / square**2,
        1.0 / square,
    )


def _tukey(v: Array) -> tuple[Array, Array, Array, Array]:
    inside = np.abs(v) < 1.0
    rest = np.where(inside, 1.0 - v * v, 0.0)
    return (
        (1.0 - rest**3) / 6.0,
        v * rest**2,
        np.where(inside, rest * (1.0 - 5.0 * v * v), 0.0),
        rest**2,
    )


def _square(v: Array) -> tuple[Array, Array, Array, Array]:
    one = np.ones_like(v)
    return 0.5 * v * v, v, one, one


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("normal", _square),
        Loss("huber", _huber, tuning=1.345),
        Loss("soft-l1", _soft_l1, tuning=1.287),
        Loss("cauchy", _cauchy, tuning=2.385),
        Loss("tukey", _tukey, tuning=4.685),
        Loss("poisson", None, upper=math.inf),
        Loss("bernoulli", None, upper=1.0),
        Loss("binomial", None, upper=1.0),
    )
}


def mad_scale(residual: Array) -> float:
    """Return the standard deviation that the median absolute residual speaks for.

    About zero, not about the median, as robust regression has it.
    """
    return float(np.median(np.abs(residual))) / 0.6744897501960817
