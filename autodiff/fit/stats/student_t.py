"""Quantiles of Student's t, for confidence intervals."""

from __future__ import annotations

import math

__all__ = ["t_quantile"]


def t_quantile(level: float, df: int) -> float:
    """Return t with ``P(|T| <= t) = level`` for `df` degrees of freedom.

    Parameters
    ----------
    level : float
        Two-sided probability, in (0, 1).
    df : int
        Degrees of freedom, 1 or more.

    Notes
    -----
    Newton steps on the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4,
    kept inside a bracket. About ``df/2`` terms a step.

    Examples
    --------
    >>> round(t_quantile(0.95, 10), 6)
    2.228139
    """
    low, high = 0.0, 1.0
    while _central(high, df) < level and high < 1e300:
        low, high = high, 2.0 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high or high - low < 1e-15 * high:
            break
        low, high = (middle, high) if _central(middle, df) < level else (low, middle)
    return 0.5 * (low + high)


def _central(t: float, df: int) -> float:
    """Return P(|T| <= t)."""
    if df > 100_000:  # the normal limit, corrected to first order in 1/df
        z = t * (1.0 - 1.0 / (4.0 * df)) / math.sqrt(1.0 + t * t / (2.0 * df))
        return math.erf(z / math.sqrt(2.0))
    theta = math.atan2(t, math.sqrt(df))
    sine, cosine = math.sin(theta), math.cos(theta)
    if df == 1:
        return 2.0 * theta / math.pi
    term = total = cosine if df % 2 else 1.0
    for k in range(3 if df % 2 else 2, df - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if df % 2:
        return 2.0 / math.pi * (theta + sine * total)
    return sine * total
