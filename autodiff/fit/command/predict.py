"""``autodiff predict``: a saved model at new rows, with bands."""

from __future__ import annotations

import csv
import io
import math
from argparse import Namespace
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from autodiff.fit.command.reading import check_input, table
from autodiff.fit.command.streams import remark
from autodiff.fit.command.values import column_names
from autodiff.fit.data.columns import Columns
from autodiff.fit.errors import DataError, FormulaError, Note
from autodiff.fit.formula.evaluate import names_in
from autodiff.fit.formula.parse import parse
from autodiff.fit.formula.printing import to_text
from autodiff.fit.output.rounding import aligned, short
from autodiff.fit.output.saved import load_model
from autodiff.fit.problem import Problem, rows_of
from autodiff.fit.stats.bands import Bands, bands
from autodiff.fit.stats.result import FitResult

__all__ = ["run_predict"]

HEAD = ("fitted", "se", "lo", "hi", "observation_lo", "observation_hi")
SCHEMA = "autodiff-predict/1"
SHOWN_ROWS = 6

Array = npt.NDArray[np.float64]


def run_predict(options: Namespace) -> int:
    """Evaluate a saved model at the rows of a table and print it."""
    model = load_model(options.model)
    column_names(options.columns)
    check_input(options.file)
    assert model.problem is not None
    data = table(options.file, options)
    try:
        problem = rows_of(model.problem, data, options.where)
    except FormulaError as error:
        if error.code != "F116":
            raise
        # The formula is the file's: what is wrong is the table.
        raise DataError(
            "D173", f"{data.source}: {error.message.partition(': ')[2]}"
        ) from None
    for note in problem.notes if not options.quiet else ():
        remark(note)
    found = bands(model, problem, options.level)
    level = model.level if options.level is None else options.level
    inputs = _inputs(problem, data)
    text = _text(model, problem, inputs, found, level, options)
    if text:
        print(text)
    return _tell_poles(problem, found.fitted, options)


def _inputs(problem: Problem, data: Columns) -> dict[str, list[float] | list[str]]:
    """Return the columns that the right side uses, in order: numbers and labels."""
    found: dict[str, list[float] | list[str]] = {}
    parameters = {slot.name for slot in problem.slots}
    rows = problem.rows - 1
    for name, node in names_in(parse(problem.formula.text).rhs).items():
        column = node.level or name
        if column in problem.columns:
            found[column] = problem.columns[column].tolist()
        elif node.level or name not in parameters:
            levels = data.levels(column)
            found[column] = [levels.names[code] for code in levels.codes[rows]]
    return found


def _response(model: FitResult) -> str:
    """Return the left side where it is more than a column, else nothing."""
    left = parse(model.formula).lhs
    return to_text(left) if len(left) > 1 else ""


def _tell_poles(problem: Problem, fitted: Array, options: Namespace) -> int:
    """Tell rows without a value; return 3 if no row has one, else 0."""
    bad = np.flatnonzero(~np.isfinite(fitted))
    if not bad.size:
        return 0
    places = [problem.place(int(row)) for row in bad[:SHOWN_ROWS]]
    word, listed = places[0].split()[0], ", ".join(p.split()[1] for p in places)
    more = ", ..." if bad.size > len(places) else ""
    where = f"({word}{'s' * (bad.size > 1)} {listed}{more})"
    text = (
        f"the model has no finite value in {bad.size} of {len(fitted)} rows {where}; "
        "such rows are outside its domain or at a pole"
    )
    if bad.size == len(fitted):
        raise DataError("D175", text)
    if not options.quiet:
        remark(Note("W173", text))
    return 0


def _text(
    model: FitResult,
    problem: Problem,
    inputs: dict[str, list[float] | list[str]],
    found: Bands,
    level: float,
    options: Namespace,
) -> str:
    if options.quiet:
        return ""
    numbers = np.stack(found).T.tolist()
    if options.json:
        return _json(model, problem, inputs, numbers, level)
    columns: Iterable[Sequence[float | str]] = inputs.values()
    rows = [[*cells, *row] for *cells, row in zip(*columns, numbers, strict=True)]
    head = [*inputs, *HEAD]
    if options.plain:
        return "\n".join("\t".join(map(_digits, row)) for row in rows)
    if options.csv:
        return _csv(head, rows)
    cells = [[v if isinstance(v, str) else short(v) for v in row] for row in rows]
    right = [not (v and isinstance(v[0], str)) for v in inputs.values()]
    right += [True] * len(HEAD)
    if options.md:
        table_rows = [head, ["---:" if r else "---" for r in right], *cells]
        return "\n".join("| " + " | ".join(line) + " |" for line in table_rows)
    lines = aligned([head, *cells], right)
    percent = f"{100 * level:.6g} %"
    response = _response(model)
    told = f"fitted: {response}; " if response else ""
    told += f"lo, hi: {percent} confidence of the curve"
    if not all(math.isnan(row[-1]) for row in numbers):
        told += f"; observation_lo, _hi: {percent} of single observations"
    return "\n".join([*lines, told])


def _digits(value: float | str) -> str:
    return value if isinstance(value, str) else repr(value)


def _csv(head: Sequence[str], rows: Sequence[Sequence[float | str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        cells = map(_digits, row)
        writer.writerow(["" if cell == "nan" else cell for cell in cells])
    return stream.getvalue().rstrip("\n")


def _json(
    model: FitResult,
    problem: Problem,
    inputs: dict[str, list[float] | list[str]],
    numbers: Sequence[Sequence[float]],
    level: float,
) -> str:
    import json

    columns = zip(*numbers, strict=True) if numbers else ([] for _ in HEAD)
    content = {
        "schema": SCHEMA,
        "formula": model.formula,
        "response": _response(model) or None,
        "level": level,
        "rows": problem.rows.tolist(),
        "columns": inputs,
        **{
            name: [v if math.isfinite(v) else None for v in values]
            for name, values in zip(HEAD, columns, strict=True)
        },
    }
    return json.dumps(content, indent=2, ensure_ascii=False)
