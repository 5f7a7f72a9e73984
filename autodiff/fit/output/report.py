"""Write a result: for people, as tab-separated text, as JSON."""

from __future__ import annotations

import math

from autodiff.fit.stats.result import FitResult

__all__ = ["json_report", "plain_report", "text_report"]

SCHEMA = "autodiff-fit/1"


def text_report(result: FitResult) -> str:
    """Return the report for people.

    A parameter a line, as ``name = estimate +- standard error``, then what they
    rest on. An exact fit has no errors to show.
    """
    digits = 13 if result.exact else 12
    lines = []
    for name, p in result.parameters.items():
        line = f"{name} = {p.estimate:.{digits}g}"
        if not result.exact and math.isfinite(p.se):
            line += f" +- {p.se:.12g}"
            line += f"   ({100 * result.level:.6g} % interval {p.lo:.8g} .. {p.hi:.8g})"
        lines.append(line)
    lines.append(_footing(result))
    return "\n".join(lines)


def _footing(result: FitResult) -> str:
    if result.exact and result.largest_residual == 0.0:
        return f"exact fit: all {result.n} residuals are 0; standard errors are 0"
    if result.exact:
        return (
            f"exact fit: all {result.n} residuals are 0 up to rounding (largest "
            f"{result.largest_residual:.2g}); standard errors are 0 up to rounding"
        )
    if result.df == 0:
        return (
            f"{result.n} rows for {len(result.parameters)} parameters: "
            f"no standard errors; rss {result.rss:.12g}"
        )
    return (
        f"residual standard deviation {result.sigma:.12g} on {result.df} degrees of "
        f"freedom; rss {result.rss:.12g}; n {result.n}"
    )


def plain_report(result: FitResult) -> str:
    """Return name, estimate, se, lo, hi, tab-separated, a parameter a line."""
    return "\n".join(
        f"{name}\t{p.estimate!r}\t{p.se!r}\t{p.lo!r}\t{p.hi!r}"
        for name, p in result.parameters.items()
    )


def json_report(result: FitResult) -> str:
    """Return the result as JSON, all 17 digits, undefined numbers as null."""
    import json

    document = {
        "schema": SCHEMA,
        "formula": result.formula,
        "verdict": result.verdict,
        "reason": result.reason,
        "parameters": {
            name: {
                "estimate": _number(p.estimate),
                "se": _number(p.se),
                "lo": _number(p.lo),
                "hi": _number(p.hi),
            }
            for name, p in result.parameters.items()
        },
        "level": result.level,
        "rss": _number(result.rss),
        "n": result.n,
        "df": result.df,
        "exact": result.exact,
        "evaluations": result.n_evaluations,
        "warnings": list(result.warnings),
    }
    return json.dumps(document, indent=2)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
