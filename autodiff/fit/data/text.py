"""Read a table of columns from a text file or standard input.

Nothing is kept but the columns a formula asks for, as numbers or as codes of levels, so
that a column of words that no formula uses does no harm and costs nothing. A block of
plain numbers is converted by NumPy's reader; a block with anything else, quotes,
comments, missing values, goes through a reader that knows the place of a mistake.
"""

from __future__ import annotations

import bisect
import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autodiff.fit.data import cells as cell_text
from autodiff.fit.data.columns import (
    Columns,
    Levels,
    as_levels,
    is_missing_level,
)
from autodiff.fit.data.dialect import (
    detect,
    is_content,
    name_of_width,
    split_blanks,
)
from autodiff.fit.data.source import Block, Source
from autodiff.fit.errors import DataError, Note, UsageError

__all__ = ["Lines", "Table", "parse_table", "read_table"]

Array = npt.NDArray[np.float64]


class _Growing:
    """An array that grows at its end."""

    def __init__(self, dtype: type) -> None:
        self.array: npt.NDArray[Any] = np.empty(1024, dtype=dtype)
        self.n = 0

    def extend(self, values: npt.NDArray[Any]) -> None:
        end = self.n + len(values)
        if end > len(self.array):
            size = max(end, len(self.array) * 3 // 2)
            self.array.resize(size, refcheck=False)
        self.array[self.n : end] = values
        self.n = end

    def whole(self) -> npt.NDArray[Any]:
        self.array.resize(self.n, refcheck=False)
        return self.array


class _Words:
    """A column of words on its way to levels."""

    def __init__(self) -> None:
        self.codes = _Growing(np.intp)
        self.known: dict[str, int] = {}

    def extend(self, words: Iterable[str]) -> None:
        known = self.known
        codes = [known.setdefault(word, len(known)) for word in words]
        self.codes.extend(np.array(codes, dtype=np.intp))

    def whole(self) -> Levels:
        """Return the levels; words that differ by blanks alone are one."""
        names = [word.strip() for word in self.known]
        present = list(dict.fromkeys(n for n in names if not is_missing_level(n)))
        place = {name: i for i, name in enumerate(present)}
        table = np.array([*(place.get(name, -1) for name in names), -1], dtype=np.intp)
        return as_levels(table[self.codes.whole().astype(np.intp)], present)


@dataclass(frozen=True)
class Lines:
    """On which lines the rows of a text begin: runs of (first row, its line)."""

    runs: list[tuple[int, int]]

    def __call__(self, row: int) -> str:
        """Return the line of a row, counted from 0."""
        at = bisect.bisect_right(self.runs, (row, 1 << 62)) - 1
        first, line = self.runs[at]
        return f"line {line + row - first}"


class _Chunk(NamedTuple):
    """Some rows: as lines of plain cells, or cut into cells; and their lines."""

    lines: list[str]
    rows: list[list[str]]
    numbers: list[int]
    first_line: int


class Table(Columns):
    """A text table; columns are read when they are asked for.

    Parameters
    ----------
    source : Source
        Its text.
    columns : sequence of str, optional
        Names for the columns of a table without a header line.
    skip : int
        Lines to leave out at the beginning.
    """

    def __init__(
        self, source: Source, columns: Sequence[str] | None = None, skip: int = 0
    ) -> None:
        self._dialect = detect(_beginning(source, skip), source.name, columns, skip)
        super().__init__(source.name, self._dialect.names)
        self._text = source
        self._numbers: dict[str, Array] = {}
        self._levels: dict[str, Levels] = {}
        self._runs: list[tuple[int, int]] = []  # first row, its line: then line by line
        self._n_rows = 0
        if self._dialect.decimal == ",":
            text = f"{source.name}: numbers are read with decimal commas"
            self.notes = (Note("W181", text),)

    @property
    def n_rows(self) -> int:
        """Number of rows, known once a column has been read."""
        return self._n_rows

    def column(self, name: str) -> Array:
        """Return one column as float64, NaN where a value is missing."""
        self.prepare([name])
        return self._numbers[name]

    def levels(self, name: str) -> Levels:
        """Return one column as levels."""
        self.prepare([], [name])
        return self._levels[name]

    def places(self) -> Callable[[int], str]:
        """Return what says on which line a row begins."""
        return Lines(self._runs)

    def cell(self, name: str, row: int) -> str:
        """Return the text of a cell."""
        column, n = self.names.index(name), 0
        for chunk in self._chunks():
            rows = chunk.rows or self._cut(chunk)
            if row < n + len(rows):
                return rows[row - n][column].strip()
            n += len(rows)
        raise IndexError(row)

    def prepare(self, numbers: Iterable[str], words: Iterable[str] = ()) -> None:
        """Read columns that have not been read yet, in one pass over the text."""
        number_names = [n for n in dict.fromkeys(numbers) if n not in self._numbers]
        word_names = [n for n in dict.fromkeys(words) if n not in self._levels]
        if not number_names and not word_names:
            return
        self.check_unique((*number_names, *word_names))
        numeric = {name: _Growing(np.float64) for name in number_names}
        wordy = {name: _Words() for name in word_names}
        self._runs, self._n_rows = [], 0
        for chunk in self._chunks():
            if not (chunk.lines and self._take_lines(chunk, numeric, wordy)):
                rows = chunk.rows or self._cut(chunk)
                self._take_rows(rows, chunk.numbers, numeric, wordy)
        for name, growing in numeric.items():
            self._numbers[name] = growing.whole().astype(np.float64, copy=False)
        self._levels |= {name: found.whole() for name, found in wordy.items()}

    def _take_lines(
        self,
        chunk: _Chunk,
        numeric: dict[str, _Growing],
        wordy: dict[str, _Words],
    ) -> bool:
        """Read plain lines with NumPy's reader; False if they are not plain."""
        delimiter, lines = self._dialect.delimiter or None, chunk.lines
        width = len(self.names)
        wanted = [self.names.index(name) for name in numeric]
        partly = len(wanted) < width
        if partly:
            if delimiter:
                counts = {line.count(delimiter) for line in lines}
            else:
                counts = {len(line.split()) - 1 for line in lines}
            if counts != {width - 1}:
                return False
        if wanted:
            try:
                found = np.loadtxt(
                    lines,
                    delimiter=delimiter,
                    comments=None,
                    ndmin=2,
                    usecols=wanted if partly else None,
                )
            except ValueError:
                return False
            if found.shape != (len(lines), len(wanted) if partly else width):
                return False
            order = range(len(wanted)) if partly else wanted
            for growing, j in zip(numeric.values(), order, strict=True):
                growing.extend(found[:, j])
        for name, words in wordy.items():
            j = self.names.index(name)
            words.extend([line.split(delimiter)[j] for line in lines])
        self._add_run(chunk.first_line)
        self._n_rows += len(lines)
        return True

    def _take_rows(
        self,
        rows: list[list[str]],
        numbers: list[int],
        numeric: dict[str, _Growing],
        wordy: dict[str, _Words],
    ) -> None:
        """Read rows of cells, knowing the place of each."""
        self._check_widths(rows, numbers)
        for name, growing in numeric.items():
            j = self.names.index(name)
            growing.extend(self._convert(name, [row[j] for row in rows], numbers))
        for name, words in wordy.items():
            j = self.names.index(name)
            words.extend([row[j] for row in rows])
        expected = -1
        for row, line in enumerate(numbers, self._n_rows):
            if line != expected:
                self._runs.append((row, line))
            expected = line + 1
        self._n_rows += len(rows)

    def _add_run(self, line: int) -> None:
        self._runs.append((self._n_rows, line))

    def _convert(self, name: str, cells: list[str], numbers: list[int]) -> Array:
        decimal = self._dialect.decimal
        if decimal == ".":
            try:
                values = np.array(list(map(float, cells)))
            except ValueError:
                values = np.array([np.nan])
            joined = "".join(cells)
            if np.isfinite(values).all() and "_" not in joined and joined.isascii():
                return values
        values = np.empty(len(cells))
        for i, cell in enumerate(cells):
            value = cell_text.number(cell, decimal)
            if value is None:
                code, what = cell_text.trouble(cell, decimal)
                place = f"{self.source}, line {numbers[i]}, column {name!r}"
                raise DataError(code, f"{place}: {what}")
            values[i] = value
        return values

    def _chunks(self) -> Iterator[_Chunk]:
        """Go through the rows of the table, a block at a time."""
        blocks = self._text.blocks()
        for block in blocks:
            text, first = block
            left_out = max(0, min(self._dialect.skip - first + 1, text.count("\n") + 1))
            if left_out:
                lines = text.split("\n")[left_out:]
                if not lines:
                    continue
                text, first = "\n".join(lines), first + left_out
            if not text:
                continue
            plain = not any(m in text for m in ('"', "#", "\n\n", "_"))
            if plain and self._dialect.decimal == ",":
                plain = "." not in text and self._dialect.delimiter != ","
                text = text.replace(",", ".") if plain else text
            if plain and text[0] != "\n":
                lines = text.rstrip("\n").split("\n")
                yield _Chunk(lines, [], [], first)
            else:
                yield self._careful(Block(text, first), blocks)

    def _cut(self, chunk: _Chunk) -> list[list[str]]:
        """Cut lines that turned out not to be plain, and number them."""
        text = "\n".join(chunk.lines)
        if self._dialect.decimal == ",":
            text = text.replace(".", ",")
        careful = self._careful(Block(text, chunk.first_line), iter(()))
        chunk.numbers.extend(careful.numbers)
        return careful.rows

    def _careful(self, block: Block, more: Iterator[Block]) -> _Chunk:
        """Cut a block into cells; a quoted cell may go on in the next block."""
        rows: list[list[str]] = []
        numbers: list[int] = []
        if not self._dialect.delimiter:
            for number, line in enumerate(block.text.split("\n"), block.first_line):
                if is_content(line):
                    rows.append(split_blanks(line))
                    numbers.append(number)
            return _Chunk([], rows, numbers, block.first_line)
        start, at, within = block.first_line, block.first_line, False

        def feed() -> Iterator[str]:
            nonlocal start, at, within
            here: Block | None = block
            while here is not None:
                for number, line in enumerate(here.text.split("\n"), here.first_line):
                    if within or is_content(line):
                        start = start if within else number
                        at, within = number, True
                        yield line + "\n"
                here = next(more, None) if within else None

        mark = self._dialect.delimiter
        reader = csv.reader(feed(), delimiter=mark, skipinitialspace=True, strict=True)
        try:
            for row in reader:
                rows.append(row)
                numbers.append(start)
                within = False
        except csv.Error as error:
            raise self._malformed(error, start, at) from None
        return _Chunk([], rows, numbers, block.first_line)

    def _malformed(self, error: csv.Error, start: int, at: int) -> DataError:
        what = str(error)
        if "end of data" in what or "field limit" in what:
            what = "a quote is opened and not closed"
            at = start
        elif "expected after" in what:
            what = "a quote inside a cell; write it twice, or leave it out"
        return DataError("D112", f"{self.source}, line {at}: {what}")

    def _check_widths(self, rows: list[list[str]], numbers: list[int]) -> None:
        """Make every row as wide as the header, or say which is not."""
        width = len(self.names)
        for row, line in zip(rows, numbers, strict=True):
            if len(row) == width:
                continue
            while len(row) > width and not row[-1].strip():
                row.pop()
            if len(row) != width:
                raise self._ragged(row, line)

    def _ragged(self, row: list[str], line: int) -> DataError:
        n, width = len(row), len(self.names)
        cure = "a missing value is an empty cell or NA"
        whole = all(cell.strip().lstrip("+-").isdigit() for cell in row)
        if self._dialect.delimiter == "," and n == 2 * width and whole:
            cure = "with decimal commas, separate the cells by ';'"
        elif n == width + 1:
            cure = "name every column in the header; put cells with a delimiter "
            cure += "between quotes"
        elif n == 1 and width > 1:
            marks = [m for m in "\t;," if m in row[0] and m != self._dialect.delimiter]
            if marks:
                cure = f"this line is separated by {marks[0]!r}, the first one is not"
        return DataError(
            "D107",
            f"{self.source}, line {line}: {n} value{'s' * (n != 1)}, but there are "
            f"{name_of_width(self.names)}; {cure}",
        )


def _beginning(source: Source, skip: int) -> Block | None:
    """Return so much of a text that it holds a header and a row, if there are any."""
    texts: list[str] = []
    for block in source.blocks():
        texts.append(block.text)
        lines = block.text.split("\n")[max(0, skip + 1 - block.first_line) :]
        if sum(map(is_content, lines[:100])) > 1 or len(texts) > 8:
            break
    return Block("\n".join(texts), 1) if texts else None


def read_table(
    path: str, *, columns: Sequence[str] | None = None, skip: int = 0
) -> Columns:
    """Read a table from a file, or from standard input when `path` is ``-``.

    Parameters
    ----------
    path : str
        Comma-, semicolon-, tab- or blank-separated text, also compressed with gzip,
        bzip2 or xz; or a Parquet, Arrow or Feather file, where pyarrow is installed.
    columns : sequence of str, optional
        Names for the columns of a text without a header line.
    skip : int
        Lines of text to leave out at the beginning.

    Returns
    -------
    Columns
        Its columns, read when they are asked for.

    Raises
    ------
    DataError
        If the file cannot be read or is no table.
    """
    return _table(Source.named(path), columns, skip)


def parse_table(
    raw: bytes, source: str, columns: Sequence[str] | None = None, skip: int = 0
) -> Columns:
    """Make a table from the bytes of a file; see `read_table`."""
    return _table(Source(source, raw=raw), columns, skip)


def _table(source: Source, columns: Sequence[str] | None, skip: int) -> Columns:
    if isinstance(skip, bool) or not isinstance(skip, int) or skip < 0:
        raise UsageError("U114", f"skip {skip!r}: a number of lines is expected")
    if columns is not None:
        _check_names(columns)
    kind = source.arrow_kind()
    if not kind:
        return Table(source, columns, skip)
    from autodiff.fit.data.arrow import read_arrow

    if columns is not None or skip:
        raise UsageError(
            "U112",
            f"{source.name} is a {kind} file and brings the names of its columns "
            "along; leave out columns and skip",
        )
    return read_arrow(source, kind)


def _check_names(columns: Sequence[str]) -> None:
    if isinstance(columns, str):
        raise UsageError(
            "U112", f"columns {columns!r}: a list of names is expected, as ['x', 'y']"
        )
    for name in columns:
        if not isinstance(name, str) or not name.strip():
            raise UsageError("U112", f"columns: {name!r} is no name")
        if list(columns).count(name) > 1:
            raise UsageError("U112", f"columns: {name!r} is given twice")
