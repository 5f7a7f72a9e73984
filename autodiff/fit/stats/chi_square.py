"""The distribution of chi-square, for fits with absolute errors."""

from __future__ import annotations

import math

__all__ = ["chi_square_probability"]

SERIES_UP_TO = 20_000  # degrees of freedom


def chi_square_probability(chi2: float, df: int) -> float:
    """Return ``P(X > chi2)`` for `df` degrees of freedom.

    Notes
    -----
    The finite series of Abramowitz and Stegun, 26.4.4 and 26.4.5; the normal limit of
    the cube root, 26.4.14, good to 1e-4, beyond 20,000 degrees of freedom.

    Examples
    --------
    >>> round(chi_square_probability(18.307038, 10), 6)
    0.05
    """
    if not chi2 > 0.0:
        return 1.0
    if df > SERIES_UP_TO:
        spread = 2.0 / (9.0 * df)
        z = ((chi2 / df) ** (1.0 / 3.0) - 1.0 + spread) / math.sqrt(spread)
        return 0.5 * math.erfc(z / math.sqrt(2.0))
    half = 0.5 * chi2
    first = 0.5 if df % 2 else 0.0  # terms are exp(-half) half**k / gamma(k + 1)
    total = math.erfc(math.sqrt(half)) if df % 2 else 0.0
    k, log_half, terms = first, math.log(half), []
    while k < 0.5 * df - 0.25:
        terms.append(math.exp(k * log_half - half - math.lgamma(k + 1.0)))
        k += 1.0
    return min(1.0, total + math.fsum(terms))
