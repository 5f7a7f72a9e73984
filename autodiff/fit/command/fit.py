"""``autodiff fit``: read, fit, report, and say with the exit code how it went."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff.fit.command.reading import check_input, table
from autodiff.fit.command.streams import complain, output_style, progress, remark
from autodiff.fit.command.values import (
    assigned_numbers,
    assigned_texts,
    column_names,
    only_given,
    starts_and_bounds,
)
from autodiff.fit.data.columns import Columns, alike
from autodiff.fit.errors import (
    DataError,
    Note,
    UsageError,
    excerpt,
    name_list,
    suggestion,
)
from autodiff.fit.formula.parse import parse
from autodiff.fit.options import Options
from autodiff.fit.problem import Problem
from autodiff.fit.stats.result import FitResult

if TYPE_CHECKING:
    from autodiff.fit.grouped import GroupedSolution

__all__ = ["binding", "run_fit"]

MOST_FAILURES = 20  # groups without an answer that are told one by one


def run_fit(options: Namespace) -> int:
    """Fit a formula to data and print what was found; return the exit code."""
    wanted, bound = _options(options), binding(options)
    column_names(options.columns)
    parse(options.formula)  # a faulty formula is told before standard input is read
    _check_places(options)
    check_input(options.file)

    from autodiff.fit.problem import pose

    with progress("reading", wanted=not options.quiet):
        data = table(options.file, options)
    start = bound.pop("start")
    problem = pose(options.formula, data, start, **bound)
    if options.by:
        return _fit_groups(problem, data, options)
    result = _fit(problem, wanted, options)
    try:  # first the files: the reader of standard output may go away
        _write_files(result, options)
    finally:
        _tell(result, options)
    return result.exit_code


def _fit(problem: Problem, wanted: Options, options: Namespace) -> FitResult:
    from autodiff.fit.api import fit_problem

    watches = wanted.method == "sgd" and _format(options) == "text"
    with progress("fitting", wanted=not (options.quiet or watches)):
        return fit_problem(problem, wanted, _print_loss if watches else None)


def _print_loss(epoch: int, row: int, loss: float) -> None:
    print(f"epoch {epoch} row {row} loss {loss:.10g}")


def binding(options: Namespace) -> dict[str, Any]:
    """Return what binds a formula to data, by the words of `pose`; and ``start``."""
    start, bounds = starts_and_bounds(options.start)
    if options.sigma and options.weight:
        raise UsageError(
            "U185",
            "--sigma is absolute and --weight is relative: give one of them",
        )
    if options.trials and options.loss != "binomial":
        raise UsageError("U172", "--trials belongs to --loss binomial; add it")
    if options.loss == "binomial" and not options.trials:
        raise UsageError("U172", "--loss binomial needs --trials; add it")
    given = only_given(
        {
            "bounds": bounds,
            "fix": assigned_numbers(options.fix, "--fix"),
            "tie": assigned_texts(options.tie, "--tie"),
            "sigma": options.sigma,
            "weight": options.weight,
            "trials": options.trials,
            "where": options.where,
        }
    )
    return {"start": start, **given}


def _options(options: Namespace) -> Options:
    if options.method != "sgd" and (options.lr, options.epochs) != (None, None):
        raise UsageError("U172", "--lr and --epochs belong to --method sgd; add it")
    return Options(
        loss=options.loss,
        loss_scale=options.loss_scale,
        se=options.se,
        ci=options.ci,
        level=options.level,
        starts=_starts(options.starts),
        method=options.method,
        lr=0.01 if options.lr is None else options.lr,
        epochs=100 if options.epochs is None else options.epochs,
        max_evaluations=options.max_evaluations,
        derive=assigned_texts(options.derive, "--derive", "EXPR", "'t_half=log(2)/b'"),
    )


def _starts(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise UsageError(
            "U186", f"--starts {text[:20]!r}: a whole number or auto is expected"
        ) from None


def _check_places(options: Namespace) -> None:
    """Refuse files that cannot be written before any work is done."""
    if options.by and (options.save or options.export or options.plot is not None):
        raise UsageError(
            "U187",
            "--by makes many fits; --save, --plot and --export are for one: choose "
            "a group with --where",
        )
    if options.export and _format(options) != "text":
        raise UsageError("U187", "--export prints code: leave out the other format")
    if options.plot == "" and (_format(options) != "text" or options.export):
        raise UsageError(
            "U187",
            "--plot without a name draws on standard output, as other formats do: "
            "name a file, as in --plot fit.png",
        )
    if options.plot:
        from autodiff.fit.output.places import check_picture

        check_picture(options.plot)
    if options.save:
        from autodiff.fit.output.places import check_apart, check_writable

        check_writable(options.save, "--save")
        check_apart(options.save, "--save", options.file)


def _format(options: Namespace) -> str:
    names = ("json", "csv", "md", "plain", "quiet")
    return next((name for name in names if getattr(options, name)), "text")


def _tell(result: FitResult, options: Namespace) -> None:
    form = _format(options)
    if form != "quiet":
        for note in result.warnings:
            remark(note)
    _tell_verdict(result)
    text = _text(result, options, form)
    if text:
        print(text)
    if options.plot == "" and result.converged:
        from autodiff.fit.output.terminal_plot import terminal_plot
        from autodiff.fit.output.views import view_of

        print(f"\n{terminal_plot(view_of(result), output_style())}")


def _tell_verdict(result: FitResult) -> None:
    """Say on standard error why there is no answer, and how far the search came."""
    if result.converged:
        return
    from autodiff.fit.output.report import best_point

    code = f" [{result.code}]" if result.code else ""
    point = best_point(result) if result.verdict == "not converged" else ""
    more = [f"  {point}"] if point else []
    complain(f"{result.verdict}: {result.reason}{code}", *more)


def _text(result: FitResult, options: Namespace, form: str) -> str:
    """Return what goes to standard output; nothing without an answer, but JSON."""
    if form == "json":
        from autodiff.fit.output.report import json_report

        return json_report(result)
    if form == "quiet" or not result.converged:
        return ""
    if form == "text":
        if options.export:
            from autodiff.fit.output.export import export

            return export(result, options.export)
        from autodiff.fit.output.report import text_report

        return text_report(result, output_style(), with_notes=False)
    from autodiff.fit.output import tables

    write = {
        "csv": tables.csv_report,
        "md": tables.markdown_report,
        "plain": tables.plain_report,
    }
    return write[form](result)


def _write_files(result: FitResult, options: Namespace) -> None:
    if not result.converged:
        return
    if options.plot:
        from autodiff.fit.output.picture import draw

        draw(result, options.plot)
    if options.save:
        from autodiff.fit.output.saved import save_model

        save_model(result, options.save)


def _fit_groups(problem: Problem, data: Columns, options: Namespace) -> int:
    """Fit each group, print the fits, return the gravest exit code."""
    from autodiff.fit.grouped import solve_groups
    from autodiff.fit.output import groups

    wanted = _options(options)
    problem, by = _groups_of(problem, data, options.by)
    with progress("fitting", wanted=not options.quiet):
        found = solve_groups(problem, by, wanted)
    form = _format(options)
    if form != "quiet":
        for note in problem.notes:
            remark(note)
        _tell_notes(found)
    _tell_failures(found)
    if form != "quiet":
        write = {
            "text": lambda: groups.group_report(found, wanted, output_style()),
            "json": lambda: groups.group_json(found, wanted),
            "csv": lambda: groups.group_csv(found),
            "md": lambda: groups.group_markdown(found, wanted.level),
            "plain": lambda: groups.group_plain(found),
        }
        text = write[form]()
        print(text, end="\n" if text else "")
    return found.exit_code


def _tell_notes(found: GroupedSolution) -> None:
    """Write what is remarkable about groups, of many only the first."""
    told = [(g, note) for g, notes in enumerate(found.table.warnings) for note in notes]
    for g, note in told[:MOST_FAILURES]:
        remark(note, f"{_group_name(found, g)}: ")
    if len(told) > MOST_FAILURES:
        complain(f"{len(told) - MOST_FAILURES} more notes on groups; see --json")


def _tell_failures(found: GroupedSolution) -> None:
    table = found.table
    failed = np.flatnonzero(table.code != "").tolist()
    for g in failed[:MOST_FAILURES]:
        why = f"{table.verdict[g]}: {table.reason[g]} [{table.code[g]}]"
        complain(f"{_group_name(found, g)}: {why}")
    if len(failed) > MOST_FAILURES:
        complain(f"{len(failed) - MOST_FAILURES} more groups have no answer")


def _group_name(found: GroupedSolution, group: int) -> str:
    pairs = zip(found.by, found.keys[group], strict=True)
    return ", ".join(f"{name} {value}" for name, value in pairs)


def _groups_of(
    problem: Problem, data: Columns, text: str
) -> tuple[Problem, dict[str, list[str]]]:
    """Return the problem without rows that are in no group, and the rows' groups."""
    from autodiff.fit.solve.subset import subset

    columns = {}
    for name in column_names(text, "--by") or []:
        if name not in data.names:
            close = suggestion(name, data.names)
            raise UsageError(
                "U189",
                f"--by {excerpt(name)}: there is no such column among "
                f"{name_list(data.names)}{close}",
            )
        columns[name] = data.levels(name)
        for note in alike(name, columns[name]):
            remark(note)
    rows = problem.rows - 1
    known = np.flatnonzero(
        np.all([levels.codes[rows] >= 0 for levels in columns.values()], axis=0)
    )
    if len(known) < len(rows):
        if not len(known):
            raise DataError("D174", f"--by {text}: no row has a value there")
        left = len(rows) - len(known)
        told = f"{left} of {len(rows)} rows are in no group of {text} and left out"
        remark(Note("W172", told))
        problem, _ = subset(problem, known)
        rows = rows[known]
    by = {
        name: [levels.names[code] for code in levels.codes[rows]]
        for name, levels in columns.items()
    }
    return problem, by
