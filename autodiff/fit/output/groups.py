"""Write the fits of many groups (`--by`): for people, as JSON, CSV, Markdown, plain.

Groups come by the ten thousands, so they are arrays, not results: one line each for
people, one line a parameter for programs. Intervals are Wald's.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autodiff.fit.data.columns import level_name
from autodiff.fit.grouped import GroupedSolution
from autodiff.fit.output.document import SCHEMA
from autodiff.fit.output.rounding import aligned, short, together
from autodiff.fit.output.style import PLAIN, Style
from autodiff.fit.solve.solution import CONVERGED
from autodiff.fit.stats.student_t import t_quantile

__all__ = ["group_csv", "group_json", "group_markdown", "group_plain", "group_report"]

Array = npt.NDArray[np.float64]


class _Line(NamedTuple):
    """One parameter of one group."""

    group: int
    name: str
    estimate: float
    se: float
    lo: float
    hi: float


def _reach(found: GroupedSolution, level: float) -> Array:
    """Return half the width of the intervals, shape (g, p)."""
    scaled = found.problem.sigma is None
    quantiles = {
        df: t_quantile(level, df if scaled else math.inf) if df > 0 else math.nan
        for df in np.unique(found.df).tolist()
    }
    factor = np.array([quantiles[df] for df in found.df.tolist()])
    reach: Array = factor[:, None] * found.se
    return np.where(found.se == 0.0, 0.0, reach)


def _lines(found: GroupedSolution, level: float) -> Iterator[_Line]:
    reach = _reach(found, level)
    low, high = (found.estimate - reach).tolist(), (found.estimate + reach).tolist()
    values, errors = found.estimate.tolist(), found.se.tolist()
    for g in range(len(found.keys)):
        for j, name in enumerate(found.problem.names):
            yield _Line(g, name, values[g][j], errors[g][j], low[g][j], high[g][j])


def _names(key: tuple[str | float, ...]) -> list[str]:
    return [level_name(value) for value in key]


def _sigma(found: GroupedSolution, group: int) -> float:
    df, rss = int(found.df[group]), float(found.rss[group])
    return math.sqrt(rss / df) if df > 0 and rss >= 0.0 else math.nan


def group_report(found: GroupedSolution, style: Style = PLAIN) -> str:
    """Return a table with a line a group: estimates, errors, verdict.

    Parameters
    ----------
    found : GroupedSolution
        The fits.
    style : Style
        Of the terminal.
    """
    head = list(found.by)
    for name in found.problem.names:
        head += [name, "+-"]
    rows = [[*head, "n", "s", "verdict"]]
    values, errors = found.estimate.tolist(), found.se.tolist()
    for g, key in enumerate(found.keys):
        cells = _names(key)
        for value, se in zip(values[g], errors[g], strict=True):
            error, shown = together(se, value)
            cells += [shown, error]
        good = found.verdicts[g] == CONVERGED
        verdict = (style.good if good else style.bad)(found.verdicts[g])
        code = f" [{found.codes[g]}]" if found.codes[g] else ""
        rows.append([*cells, str(found.n[g]), short(_sigma(found, g)), verdict + code])
    numbers = [True] * (2 * len(found.problem.names) + 2)
    lines = aligned(rows, [*[False] * len(found.by), *numbers, False])
    total = len(found.keys)
    lines.append(f"{found.n_converged} of {total} group{'s' * (total != 1)} converged")
    return "\n".join(lines)


def group_plain(found: GroupedSolution, level: float) -> str:
    """Return group, name, estimate, se, lo, hi, tab-separated, a parameter a line.

    Parameters
    ----------
    found : GroupedSolution
        The fits; those without an answer have no lines.
    level : float
        Probability of the intervals.
    """
    return "\n".join(
        "\t".join([*_names(found.keys[line.group]), line.name, *map(repr, line[2:])])
        for line in _lines(found, level)
        if found.verdicts[line.group] == CONVERGED
    )


def group_csv(found: GroupedSolution, level: float) -> str:
    """Return the same with a header and the verdict, as CSV (RFC 4180).

    Parameters
    ----------
    found : GroupedSolution
        The fits.
    level : float
        Probability of the intervals.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*found.by, *"name estimate se lo hi verdict code".split()])
    for line in _lines(found, level):
        numbers = ["" if math.isnan(value) else repr(value) for value in line[2:]]
        last = [found.verdicts[line.group], found.codes[line.group]]
        writer.writerow([*_names(found.keys[line.group]), line.name, *numbers, *last])
    return stream.getvalue().rstrip("\n")


def group_markdown(found: GroupedSolution, level: float) -> str:
    """Return a Markdown table with values rounded by their errors.

    Parameters
    ----------
    found : GroupedSolution
        The fits.
    level : float
        Probability of the intervals.
    """
    head = [
        *found.by,
        "name",
        "estimate",
        "std. error",
        f"{100 * level:.6g} % interval",
    ]
    names = len(found.by) + 1
    rows = [head, [*["---"] * names, "---:", "---:", "---"]]
    for line in _lines(found, level):
        error, value, lo, hi = together(line.se, line.estimate, line.lo, line.hi)
        verdict = found.verdicts[line.group]
        interval = f"{lo} .. {hi}" if verdict == CONVERGED else verdict
        own = [*_names(found.keys[line.group]), f"`{line.name}`"]
        own = [text.replace("|", "\\|") for text in own]
        rows.append([*own, value, error, interval])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def group_json(found: GroupedSolution, level: float) -> str:
    """Return all groups as JSON, 17 digits, undefined numbers as null.

    Parameters
    ----------
    found : GroupedSolution
        The fits.
    level : float
        Probability of the intervals.
    """
    groups: list[dict[str, Any]] = []
    for g, key in enumerate(found.keys):
        groups.append(
            {
                "group": dict(zip(found.by, _names(key), strict=True)),
                "verdict": found.verdicts[g],
                "code": found.codes[g],
                "reason": found.reasons[g],
                "parameters": {},
                "n": int(found.n[g]),
                "df": int(found.df[g]),
                "rss": _number(float(found.rss[g])),
                "sigma": _number(_sigma(found, g)),
            }
        )
    for line in _lines(found, level):
        numbers = zip(("estimate", "se", "lo", "hi"), line[2:], strict=True)
        groups[line.group]["parameters"][line.name] = {
            name: _number(value) for name, value in numbers
        }
    content = {
        "schema": SCHEMA,
        "formula": found.problem.formula.text,
        "by": list(found.by),
        "level": level,
        "errors": "scaled" if found.problem.sigma is None else "absolute",
        "converged": found.n_converged,
        "groups": groups,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
