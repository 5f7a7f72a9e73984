"""How well a model does: log-likelihood, information criteria, R squared.

All are of the fit as a whole and none decides a verdict.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Criteria", "criteria", "normal_likelihood", "r_squared"]

Array = npt.NDArray[np.float64]


class Criteria(NamedTuple):
    """Log-likelihood and what is made of it; NaN where there is none.

    `k` counts what was estimated: the free parameters, and the variance of the errors
    where that was not given.
    """

    loglik: float
    k: int
    aic: float
    aicc: float
    bic: float


def criteria(loglik: float, k: int, n: float) -> Criteria:
    """Return AIC, AICc and BIC of a log-likelihood.

    Parameters
    ----------
    loglik : float
        Natural logarithm of the likelihood at its maximum.
    k : int
        Quantities estimated.
    n : float
        Observations: rows, or the sum of how often each was seen.

    Notes
    -----
    ``AIC = 2k - 2L``, ``AICc = AIC + 2k(k+1)/(n-k-1)``, ``BIC = k log(n) - 2L`` (K. P.
    Burnham and D. R. Anderson, "Model Selection and Multimodel Inference", 2002).
    AICc is infinite where ``n <= k + 1``.

    Examples
    --------
    >>> criteria(-10.0, 3, 20).aic
    26.0
    """
    aic = 2.0 * k - 2.0 * loglik
    room = n - k - 1
    aicc = aic + 2.0 * k * (k + 1) / room if room > 0 else math.inf
    return Criteria(loglik, k, aic, aicc, k * math.log(n) - 2.0 * loglik)


def normal_likelihood(
    rss: float, n: int, *, sigma: Array | None = None, weight: Array | None = None
) -> float:
    """Return the log-likelihood of normal errors.

    Parameters
    ----------
    rss : float
        Sum of squared residuals, each over its sigma or times its weight.
    n : int
        Rows.
    sigma : array of shape (n,), optional
        Absolute standard deviations; without them the variance is the one that
        makes the likelihood largest, ``rss / n``.
    weight : array of shape (n,), optional
        Relative weights; rows of weight 0 count as absent.
    """
    if sigma is not None:
        return -0.5 * rss - float(np.log(sigma).sum()) - 0.5 * n * math.log(2 * math.pi)
    if rss <= 0.0:
        return math.inf
    spread = 0.0
    if weight is not None:
        used = weight[weight > 0.0]
        n, spread = len(used), 0.5 * float(np.log(used).sum())
    return spread - 0.5 * n * (math.log(2.0 * math.pi * rss / n) + 1.0)


def r_squared(rss: float, tss: float) -> float:
    """Return ``1 - rss / tss``; NaN for a constant response.

    Parameters
    ----------
    rss : float
        Weighted sum of squared residuals.
    tss : float
        Sum of squares about the mean, weighted alike; also where the formula has no
        constant, so the result can be negative for a model worse than the mean.
    """
    return 1.0 - rss / tss if tss > 0.0 else math.nan
