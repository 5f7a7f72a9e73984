"""Read a table of columns from a text file or standard input.

Cells stay text until a formula asks for their column, so a column of words that
no formula uses does no harm.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from autodiff.fit.data.columns import Columns
from autodiff.fit.errors import DataError, excerpt, name_list, suggestion

__all__ = ["Table", "parse_table", "read_table"]

Array = npt.NDArray[np.float64]

_MISSING = frozenset(
    ("", "na", "n/a", "#n/a", "<na>", "nan", "+nan", "-nan", "null", "none", "?", ".")
)


class Table(Columns):
    """Named columns of cells of text, and where each row came from.

    Parameters
    ----------
    source : str
        What messages call the data: a file name or ``standard input``.
    names : sequence of str
        One per column.
    rows : list of list of str
        The cells; every row has ``len(names)`` of them.
    lines : list of int
        The line number of each row, counted from 1.
    """

    def __init__(
        self,
        source: str,
        names: Sequence[str],
        rows: list[list[str]],
        lines: list[int],
    ) -> None:
        super().__init__(source, names)
        self.rows = rows
        self.lines = lines

    def column(self, name: str) -> Array:
        """Return one column as float64, NaN where a value is missing."""
        index = self.names.index(name)
        cells = [row[index] for row in self.rows]
        try:
            values = np.array(list(map(float, cells)))
        except ValueError:
            values = np.array([np.nan])
        if not np.isfinite(values).all() or "_" in "".join(cells):
            lines = zip(cells, self.lines, strict=True)
            values = np.array([self._number(name, *cell) for cell in lines])
        return values

    def _number(self, name: str, cell: str, line: int) -> float:
        """Return a cell as a finite number, or NaN where the value is missing."""
        try:
            value = float(cell)
        except ValueError:
            value = np.nan
        if not np.isfinite(value) or "_" in cell:
            self._check_missing(name, cell, line)
            return np.nan
        return value

    def _check_missing(self, name: str, cell: str, line: int) -> None:
        text = cell.strip()
        if text.lower() in _MISSING:
            return
        if "inf" in text.lower() or text.strip("+-.0123456789eE") == "":
            cure = "a fit needs finite numbers; remove the row"
        elif text.replace(",", "").lstrip("+-").replace(".", "").isdigit():
            cure = "write numbers with a decimal point and no thousands separator"
        else:
            cure = "correct the cell, or leave it empty for a missing value"
        raise DataError(
            "D108",
            f"{self.source}, line {line}, column {name!r}: {excerpt(text)} is not "
            f"a number; {cure}",
        )


def read_table(path: str, *, columns: Sequence[str] | None = None) -> Table:
    """Read a table from a file, or from standard input when `path` is ``-``.

    Parameters
    ----------
    path : str
        A text file of comma-, semicolon-, tab- or blank-separated values.
    columns : sequence of str, optional
        Names for the columns of a file without a header line.

    Returns
    -------
    Table
        The cells as text.

    Raises
    ------
    DataError
        If the file cannot be read or is no table.
    """
    if path == "-":
        return parse_table(_standard_input(), "standard input", columns)
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib loads longer than this
            raw = file.read()
    except IsADirectoryError:
        raise DataError("D102", f"{path} is a directory; give a file in it") from None
    except FileNotFoundError:
        raise DataError("D101", _no_such_file(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError("D103", f"cannot read {excerpt(path, 80)}: {reason}") from None
    return parse_table(raw, path, columns)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise DataError("D103", "standard input is closed; name a file")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise DataError(
            "D103", f"cannot read standard input: {error.strerror}"
        ) from None


def _no_such_file(path: str) -> str:
    from pathlib import Path

    wanted = Path(path)
    try:
        close = suggestion(wanted.name, [file.name for file in wanted.parent.iterdir()])
    except OSError:
        close = ""
    return f"there is no file {excerpt(path, 80)}{close or '; check the path'}"


def parse_table(raw: bytes, source: str, columns: Sequence[str] | None = None) -> Table:
    """Make a table from the bytes of a text file; see `read_table`."""
    rows, lines = _cells(_decode(raw, source), source)
    if not rows:
        raise DataError("D104", f"{source}: no data, the input is empty")
    if columns is None:
        names = [cell.strip() for cell in rows[0]]
        if all(_is_number(cell) for cell in names):
            raise DataError(
                "D105",
                f"{source}, line {lines[0]}: numbers where column names were "
                "expected; name the columns with --columns, as in --columns x,y",
            )
        rows, lines = rows[1:], lines[1:]
        if not rows:
            raise DataError("D104", f"{source}: a header line but no rows of data")
    else:
        names = list(columns)
        if not any(_is_number(c) or c.strip().lower() in _MISSING for c in rows[0]):
            raise DataError(
                "D106",
                f"{source}, line {lines[0]}: {excerpt(rows[0][0])} where numbers were "
                "expected; if this line is a header, leave out --columns",
            )
    _check_widths(rows, lines, names, source)
    return Table(source, names, rows, lines)


def _decode(raw: bytes, source: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
        if b"\0" in raw:
            raise DataError(
                "D111",
                f"{source}: binary data (a zero byte at {raw.index(0)}), "
                "not a table of text; save it as CSV",
            )
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            "D111",
            f"{source}: not UTF-8 text (byte {error.start}); save it as UTF-8 CSV",
        ) from None


def _cells(text: str, source: str) -> tuple[list[list[str]], list[int]]:
    """Split text into rows of cells, with the line number of each row."""
    content = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not content:
        return [], []
    first = content[0][1]
    delimiter = next((mark for mark in "\t;," if mark in first), None)
    if delimiter is None:
        return [line.split() for _, line in content], [n for n, _ in content]
    at = [0]

    def feed() -> Iterator[str]:
        for number, line in content:
            at[0] = number
            yield line + "\n"

    rows, lines = [], []
    try:
        for row in csv.reader(feed(), delimiter=delimiter, skipinitialspace=True):
            rows.append(row)
            lines.append(at[0])
    except csv.Error as error:
        raise DataError(
            "D112", f"{source}, line {at[0]}: {error}; is this a CSV file?"
        ) from None
    return rows, lines


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_widths(
    rows: list[list[str]], lines: list[int], names: Sequence[str], source: str
) -> None:
    """Make every row as wide as the header, or say which is not."""
    width = len(names)
    for row, line in zip(rows, lines, strict=True):
        while len(row) > width and not row[-1].strip():
            row.pop()
        if len(row) != width:
            raise DataError(
                "D107",
                f"{source}, line {line}: {len(row)} value"
                f"{'s' * (len(row) != 1)}, but there are {width} columns "
                f"({name_list(names)}); a missing value is an empty cell or NA",
            )
