"""What a fit found: everything that is reported, computed once.

Made by `stats/summarize.py`; `output/` formats it and computes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import (
    EXIT_NOT_CONVERGED,
    EXIT_NOT_DETERMINABLE,
    EXIT_OK,
    Note,
    UsageError,
    name_list,
    suggestion,
)
from autodiff.fit.stats.checks import ResidualChecks
from autodiff.fit.wording import speaks_python

if TYPE_CHECKING:
    from autodiff.fit.problem import Problem
    from autodiff.fit.solve.solution import Solution
    from autodiff.fit.stats.bands import Bands
    from autodiff.fit.stats.profile import ProfileCurve, Profiler

__all__ = ["CONVERGED", "Estimate", "FitResult"]

Array = npt.NDArray[np.float64]

CONVERGED = "converged"

_EXIT_CODES = {
    CONVERGED: EXIT_OK,
    "not converged": EXIT_NOT_CONVERGED,
    "not determinable": EXIT_NOT_DETERMINABLE,
}


@dataclass(frozen=True)
class Estimate:
    """One parameter, or one derived quantity.

    Attributes
    ----------
    estimate, se : float
        Value and standard error, in its unit; `se` is NaN where it is not defined.
    lo, hi : float
        Ends of the interval; infinite where the data set no limit.
    status : str
        ``free``, ``fixed``, ``tied``, ``derived``, ``at lower bound`` or ``at upper
        bound``.
    interval : str
        ``wald``, ``profile`` or empty.
    """

    estimate: float
    se: float
    lo: float
    hi: float
    status: str = "free"
    interval: str = ""


@dataclass(frozen=True, eq=False)
class FitResult:
    """What a fit found.

    Attributes
    ----------
    formula : str
        As it was written.
    parameters : dict of str to Estimate
        In order of first use in the formula; fixed and tied ones too.
    free : tuple of str
        The parameters that were fitted, in the order of `cov`.
    cov : array of shape (p, p)
        Their covariance; NaN where it is not defined.
    rss : float
        Sum of squared residuals, each over its sigma or times its weight where those
        were given; else in squared units of the response.
    n, df : int
        Rows used; rows minus free parameters.
    verdict : str
        ``converged``, ``not converged`` or ``not determinable``. Estimates mean
        something only in the first case.
    code, reason : str
        Why it is not ``converged``, and what to do; else empty.
    exact : bool
        Whether all residuals are zero up to rounding.
    largest_residual : float
        In absolute value.
    zeros : frozenset of str
        Of an exact fit, what is 0 up to rounding: parameters and derived quantities.
    level : float
        Probability of the intervals.
    loss, se, ci : str
        Loss; kind of standard errors; how intervals were chosen, in words.
    errors : str
        ``scaled`` (by s, estimated from the residuals), ``absolute`` (from sigma) or
        ``model`` (from the likelihood).
    r_squared : float
        ``1 - rss/tss`` about the mean; NaN where it means nothing.
    loglik, aic, aicc, bic : float
        Log-likelihood and criteria made of it; NaN where the loss has no likelihood.
    deviance : float
        Of a likelihood, twice what its logarithm lacks to that of a fit that meets
        every observation; else NaN.
    chi2_probability : float
        Of a chi-square as large, where errors are absolute; else NaN.
    checks : ResidualChecks or None
        Structure of the residuals.
    derived : dict of str to Estimate
        Quantities computed from the parameters.
    n_evaluations, n_outside : int
        Passes over the rows; steps that left the formula's domain.
    warnings : tuple of Note
        What the reader should know, each with its code.
    """

    formula: str
    parameters: dict[str, Estimate]
    free: tuple[str, ...]
    cov: Array
    rss: float
    n: int
    df: int
    verdict: str
    code: str = ""
    reason: str = ""
    exact: bool = False
    largest_residual: float = math.nan
    zeros: frozenset[str] = frozenset()
    level: float = 0.95
    loss: str = "normal"
    se: str = "jtj"
    ci: str = ""
    errors: str = "scaled"
    r_squared: float = math.nan
    loglik: float = math.nan
    aic: float = math.nan
    aicc: float = math.nan
    bic: float = math.nan
    deviance: float = math.nan
    chi2_probability: float = math.nan
    checks: ResidualChecks | None = None
    derived: dict[str, Estimate] = field(default_factory=dict)
    n_evaluations: int = 0
    n_outside: int = 0
    warnings: tuple[Note, ...] = ()
    problem: Problem | None = field(default=None, repr=False, compare=False)
    solution: Solution | None = field(default=None, repr=False, compare=False)
    profiler: Profiler | None = field(default=None, repr=False, compare=False)

    @property
    def converged(self) -> bool:
        """Whether the estimates can be relied on."""
        return self.verdict == CONVERGED

    @property
    def exit_code(self) -> int:
        """What the command line returns to the shell: 0, 4 or 5."""
        return _EXIT_CODES[self.verdict]

    @property
    def params(self) -> dict[str, float]:
        """The estimates alone, by name."""
        return {name: p.estimate for name, p in self.parameters.items()}

    @property
    def point(self) -> Array:
        """The estimates of the free parameters, in the order of `cov`."""
        return np.array([self.parameters[name].estimate for name in self.free])

    @property
    def residuals(self) -> Array:
        """Fitted less observed, shape (n,); empty where there are no data."""
        return np.empty(0) if self.solution is None else self.solution.residuals

    @property
    def fitted(self) -> Array:
        """The formula's values, shape (n,); empty where there are no data."""
        if self.problem is None or self.solution is None:
            return np.empty(0)
        result: Array = self.residuals + self.problem.response
        return result

    @property
    def correlations(self) -> Array:
        """Correlations of the free parameters, shape (p, p)."""
        errors = np.sqrt(np.diagonal(self.cov))
        with np.errstate(all="ignore"):
            result: Array = self.cov / np.outer(errors, errors)
        return result

    @property
    def sigma(self) -> float:
        """Residual standard deviation; NaN without degrees of freedom."""
        return math.sqrt(self.rss / self.df) if self.df > 0 else math.nan

    @speaks_python
    def profile(self, name: str, n_points: int = 21) -> ProfileCurve:
        """Return the profile of a parameter: how good the fit is with it held.

        Parameters
        ----------
        name : str
            One of `free`.
        n_points : int
            How many values, from beyond one end of the interval to the other.

        Raises
        ------
        UsageError
            If there is no such parameter, or the fit did not converge.

        Examples
        --------
        >>> import autodiff as ad
        >>> data = {"x": [0.0, 1.0, 2.0, 3.0], "y": [3.1, 7.9, 13.2, 17.9]}
        >>> curve = ad.fit("y ~ w*x + b", data).profile("w")
        >>> curve.values.shape, curve.roots.shape
        ((21,), (21,))
        """
        from autodiff.fit.stats.profile import profile_curve

        if name not in self.free:
            raise UsageError(
                "U155",
                f"{name!r} was not fitted{suggestion(name, self.free)} "
                f"(free parameters: {name_list(self.free)})",
            )
        if self.profiler is None:
            raise UsageError(
                "U156", "there is no profile: the fit has no minimum with errors"
            )
        j = self.free.index(name)
        return profile_curve(self.profiler, j, math.sqrt(self.cov[j, j]), n_points)

    @speaks_python
    def predict(self, data: Any = None, level: float | None = None) -> Bands:
        """Evaluate the fitted formula, with bands.

        Parameters
        ----------
        data : mapping of arrays, table or path, optional
            Columns that the formula uses; the data of the fit if left out.
        level : float, optional
            Probability of the bands; that of the fit if left out.

        Returns
        -------
        Bands
            `fitted`, its standard error and the ends of the confidence and of the
            prediction band, shape (n,) each.

        Examples
        --------
        >>> import autodiff as ad
        >>> line = ad.fit("y ~ w*x + b", {"x": [0, 1, 2, 3], "y": [3, 8, 13, 18]})
        >>> line.predict({"x": [10.0]}).fitted
        array([53.])
        """
        from autodiff.fit.data.arrays import as_columns
        from autodiff.fit.problem import rows_of
        from autodiff.fit.stats.bands import bands

        if self.problem is None or not self.problem.formula.rhs:
            raise UsageError("U164", "this result has no formula to evaluate")
        problem = self.problem
        if data is not None:
            problem = rows_of(problem, as_columns(data))
        return bands(self, problem, level)

    def report(self) -> str:
        """Return the report for people."""
        from autodiff.fit.output.report import text_report

        return text_report(self)

    def to_json(self) -> str:
        """Return the result as JSON, all 17 digits, undefined numbers as null."""
        from autodiff.fit.output.report import json_report

        return json_report(self)

    @speaks_python
    def save(self, path: str) -> None:
        """Write the model to a file that `autodiff predict` reads.

        Parameters
        ----------
        path : str
            A JSON file, overwritten.
        """
        from autodiff.fit.output.saved import save_model

        save_model(self, path)

    @speaks_python
    def plot(self, path: str) -> None:
        """Draw data, curve, band and residuals into a PNG or SVG file.

        Parameters
        ----------
        path : str
            Its suffix says which.
        """
        from autodiff.fit.output.picture import draw

        draw(self, path)
