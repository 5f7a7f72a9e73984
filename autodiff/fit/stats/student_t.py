"""Quantiles of Student's t and of the normal distribution, for intervals.

Here and not from SciPy, whose import takes longer than most fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["normal_quantile", "t_quantile"]

SERIES_UP_TO = 1000  # degrees of freedom; the expansion in 1/df is exact beyond


def t_quantile(level: float, df: float) -> float:
    """Return t with ``P(|T| <= t) = level`` for `df` degrees of freedom.

    Parameters
    ----------
    level : float
        Two-sided probability, in (0, 1).
    df : int or inf
        Degrees of freedom, 1 or more; infinity is the normal distribution.

    Notes
    -----
    Bisection on the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4; for
    many degrees of freedom their expansion 26.7.5 about the normal quantile.

    Examples
    --------
    >>> round(t_quantile(0.95, 10), 6)
    2.228139
    """
    if df > SERIES_UP_TO:
        return _expansion(normal_quantile(level), df)
    return _solve(lambda t: _central(t, int(df)), level)


def normal_quantile(level: float) -> float:
    """Return z with ``P(|Z| <= z) = level``.

    Examples
    --------
    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    return _solve(lambda z: math.erf(z / math.sqrt(2.0)), level)


def _solve(central: Callable[[float], float], level: float) -> float:
    """Return the argument where an increasing function reaches `level`."""
    low, high = 0.0, 1.0
    while central(high) < level and high < 1e300:
        low, high = high, 2.0 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high or high - low < 1e-15 * high:
            break
        low, high = (middle, high) if central(middle) < level else (low, middle)
    return 0.5 * (low + high)


def _central(t: float, df: int) -> float:
    """Return P(|T| <= t)."""
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


def _expansion(z: float, df: float) -> float:
    """Return the t quantile from the normal one, as a series in 1/df."""
    y = z * z
    terms = (
        z * (y + 1.0) / 4.0,
        z * ((5.0 * y + 16.0) * y + 3.0) / 96.0,
        z * (((3.0 * y + 19.0) * y + 17.0) * y - 15.0) / 384.0,
        z * ((((79.0 * y + 776.0) * y + 1482.0) * y - 1920.0) * y - 945.0) / 92160.0,
    )
    return z + sum(term / df**k for k, term in enumerate(terms, 1))
