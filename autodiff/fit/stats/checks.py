"""Checks of the residuals, which only warn.

Residuals of the right formula scatter at random along a predictor. Runs of one sign,
or neighbours that resemble each other, say that the formula misses a trend, or that
errors depend on each other: then standard errors are too small.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["ResidualChecks", "check_residuals"]

Array = npt.NDArray[np.float64]

FEWEST_ROWS = 16  # the tests rest on normal limits
SUSPICIOUS = 0.001  # one-sided probability below which there is a warning


class ResidualChecks(NamedTuple):
    """What the residuals look like in order of a predictor.

    Attributes
    ----------
    along : str
        The column that orders them; empty for the order of the rows.
    durbin_watson : float
        Sum of squared differences of neighbours over the sum of squares: about 2 for
        independent residuals, towards 0 when neighbours resemble each other.
    n_runs : int
        Stretches of one sign.
    expected_runs : float
        For signs in random order.
    runs_probability : float
        Of so few runs, if signs come at random; NaN where there are too few rows.
    """

    along: str
    durbin_watson: float
    n_runs: int
    expected_runs: float
    runs_probability: float

    @property
    def trouble(self) -> str:
        """A sentence on what is suspicious; empty where nothing is."""
        if not self.runs_probability < SUSPICIOUS:
            return ""
        order = f"along {self.along}" if self.along else "in the order of the rows"
        return (
            f"the residuals {order} come in {self.n_runs} runs of one sign where about "
            f"{self.expected_runs:.0f} are expected (Durbin-Watson "
            f"{self.durbin_watson:.2f}): the formula may miss a trend, or errors "
            "depend on each other, and standard errors are then too small"
        )


def check_residuals(residual: Array, columns: dict[str, Array]) -> ResidualChecks:
    """Look for structure in residuals along the first predictor.

    Parameters
    ----------
    residual : array of shape (n,)
        Standardised residuals.
    columns : dict of str to array of shape (n,)
        The predictors; without any, the order of the rows counts.

    Notes
    -----
    The number of runs has a normal limit (A. Wald and J. Wolfowitz, "On a test whether
    two samples are from the same population", 1940).

    Examples
    --------
    >>> wave = np.sin(np.linspace(0.0, 6.0, 40))
    >>> check_residuals(wave, {}).n_runs
    2
    """
    along = next(iter(columns), "")
    if along:
        residual = residual[np.argsort(columns[along], kind="stable")]
    total = float(residual @ residual)
    differences = np.diff(residual)
    watson = float(differences @ differences) / total if total > 0.0 else math.nan
    signs = np.sign(residual[residual != 0.0])
    n = len(signs)
    n_runs = int(np.count_nonzero(np.diff(signs))) + (n > 0)
    above = int(np.count_nonzero(signs > 0))
    below = n - above
    if n < FEWEST_ROWS or min(above, below) < 2:
        return ResidualChecks(along, watson, n_runs, math.nan, math.nan)
    product = 2.0 * above * below
    expected = product / n + 1.0
    variance = product * (product - n) / (n * n * (n - 1.0))
    deviation = (n_runs + 0.5 - expected) / math.sqrt(variance)
    probability = 0.5 * math.erfc(-deviation / math.sqrt(2.0))
    return ResidualChecks(along, watson, n_runs, expected, probability)
