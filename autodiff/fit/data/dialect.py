"""How a text table is written: delimiter, header, decimal point.

Read off the beginning of the table; what cannot be decided is an error that says how
to write it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from autodiff.fit.data.cells import (
    has_decimal_comma,
    has_thousands,
    is_missing,
    is_number,
)
from autodiff.fit.data.source import Block
from autodiff.fit.errors import DataError, excerpt, name_list

__all__ = ["Dialect", "detect", "split_blanks"]

SAMPLE_ROWS = 100

_BLANKS = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
_SHEET_ERROR = re.compile(r"#(N/A|(DIV/0|NUM|VALUE|REF|NULL)!|NAME\?)")
_TWO_NUMBERS = re.compile(r"[-+.,0-9eE]*[0-9.]\s+[-+.]?[0-9][-+.,0-9eE]*\Z")


# What a text begins with that is no table, and what to do.
_OTHER_TEXTS = {
    "{": "JSON; write its numbers as CSV (a saved model goes with autodiff predict)",
    "[{": "JSON; write its numbers as CSV",
    "<": "HTML or XML; a download may have failed, or save the table as CSV",
}


class Dialect(NamedTuple):
    """How a table is written.

    `delimiter` is empty for blanks; `skip` counts the lines before the first row;
    `names` are the columns; `decimal` is ``.`` or ``,``.
    """

    delimiter: str
    skip: int
    names: tuple[str, ...]
    decimal: str


class _Row(NamedTuple):
    cells: list[str]
    line: int
    end: int  # the last line it takes


def split_blanks(line: str) -> list[str]:
    """Return the cells of a line separated by blanks; quoted ones may hold blanks."""
    if '"' not in line:
        return line.split(" #")[0].split() if " #" in line else line.split()
    return [a.replace('""', '"') if a or not b else b for a, b in _BLANKS.findall(line)]


def detect(
    block: Block | None, source: str, columns: Sequence[str] | None, skip: int
) -> Dialect:
    """Return how a table is written.

    Parameters
    ----------
    block : Block or None
        The beginning of the table; None if there is nothing.
    source : str
        What messages call it.
    columns : sequence of str or None
        Names given for a table without a header line.
    skip : int
        Lines to leave out at the beginning.

    Raises
    ------
    DataError
        If the table is empty, has no header, or its numbers are ambiguous.
    """
    lines = block.text.split("\n")[skip:] if block else []
    content = [line for line in lines if is_content(line)]
    if not content:
        why = f" after {skip} skipped lines" if skip else ""
        raise DataError("D104", f"{source}: no data, the input is empty{why}")
    for mark, what in _OTHER_TEXTS.items():
        if content[0].lstrip().lower().startswith(mark):
            raise DataError("D111", f"{source}: not a table but {what}")
    delimiter = _delimiter(content[:SAMPLE_ROWS])
    rows = _sample(lines, delimiter, skip, source)
    if columns is None:
        names = [cell.strip() for cell in rows[0].cells]
        if all(is_number(cell) for cell in names):
            raise _no_header(lines, rows[0], source)
        header_end = rows[0].end
        rows = rows[1:]
        if not rows:
            raise DataError("D104", f"{source}: a header line but no rows of data")
    else:
        names = list(columns)
        header_end = skip
        cells = rows[0].cells
        if not any(_is_value(cell) for cell in cells):
            raise DataError(
                "D106",
                f"{source}, line {rows[0].line}: {excerpt(cells[0])} where numbers "
                "were expected; if this line is a header, leave out --columns, or "
                f"pass over it with --skip {rows[0].end}",
            )
    decimal = _decimal(rows, source)
    return Dialect(delimiter, header_end, tuple(names), decimal)


def is_content(line: str) -> bool:
    """Return whether a line is neither blank nor a comment."""
    text = line.lstrip()
    if text[:4].lower() == "sep=" and len(text.rstrip()) == 5:
        return False  # tells a spreadsheet its delimiter
    if not text.startswith("#"):
        return bool(text)
    return _SHEET_ERROR.match(text.upper()) is not None


def _is_value(cell: str) -> bool:
    return is_number(cell) or is_missing(cell) or has_decimal_comma(cell)


def _delimiter(content: list[str]) -> str:
    """Return the first delimiter that cuts all lines alike into clean cells."""
    alike = []
    for mark in "\t;,":
        try:
            rows = list(csv.reader(content, delimiter=mark))
        except csv.Error:
            continue
        width = len(rows[0])
        if width < 2 or any(len(row) != width for row in rows):
            continue
        alike.append(mark)
        cells = (cell.strip() for row in rows for cell in row)
        if not any(_TWO_NUMBERS.match(cell) for cell in cells):
            return mark
    widths = {len(split_blanks(line)) for line in content}
    if len(widths) == 1 and (widths != {1} or not alike):
        if widths != {1} or not any(mark in content[0] for mark in "\t;,"):
            return ""
    return alike[0] if alike else next((m for m in "\t;," if m in content[0]), "")


def _sample(lines: list[str], delimiter: str, skip: int, source: str) -> list[_Row]:
    """Return the first rows, to be looked at."""
    rows: list[_Row] = []
    numbered = enumerate(lines, skip + 1)
    if not delimiter:
        for number, line in numbered:
            if is_content(line):
                rows.append(_Row(split_blanks(line), number, number))
            if len(rows) > SAMPLE_ROWS:
                break
        return rows
    at, start, within = skip, skip, False

    def feed() -> Iterator[str]:
        nonlocal at, start, within
        for number, line in numbered:
            if within or is_content(line):
                start = start if within else number
                at, within = number, True
                yield line + "\n"

    try:
        for cells in csv.reader(feed(), delimiter=delimiter, skipinitialspace=True):
            rows.append(_Row(cells, start, at))
            within = False
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error as error:
        raise DataError(
            "D112", f"{source}, line {at}: {error}; is this a CSV file?"
        ) from None
    return rows


def _no_header(lines: list[str], row: _Row, source: str) -> DataError:
    """Return the error of a table without header, with names from its comments."""
    names = [f"x{i}" for i in range(1, len(row.cells))] + ["y"]
    if len(row.cells) == 2:
        names = ["x", "y"]
    for line in lines:
        words = re.split(r"[\s,;]+", line.strip("# \t")) if line[:1] == "#" else []
        if len(words) == len(row.cells) and all(w.isidentifier() for w in words):
            names = words
    return DataError(
        "D105",
        f"{source}, line {row.line}: numbers where column names were expected; name "
        f"the columns with --columns, as in --columns {','.join(names)}",
    )


def _decimal(rows: list[_Row], source: str) -> str:
    """Return the decimal mark; refuse commas that may separate thousands."""
    commas = [
        (row.line, cell.strip())
        for row in rows
        for cell in row.cells
        if "," in cell and (has_decimal_comma(cell) or has_thousands(cell))
    ]
    if not commas:
        return "."
    points = any("." in cell and is_number(cell) for row in rows for cell in row.cells)
    if points:
        return "."  # the cell is told when its column is used
    if all(has_thousands(cell) for _, cell in commas):
        line, cell = commas[0]
        raise DataError(
            "D117",
            f"{source}, line {line}: {excerpt(cell)} may be one number with a decimal "
            "comma or with a thousands separator; write it with a decimal point",
        )
    return ","


def name_of_width(names: Sequence[str]) -> str:
    """Return the columns as messages tell them."""
    return f"{len(names)} column{'s' * (len(names) != 1)} ({name_list(names)})"
