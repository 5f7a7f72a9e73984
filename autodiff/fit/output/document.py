"""A result as plain data: what ``--json`` prints and what files of models hold.

The only reader of `FitResult` for machines. The keys are those of ``schema.json``; a
key never changes its meaning within a version, and undefined numbers are None.
"""

from __future__ import annotations

import math
from typing import Any

from autodiff.fit.stats.result import Estimate, FitResult

__all__ = ["SCHEMA", "document"]

SCHEMA = "autodiff-fit/1"


def document(result: FitResult) -> dict[str, Any]:
    """Return all that was found, as what JSON can hold.

    Parameters
    ----------
    result : FitResult
        Of one fit.

    Examples
    --------
    >>> import autodiff as ad
    >>> line = ad.fit("y ~ w*x + b", {"x": [0, 1, 2, 3], "y": [3, 8, 13, 18]})
    >>> document(line)["parameters"]["w"]["estimate"]
    5.0
    """
    return {
        "schema": SCHEMA,
        "formula": result.formula,
        "verdict": result.verdict,
        "code": result.code,
        "reason": result.reason,
        "parameters": {n: _estimate(p) for n, p in result.parameters.items()},
        "derived": {n: _estimate(p) for n, p in result.derived.items()},
        "free": list(result.free),
        "cov": [[_number(v) for v in row] for row in result.cov.tolist()],
        "n": result.n,
        "df": result.df,
        "dropped": result.problem.n_dropped if result.problem else 0,
        "rss": _number(result.rss),
        "sigma": _number(result.sigma),
        "r_squared": _number(result.r_squared),
        "loglik": _number(result.loglik),
        "aic": _number(result.aic),
        "aicc": _number(result.aicc),
        "bic": _number(result.bic),
        "deviance": _number(result.deviance),
        "chi2_probability": _number(result.chi2_probability),
        "durbin_watson": _number(
            result.checks.durbin_watson if result.checks else math.nan
        ),
        "level": result.level,
        "loss": result.loss,
        "errors": result.errors,
        "se": result.se,
        "ci": result.ci,
        "exact": result.exact,
        "largest_residual": _number(result.largest_residual),
        "evaluations": result.n_evaluations,
        "outside": result.n_outside,
        "warnings": [{"code": n.code, "message": n.text} for n in result.warnings],
    }


def _estimate(p: Estimate) -> dict[str, Any]:
    return {
        "estimate": _number(p.estimate),
        "se": _number(p.se),
        "lo": _number(p.lo),
        "hi": _number(p.hi),
        "status": p.status,
        "interval": p.interval,
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
