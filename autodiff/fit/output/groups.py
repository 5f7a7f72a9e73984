"""Write the fits of many groups (`--by`): for people, as JSON, CSV, Markdown, plain.

Groups come by the ten thousands, so they are arrays, not results: one line each for
people, one line a parameter for programs. The words are those of a single fit.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from autodiff.fit.data.columns import level_name
from autodiff.fit.grouped import GroupedSolution
from autodiff.fit.options import LIKELIHOODS, Options
from autodiff.fit.output.document import SCHEMA
from autodiff.fit.output.report import errors_in_words
from autodiff.fit.output.rounding import aligned, short, together
from autodiff.fit.output.style import PLAIN, Style
from autodiff.fit.solve.solution import CONVERGED
from autodiff.fit.stats.intervals import explain

__all__ = ["group_csv", "group_json", "group_markdown", "group_plain", "group_report"]


class _Line(NamedTuple):
    """One parameter of one group."""

    group: int
    name: str
    estimate: float
    se: float
    lo: float
    hi: float
    status: str
    interval: str


def _lines(found: GroupedSolution) -> Iterator[_Line]:
    """Yield each group's parameters and derived quantities, where it has them."""
    table = found.table
    numbers = [each.tolist() for each in (table.estimate, table.se, table.lo, table.hi)]
    words = [table.status.tolist(), table.interval.tolist()]
    for g in range(len(found.keys)):
        columns = zip(*(each[g] for each in (*numbers, *words)), strict=True)
        for name, cells in zip(table.names, columns, strict=True):
            if cells[4]:
                yield _Line(g, name, *cells)


def _answers(found: GroupedSolution) -> Iterator[_Line]:
    """Yield the same, without numbers of groups that have no answer.

    As of a single fit, only JSON tells where the search ended.
    """
    for line in _lines(found):
        known = found.table.verdict[line.group] == CONVERGED or line.status == "fixed"
        none = math.nan
        yield line if known else line._replace(estimate=none, se=none, lo=none, hi=none)


def _names(key: tuple[str | float, ...]) -> list[str]:
    return [level_name(value) for value in key]


def _sigma(found: GroupedSolution, group: int) -> float:
    df, rss = int(found.table.df[group]), float(found.table.rss[group])
    return math.sqrt(rss / df) if df > 0 and rss >= 0.0 else math.nan


def _errors(found: GroupedSolution, options: Options) -> str:
    if options.loss in LIKELIHOODS:
        return "model"
    return "scaled" if found.problem.sigma is None else "absolute"


def group_report(found: GroupedSolution, options: Options, style: Style = PLAIN) -> str:
    """Return a table with a line a group: estimates, errors, verdict.

    Parameters
    ----------
    found : GroupedSolution
        The fits.
    options : Options
        They were made with.
    style : Style
        Of the terminal.
    """
    table = found.table
    fixed = {slot.name for slot in found.problem.slots if slot.kind == "fixed"}
    head = list(found.by)
    for name in table.names:
        head += [name] if name in fixed else [name, "+-"]
    rows = [[*head, "n", "s", "verdict"]]
    values, errors = table.estimate.tolist(), table.se.tolist()
    for g, key in enumerate(found.keys):
        cells = _names(key)
        good = table.verdict[g] == CONVERGED
        for name, value, se in zip(table.names, values[g], errors[g], strict=True):
            error, shown = together(se, value)
            if name in fixed or (good and table.exact[g]):
                error, shown = "", f"{value:.13g}"
            elif not good:  # only JSON tells where the search ended
                error, shown = "-", "-"
            cells += [shown] if name in fixed else [shown, error]
        verdict = (style.good if good else style.bad)(table.verdict[g])
        code = f" [{table.code[g]}]" if table.code[g] else ""
        spread = short(_sigma(found, g))
        rows.append([*cells, str(table.n[g]), spread, verdict + code])
    left = [False] * len(found.by)
    lines = aligned(rows, [*left, *[True] * (len(rows[0]) - len(left) - 1), False])
    total = len(found.keys)
    lines.append(f"{found.n_converged} of {total} group{'s' * (total != 1)} converged")
    return "\n".join([*lines, *_footing(found, options)])


def _footing(found: GroupedSolution, options: Options) -> list[str]:
    """Say which errors these are, and in how many groups intervals are profiles."""
    table = found.table
    if not (np.isfinite(table.se) & (table.status == "free")).any():
        return []
    lines = [errors_in_words(_errors(found, options), options.standard_errors)]
    profiled = int((table.interval == "profile").any(axis=1).sum())
    chosen = {str(why) for why in table.ci[table.verdict == CONVERGED]}
    if profiled and options.ci == "auto":
        why = f"{explain(True, math.nan)}, in {profiled} of {len(found.keys)} groups"
    else:  # one reason for all, or several
        why = chosen.pop() if len(chosen) == 1 else "profile" if profiled else "Wald"
    shown = f"{100 * options.level:.6g} % intervals (shown by --csv, --json, --md)"
    return [*lines, f"{shown}: {why}"]


def group_plain(found: GroupedSolution) -> str:
    """Return group, name, estimate, se, lo, hi, tab-separated, a parameter a line.

    Parameters
    ----------
    found : GroupedSolution
        The fits; those without an answer have no lines.
    """
    return "\n".join(
        "\t".join([*_names(found.keys[line.group]), line.name, *map(repr, line[2:6])])
        for line in _lines(found)
        if found.table.verdict[line.group] == CONVERGED
    )


def group_csv(found: GroupedSolution) -> str:
    """Return the same with a header, status and verdict, as CSV (RFC 4180).

    Parameters
    ----------
    found : GroupedSolution
        The fits.
    """
    stream, table = io.StringIO(), found.table
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*found.by, *"name estimate se lo hi status verdict code".split()])
    for line in _answers(found):
        numbers = ["" if math.isnan(value) else repr(value) for value in line[2:6]]
        last = [line.status, table.verdict[line.group], table.code[line.group]]
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
    for line in _answers(found):
        error, value, lo, hi = together(line.se, line.estimate, line.lo, line.hi)
        interval = "" if math.isnan(line.lo) else f"{lo} .. {hi}"
        if line.status == "fixed":
            error, interval = "", line.status
        verdict = str(found.table.verdict[line.group])
        interval = interval if verdict == CONVERGED else verdict
        own = [*_names(found.keys[line.group]), f"`{line.name}`"]
        own = [text.replace("|", "\\|") for text in own]
        rows.append([*own, value, error, interval])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def group_json(found: GroupedSolution, options: Options) -> str:
    """Return all groups as JSON, 17 digits, undefined numbers as null.

    Parameters
    ----------
    found : GroupedSolution
        The fits.
    options : Options
        They were made with.
    """
    groups: list[dict[str, Any]] = []
    table = found.table
    for g, key in enumerate(found.keys):
        groups.append(
            {
                "group": dict(zip(found.by, _names(key), strict=True)),
                "verdict": table.verdict[g],
                "code": table.code[g],
                "reason": table.reason[g],
                "parameters": {},
                "derived": {},
                "n": int(table.n[g]),
                "df": int(table.df[g]),
                "rss": _number(float(table.rss[g])),
                "sigma": _number(_sigma(found, g)),
                "ci": table.ci[g],
                "exact": bool(table.exact[g]),
                "warnings": [
                    {"code": note.code, "message": note.text}
                    for note in table.warnings[g]
                ],
            }
        )
    for line in _lines(found):
        numbers = zip(("estimate", "se", "lo", "hi"), line[2:6], strict=True)
        kind = "derived" if line.name in options.derive else "parameters"
        groups[line.group][kind][line.name] = {
            **{name: _number(value) for name, value in numbers},
            "status": line.status,
            "interval": line.interval,
        }
    content = {
        "schema": SCHEMA,
        "formula": found.problem.formula.text,
        "by": list(found.by),
        "level": options.level,
        "loss": options.loss,
        "errors": _errors(found, options),
        "se": options.standard_errors,
        "converged": found.n_converged,
        "groups": groups,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
