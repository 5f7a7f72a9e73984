"""Write a result for programs: tab-separated, CSV, Markdown. One line a parameter.

All 17 digits, but in Markdown, which is for people.
"""

from __future__ import annotations

import csv
import io
import math

from autodiff.fit.output.rounding import short, together
from autodiff.fit.stats.result import Estimate, FitResult

__all__ = ["csv_report", "markdown_report", "plain_report"]


def plain_report(result: FitResult) -> str:
    """Return name, estimate, se, lo, hi, tab-separated, a parameter a line.

    Parameters
    ----------
    result : FitResult
        A fit that converged: there is no place here to say that one did not.
    """
    return "\n".join(
        "\t".join([name, *map(repr, _four(p))]) for name, p in _all(result).items()
    )


def csv_report(result: FitResult) -> str:
    """Return the same with a header, the status and the verdict, as CSV (RFC 4180).

    Parameters
    ----------
    result : FitResult
        A fit.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow("name estimate se lo hi status verdict".split())
    for name, p in _all(result).items():
        numbers = ["" if math.isnan(value) else repr(value) for value in _four(p)]
        writer.writerow([name, *numbers, p.status, result.verdict])
    return stream.getvalue().rstrip("\n")


def markdown_report(result: FitResult) -> str:
    """Return a Markdown table with values rounded by their errors.

    Parameters
    ----------
    result : FitResult
        A fit that converged.
    """
    head = ["name", "estimate", "std. error", f"{100 * result.level:.6g} % interval"]
    rows = [head, ["---", "---:", "---:", "---"]]
    for name, p in _all(result).items():
        error, value, lo, hi = together(p.se, p.estimate, p.lo, p.hi)
        interval = "" if math.isnan(p.lo) else f"{lo} .. {hi}"
        if result.exact:
            value = "0" if name in result.zeros else short(p.estimate, 13)
            error, interval = "0", ""
        if p.status == "fixed":
            error, interval = "", p.status
        rows.append([f"`{name}`".replace("|", "\\|"), value, error, interval])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _all(result: FitResult) -> dict[str, Estimate]:
    return {**result.parameters, **result.derived}


def _four(p: Estimate) -> tuple[float, float, float, float]:
    return float(p.estimate), float(p.se), float(p.lo), float(p.hi)
