"""Named columns, whatever holds them: what a formula is bound to.

A subclass says how a column becomes numbers or levels, and what a row is called in
messages. Rows are complete here; which of them are used is decided by `problem`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import DataError, Note, excerpt, name_list

__all__ = [
    "Columns",
    "Levels",
    "alike",
    "as_levels",
    "is_missing_level",
    "level_name",
    "row_index",
    "row_place",
]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_MISSING_LEVELS = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "null", "?", "."))


def row_place(row: int) -> str:
    """Return what a row of a table without lines is called, counted from 0."""
    return f"row {row + 1}"


def row_index(values: Any) -> Any:
    """Return the labels of rows that a pandas object brings along, None of others."""
    index = getattr(values, "index", None)
    return index if callable(getattr(index, "equals", None)) else None


def _difference(index: Any, expected: Any) -> str:
    """Say where the labels of rows begin to differ."""
    if len(index) != len(expected):
        return f" ({len(index)} labels for {len(expected)} rows)"
    for row, (label, other) in enumerate(zip(index, expected, strict=True)):
        if label != other:
            return f" (row {row + 1} is labelled {label} here and {other} there)"
    return ""


def _infinite(cell: str) -> str:
    """Quote a cell, and say so where it is infinite by its size."""
    is_number = any(character.isdigit() for character in cell)
    return excerpt(cell) + " is beyond the largest double, 1.8e308" * is_number


class Levels(NamedTuple):
    """A column as levels: `codes` index `names`, which are sorted; -1 is missing."""

    codes: Codes
    names: tuple[str, ...]


class Columns:
    """Named columns; a subclass says how one is read.

    Parameters
    ----------
    source : str
        What messages call the data.
    names : sequence of str
        One per column.
    """

    def __init__(self, source: str, names: Sequence[str]) -> None:
        self.source = source
        self.names = tuple(names)
        self.notes: tuple[Note, ...] = ()
        self.index: Any = None  # labels of the rows, where the data have some

    def prepare(self, numbers: Iterable[str], words: Iterable[str] = ()) -> None:
        """Say which columns will be asked for, so that one pass can read them."""

    @property
    def n_rows(self) -> int:
        """Number of rows, known once a column has been read."""
        raise NotImplementedError

    def column(self, name: str) -> Array:
        """Return one column as float64, shape (n,), NaN where a value is missing."""
        raise NotImplementedError

    def levels(self, name: str) -> Levels:
        """Return one column as levels."""
        raise NotImplementedError

    def places(self) -> Callable[[int], str]:
        """Return what says what messages call a row, counted from 0."""
        return row_place

    def place(self, row: int) -> str:
        """Return what messages call a row, counted from 0."""
        return self.places()(row)

    def cell(self, name: str, row: int) -> str:
        """Return what stands in a column at a row, for messages."""
        return str(self.column(name)[row])

    def check_unique(self, wanted: Iterable[str]) -> None:
        """Refuse names that several columns have."""
        for name in wanted:
            if self.names.count(name) > 1:
                raise DataError(
                    "D110",
                    f"{self.source}: {self.names.count(name)} columns are called "
                    f"{name!r}; rename all but one",
                )

    def check_index(self, what: str, values: Any) -> None:
        """Refuse a series whose rows are labelled otherwise than those of the data."""
        index = row_index(values)
        if index is None or self.index is None or self.index.equals(index):
            return
        raise DataError(
            "D127",
            f"{what}: its index is not that of the data"
            f"{_difference(index, self.index)}; align it with .reindex(data.index), or "
            "take .to_numpy() if the rows belong together by position",
        )

    def check_finite(self, name: str, values: Array, rows: Codes | None = None) -> None:
        """Refuse an infinite value, with its place; `rows` are those of `values`."""
        if np.isfinite(np.sum(values)) or not np.isinf(values).any():
            return
        at = int(np.argmax(np.isinf(values)))
        row = at if rows is None else int(rows[at])
        raise DataError(
            "D109",
            f"{self.source}, {self.place(row)}, column {name!r}: "
            f"{_infinite(self.cell(name, row))}; a fit needs finite numbers, leave "
            "the row out",
        )

    def numbers(self, wanted: Sequence[str]) -> tuple[dict[str, Array], int]:
        """Return the wanted columns and how many rows were dropped.

        A row with a missing value in a wanted column is dropped.
        """
        self.check_unique(wanted)
        self.prepare(wanted)
        columns = {name: self.column(name) for name in wanted}
        for name, values in columns.items():
            self.check_finite(name, values)
        keep = np.ones(self.n_rows, dtype=bool)
        for values in columns.values():
            keep &= ~np.isnan(values)
        if not keep.any():
            raise no_complete_row(self, wanted)
        if keep.all():
            return columns, 0
        kept = {name: column[keep] for name, column in columns.items()}
        return kept, int(np.count_nonzero(~keep))


def no_complete_row(table: Columns, wanted: Sequence[str]) -> DataError:
    """Return the error of a table without a complete row."""
    n = table.n_rows
    if not n:
        return DataError("D104", f"{table.source}: no rows of data")
    return DataError(
        "D113",
        f"{table.source}: no row has a value in every column of "
        f"{name_list(wanted)}; all {n} rows miss one",
    )


def level_name(value: Any) -> str:
    """Return what a level is called: numbers in their shortest form, else the text."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value)


def is_missing_level(text: str) -> bool:
    """Return whether a level stands for a missing value."""
    return text.lower() in _MISSING_LEVELS


def as_levels(codes: Codes, names: Sequence[str]) -> Levels:
    """Return levels in order: by size where all are numbers, else by the alphabet.

    Parameters
    ----------
    codes : array of int, shape (n,)
        Indices into `names`, -1 where missing.
    names : sequence of str
        In order of appearance, no two of them the same.
    """
    sizes = {name: _size(name) for name in names}
    order = sorted(names)
    if all(size is not None for size in sizes.values()):
        order.sort(key=lambda name: sizes[name] or 0.0)
    place = {name: i for i, name in enumerate(order)}
    table = np.array([*(place[name] for name in names), -1], dtype=np.intp)
    return Levels(table[codes], tuple(order))


def alike(column: str, levels: Levels) -> tuple[Note, ...]:
    """Return a note if labels are equal as numbers, as 01 and 1 are."""
    seen: dict[float, str] = {}
    for name in levels.names:
        size = _size(name)
        if size is None:
            continue
        if size in seen:
            text = (
                f"levels {seen[size]!r} and {name!r} of column {column!r} are equal as "
                "numbers and kept apart, as labels are taken as they are written; "
                "write them alike if they are one"
            )
            return (Note("W182", text),)
        seen[size] = name
    return ()


def _size(name: str) -> float | None:
    try:
        value = float(name)
    except ValueError:
        return None
    return value if np.isfinite(value) and "_" not in name else None
