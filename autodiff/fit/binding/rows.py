"""Which rows are used, and the numbers that expressions have in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.binding.names import Indicator, Side, resolve, unknown_column
from autodiff.fit.data.columns import Columns, no_complete_row
from autodiff.fit.errors import DataError, Note, UsageError, name_list
from autodiff.fit.formula.evaluate import evaluate
from autodiff.fit.formula.parse import Node, parse_expression

__all__ = ["Expression", "Rows", "expression", "largest_size", "select"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

SHOWN_ROWS = 6


class Expression:
    """Something with a number in each row: an expression, a number, or an array.

    Parameters
    ----------
    word : str
        The option: ``sigma``, ``weight``, ``trials``, ``where``.
    given : str, number or array of shape (n,)
        Its value.
    table : Columns
        Where the names of an expression are.
    """

    def __init__(self, word: str, given: Any, table: Columns) -> None:
        self.word = word
        self.table = table
        self.given = given
        self.side = Side((), (), {}, {}, {})
        self.values: Array | None = None
        if isinstance(given, str):
            source = f"--{word}"
            self.side = resolve(parse_expression(given, source), table, given, source)
            for node in self.side.parameters.values():
                raise unknown_column(node, table, given, source)
            self.text = given
            return
        self.text = word
        try:
            self.values = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise UsageError(
                "U120",
                f"{word} is a {type(given).__name__}; an expression in columns, a "
                "number or an array is expected",
            ) from None
        if self.values.ndim > 1:
            raise UsageError("U120", f"{word} has shape {self.values.shape}")

    @property
    def source(self) -> str:
        """The text that has its value in any table; empty for an array."""
        if self.values is None:
            return self.text
        return "" if self.values.ndim else repr(float(self.values))

    def at(self, rows: Rows) -> Array:
        """Return its value in each used row, shape (n,)."""
        if self.values is None:
            return rows.evaluate(self.side)
        self.table.check_index(self.word, self.given)
        if self.values.ndim and len(self.values) != self.table.n_rows:
            raise UsageError(
                "U120",
                f"{self.word} has {len(self.values)} values for "
                f"{self.table.n_rows} rows",
            )
        if self.values.ndim:
            return rows.take(self.values)
        return np.full(rows.n, float(self.values))


def expression(word: str, given: Any, table: Columns) -> Expression | None:
    """Return what was given for an option, None if nothing was."""
    return None if given is None else Expression(word, given, table)


class Rows:
    """Some rows of a table, and the columns in them.

    Attributes
    ----------
    table : Columns
        All rows.
    index : array of int, shape (n,), or None
        Which of them, counted from 0; None for all.
    """

    def __init__(self, table: Columns, index: Index | None) -> None:
        self.table = table
        self.index = index

    @property
    def n(self) -> int:
        """How many they are."""
        return self.table.n_rows if self.index is None else len(self.index)

    def take(self, values: Array) -> Array:
        """Return an array over all rows in these."""
        return values if self.index is None else values[self.index]

    def column(self, name: str) -> Array:
        """Return a column of numbers in these rows; infinite ones are refused."""
        values = self.take(self.table.column(name))
        self.table.check_finite(name, values, self.index)
        return values

    def codes(self, name: str) -> Index:
        """Return the codes of a column of levels in these rows."""
        codes = self.table.levels(name).codes
        return codes if self.index is None else codes[self.index]

    def indicator(self, wanted: Indicator) -> Array:
        """Return ones where a column has a level, zeros elsewhere."""
        known = self.table.levels(wanted.column).names
        code = known.index(wanted.level) if wanted.level in known else -2
        has = self.codes(wanted.column) == code
        return np.asarray(has != wanted.negated, dtype=np.float64)

    def columns(self, side: Side) -> dict[str, Array]:
        """Return the data of a side, by the names its nodes use."""
        found = {name: self.column(name) for name in side.numbers}
        found |= {n: self.indicator(i) for n, i in side.indicators.items()}
        return found

    def evaluate(self, side: Side) -> Array:
        """Return a side that uses columns only, in each row."""
        return value_of(side.nodes, self.columns(side), self.n)

    def place(self, row: int) -> str:
        """Return what messages call one of these rows, counted from 0."""
        return self.table.place(row if self.index is None else int(self.index[row]))


def value_of(nodes: Sequence[Node], names: Mapping[str, Any], n: int) -> Array:
    """Return the value of nodes over arrays, shape (n,); not to be written to."""
    with np.errstate(all="ignore"), ad.no_grad():
        value = evaluate(nodes, names)
    numbers = np.asarray(value.numpy() if isinstance(value, ad.Tensor) else value)
    if numbers.shape == (n,):  # perhaps a column itself, so not to be written to
        return np.asarray(numbers, dtype=np.float64)
    return np.full(n, numbers, dtype=np.float64)


def largest_size(values: Array) -> float:
    """Return the largest absolute value; NaN if there is one."""
    return float(np.maximum(-values.min(initial=0.0), values.max(initial=0.0)))


def select(
    table: Columns,
    numbers: Sequence[str],
    levels: Sequence[str],
    where: Expression | None,
) -> tuple[Rows, int, tuple[Note, ...]]:
    """Return the rows that are wanted and complete.

    Parameters
    ----------
    table : Columns
        Prepared for all names.
    numbers, levels : sequence of str
        Columns in which a row needs a value.
    where : Expression or None
        What rows have to meet; one that has no value there does not.

    Returns
    -------
    rows : Rows
        At least one.
    n_dropped : int
        Rows left out because a value is missing.
    notes : tuple of Note
        Which, and why.
    """
    present: npt.NDArray[np.bool_] | None = None
    missing_in: dict[str, npt.NDArray[np.bool_]] = {}
    wanted = _wanted(table, where)
    for name in (*numbers, *levels):
        if name in numbers:
            column = table.column(name)
            if not np.isnan(column.min(initial=0.0)):
                continue  # a mask of its own for very many rows is saved
            absent = np.isnan(column)
        else:
            absent = table.levels(name).codes < 0
        if wanted is not None:
            absent &= wanted
        if absent.any():
            missing_in[name] = absent
            present = ~absent if present is None else present & ~absent
    keep = wanted if present is None else present
    if wanted is not None and present is not None:
        keep = wanted & present
    if not table.n_rows or (keep is not None and not keep.any()):
        raise no_complete_row(table, [*numbers, *levels])
    rows = Rows(table, None if keep is None else np.flatnonzero(keep))
    total = table.n_rows if wanted is None else int(np.count_nonzero(wanted))
    n_dropped = total - rows.n
    return rows, n_dropped, _dropped(table, missing_in, n_dropped, total)


def _wanted(table: Columns, where: Expression | None) -> npt.NDArray[np.bool_] | None:
    """Return which rows meet a condition; those without a value there do not."""
    if where is None:
        return None
    everything = Rows(table, None)
    if where.values is not None:
        values = where.at(everything)
        values = np.where(np.isnan(values), 0.0, values)
    else:
        names = {name: table.column(name) for name in where.side.numbers}
        names |= {n: everything.indicator(i) for n, i in where.side.indicators.items()}
        values = value_of(where.side.nodes, names, table.n_rows)
    met: npt.NDArray[np.bool_] = (values != 0.0) & ~np.isnan(values)
    for name in where.side.numbers:
        met &= ~np.isnan(table.column(name))
    for name in where.side.level_columns:
        met &= table.levels(name).codes >= 0
    if not met.any():
        raise DataError(
            "D122",
            f"{table.source}: none of {table.n_rows} rows meets {where.text!r}; look "
            "at the condition",
        )
    return met


def _dropped(
    table: Columns,
    missing_in: Mapping[str, npt.NDArray[np.bool_]],
    n_dropped: int,
    total: int,
) -> tuple[Note, ...]:
    if not n_dropped:
        return ()
    first: list[int] = []
    for absent in missing_in.values():
        first += np.flatnonzero(absent)[: SHOWN_ROWS + 1].tolist()
    places = [table.place(row) for row in sorted(set(first))[:SHOWN_ROWS]]
    word = places[0].split()[0]
    listed = ", ".join(place.split()[1] for place in places)
    more = ", ..." if n_dropped > len(places) else ""
    text = (
        f"{n_dropped} of {total} rows left out ({word}{'s' * (n_dropped > 1)} "
        f"{listed}{more}): a value is missing in {name_list(missing_in)}"
    )
    return (Note("W180", text),)
