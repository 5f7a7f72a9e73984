"""Write results for programs: tab-separated, CSV, Markdown. All 17 digits.

One line a parameter; with groups, the group stands first. A fit that did not converge
has no line in the tab-separated form, which has no place to say so.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from autodiff.fit.output.numbers import together
from autodiff.fit.stats.result import Estimate, FitResult

__all__ = ["csv_report", "markdown_report", "plain_report"]

Groups = Mapping[str, FitResult]


class _Line(NamedTuple):
    group: str
    name: str
    estimate: Estimate
    result: FitResult


def _lines(results: Groups) -> Iterator[_Line]:
    for group, result in results.items():
        for name, p in {**result.parameters, **result.derived}.items():
            yield _Line(group, name, p, result)


def plain_report(results: Groups, by: str = "") -> str:
    """Return name, estimate, se, lo, hi, tab-separated, a parameter a line.

    Parameters
    ----------
    results : mapping of str to FitResult
        By group; a single fit under any name.
    by : str
        The column of groups; empty for a single fit.
    """
    return "\n".join(
        "\t".join([line.group] * bool(by) + [line.name, *map(repr, _four(line))])
        for line in _lines(results)
        if line.result.converged
    )


def csv_report(results: Groups, by: str = "") -> str:
    """Return the same with a header, the status and the verdict, as CSV (RFC 4180).

    Parameters
    ----------
    results : mapping of str to FitResult
        By group; a single fit under any name.
    by : str
        The column of groups; empty for a single fit.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([by] * bool(by) + "name estimate se lo hi status verdict".split())
    for line in _lines(results):
        numbers = ["" if math.isnan(v) else repr(v) for v in _four(line)]
        last = [line.estimate.status, line.result.verdict]
        writer.writerow([line.group] * bool(by) + [line.name, *numbers, *last])
    return stream.getvalue().rstrip("\n")


def markdown_report(results: Groups, by: str = "") -> str:
    """Return a Markdown table with values rounded by their errors.

    Parameters
    ----------
    results : mapping of str to FitResult
        By group; a single fit under any name.
    by : str
        The column of groups; empty for a single fit.
    """
    level = next(iter(results.values())).level
    head = [by] * bool(by) + ["name", "estimate", "std. error"]
    head.append(f"{100 * level:.6g} % interval")
    rule = ["---"] * (len(head) - 3) + ["---:", "---:", "---"]
    rows = [head, rule]
    for line in _lines(results):
        p, good = line.estimate, line.result.converged
        error, value, lo, hi = together(p.se if good else None, p.estimate, p.lo, p.hi)
        interval = line.result.verdict
        if good:
            interval = "" if math.isnan(p.lo) else f"{lo} .. {hi}"
            interval = p.status if p.status == "fixed" else interval
        names = [line.group] * bool(by) + [f"`{line.name}`"]
        rows.append([*map(_escaped, names), value, error, interval])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _four(line: _Line) -> tuple[float, float, float, float]:
    p = line.estimate
    return float(p.estimate), float(p.se), float(p.lo), float(p.hi)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
