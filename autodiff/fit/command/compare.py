"""``autodiff compare``: which of several models the data prefer.

Formulas are fitted to the table of ``--data``. Saved models hold no data; given the
table again they are evaluated on it, which says which of them are nested.
"""

from __future__ import annotations

import csv
import io
import math
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autodiff.fit.command.reading import check_input, table
from autodiff.fit.command.streams import complain, progress, remark
from autodiff.fit.errors import Note, UsageError, name_list, suggestion
from autodiff.fit.formula.parse import Formula
from autodiff.fit.options import Options
from autodiff.fit.output.rounding import aligned, short
from autodiff.fit.stats.compare import Comparison
from autodiff.fit.stats.result import FitResult

__all__ = ["run_compare"]

HEAD = ("model", "parameters", "rss", "AICc", "BIC", "delta", "weight")
SCHEMA = "autodiff-compare/1"
SMALL = 0.05


def run_compare(options: Namespace) -> int:
    """Compare saved models, or formulas on one table; return the exit code."""
    fitted = _fit_all(options) if _are_formulas(options) else _load_all(options)
    for name, result in fitted.items():
        if not result.converged:
            complain(f"{name}: {result.verdict}: {result.reason} [{result.code}]")
            return result.exit_code
        for note in result.warnings if not options.quiet else ():
            remark(note, f"{name}: ")
    from autodiff.fit.api import compare

    found = compare(*fitted.values(), labels=list(fitted))
    text = _text(found, options)
    if text:
        print(text)
    return 0


def _are_formulas(options: Namespace) -> bool:
    if options.data is None:
        strange = next((text for text in options.models if "~" in text), None)
        if strange is not None:
            raise UsageError(
                "U188",
                f"{strange[:40]!r} is a formula, so --data FILE must say what it is "
                "fitted to",
            )
    if len(options.models) < 2:
        raise UsageError("U152", "compare needs at least two models")
    if options.data is None:
        return False
    saved = [text for text in options.models if _is_file(text)]
    if saved and len(saved) < len(options.models):
        raise UsageError(
            "U188",
            f"{saved[0]} is a saved model, and others are formulas; compare formulas, "
            "or models, with --data FILE",
        )
    return not saved


def _is_file(text: str) -> bool:
    return text.endswith(".json") or ("~" not in text and Path(text).is_file())


def _fit_all(options: Namespace) -> dict[str, FitResult]:
    from autodiff.fit.api import fit_problem
    from autodiff.fit.command.fit import binding
    from autodiff.fit.formula.evaluate import names_in
    from autodiff.fit.formula.parse import parse
    from autodiff.fit.problem import pose

    bound = binding(options)
    start = bound.pop("start")
    parsed = {text: parse(text) for text in options.models}
    if len(parsed) < len(options.models):
        raise UsageError("U152", "compare: a formula is given twice; keep one")
    check_input(options.data)
    data = table(options.data, options)
    said = [start, *(names for names in bound.values() if isinstance(names, dict))]
    _check_meant({name for names in said for name in names}, parsed)
    wanted = Options(loss=options.loss, loss_scale=options.loss_scale)
    found = {}
    with progress("fitting", wanted=not options.quiet):
        for text, formula in parsed.items():
            known = names_in(formula.rhs)
            # A start or bound is meant for the formulas that have the parameter.
            own = {
                key: {n: v for n, v in value.items() if n in known}
                if isinstance(value, dict)
                else value
                for key, value in bound.items()
            }
            given = {name: v for name, v in start.items() if name in known}
            found[text] = fit_problem(pose(text, data, given, **own), wanted)
    return found


def _check_meant(given: set[str], formulas: Mapping[str, Formula]) -> None:
    """Refuse what is said of a parameter that no formula has."""
    from autodiff.fit.binding.slots import split_level
    from autodiff.fit.formula.evaluate import names_in

    known = {n: None for formula in formulas.values() for n in names_in(formula.rhs)}
    for name in sorted(given):
        if split_level(name)[0] not in known:
            raise UsageError(
                "U113",
                f"{name!r} is in none of the formulas{suggestion(name, known)} (names: "
                f"{name_list(known)})",
            )


def _load_all(options: Namespace) -> dict[str, FitResult]:
    from autodiff.fit.output.saved import load_model

    found = {path: load_model(path) for path in options.models}
    if len(found) < len(options.models):
        raise UsageError("U152", "compare: a model is given twice; keep one")
    if options.data is not None:
        return _with_data(found, options)
    if not options.quiet:
        text = (
            "saved models hold no data, so whether they are nested is not known; "
            "--data FILE, with the data of their fits, tests it"
        )
        remark(Note("W171", text))
    return found


def _with_data(found: dict[str, FitResult], options: Namespace) -> dict[str, FitResult]:
    from autodiff.fit.api import on_data
    from autodiff.fit.command.fit import binding

    bound = binding(options)
    strange = [f"-p {name}" for name in bound.pop("start")]
    strange += [f"--{word}" for word in ("bounds", "fix", "tie") if bound.pop(word, 0)]
    if strange:
        raise UsageError(
            "U188", f"{strange[0]} belongs to a fit; saved models are fitted already"
        )
    check_input(options.data)
    data = table(options.data, options)
    return {
        path: on_data(result, path, data, **bound) for path, result in found.items()
    }


def _text(found: Comparison, options: Namespace) -> str:
    if options.quiet:
        return ""
    if options.json:
        import json

        content: dict[str, Any] = {"schema": SCHEMA, **asdict(found)}
        return json.dumps(content, indent=2, ensure_ascii=False)
    rows: list[list[Any]] = [
        [r.label, r.n_parameters, r.rss, r.aicc, r.bic, r.delta, r.weight]
        for r in found.ranks
    ]
    if options.csv:
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows([HEAD, *rows])
        return stream.getvalue().rstrip("\n")
    if options.plain:
        return "\n".join("\t".join([str(r[0]), *map(repr, r[1:])]) for r in rows)
    cells = [[str(r[0]), str(r[1]), *(short(v) for v in r[2:])] for r in rows]
    if options.md:
        cells = [[f"`{row[0]}`", *row[1:]] for row in cells]
        table_rows = [list(HEAD), ["---", *["---:"] * (len(HEAD) - 1)], *cells]
        return "\n".join("| " + " | ".join(line) + " |" for line in table_rows)
    lines = aligned([HEAD, *cells], [False, *[True] * (len(HEAD) - 1)])
    return "\n".join([*lines, "", *_sentences(found)])


def _sentences(comparison: Comparison) -> list[str]:
    best = comparison.ranks[0]
    if math.isnan(best.weight):
        return ["a robust loss has no likelihood, so no AICc and no test; look at rss"]
    lines = [
        f"{best.label} has {100 * best.weight:.3g} % of the evidence (weights of AICc)"
    ]
    for test in comparison.tests:
        verdict = "earns" if test.probability < SMALL else "does not earn"
        if test.df2 is None:
            found = f"chi-square = {short(test.statistic, 4)} on {test.df1}"
        else:
            found = f"F = {short(test.statistic, 4)} on {test.df1} and {test.df2}"
        lines.append(
            f"{test.kind} test: {test.larger} {verdict} its {test.df1} more parameter"
            f"{'s' * (test.df1 != 1)} than {test.smaller} "
            f"({found}, p = {short(test.probability, 3)})"
        )
    return lines
