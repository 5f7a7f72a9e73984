"""``autodiff predict``: a saved model at new rows, with bands."""

from __future__ import annotations

import csv
import io
import math
from argparse import Namespace
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autodiff.fit.command.reading import check_input, table
from autodiff.fit.command.streams import remark
from autodiff.fit.command.values import column_names
from autodiff.fit.errors import DataError, FormulaError, Note
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
    text = _text(model, problem, found, level, options)
    if text:
        print(text)
    return _tell_poles(problem, found.fitted, options)


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
    model: FitResult, problem: Problem, found: Bands, level: float, options: Namespace
) -> str:
    if options.quiet:
        return ""
    inputs = {name: v.tolist() for name, v in problem.columns.items()}
    numbers = np.stack(found).T.tolist()
    if options.json:
        return _json(model, problem, numbers, level)
    rows = [
        [*cells, *row] for *cells, row in zip(*inputs.values(), numbers, strict=True)
    ]
    head = [*inputs, *HEAD]
    if options.plain:
        return "\n".join("\t".join(map(repr, row)) for row in rows)
    if options.csv:
        return _csv(head, rows)
    cells = [[short(value) for value in row] for row in rows]
    if options.md:
        table_rows = [head, ["---:"] * len(head), *cells]
        return "\n".join("| " + " | ".join(line) + " |" for line in table_rows)
    lines = aligned([head, *cells], [True] * len(head))
    percent = f"{100 * level:.6g} %"
    told = f"lo, hi: {percent} confidence of the curve"
    if not all(math.isnan(row[-1]) for row in rows):
        told += f"; observation_lo, _hi: {percent} of single observations"
    return "\n".join([*lines, told])


def _csv(head: Sequence[str], rows: Sequence[Sequence[float]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow(["" if math.isnan(value) else repr(value) for value in row])
    return stream.getvalue().rstrip("\n")


def _json(
    model: FitResult, problem: Problem, numbers: Sequence[Sequence[float]], level: float
) -> str:
    import json

    columns = zip(*numbers, strict=True) if numbers else ([] for _ in HEAD)
    content = {
        "schema": SCHEMA,
        "formula": model.formula,
        "level": level,
        "rows": problem.rows.tolist(),
        "columns": {name: v.tolist() for name, v in problem.columns.items()},
        **{
            name: [v if math.isfinite(v) else None for v in values]
            for name, values in zip(HEAD, columns, strict=True)
        },
    }
    return json.dumps(content, indent=2, ensure_ascii=False)
