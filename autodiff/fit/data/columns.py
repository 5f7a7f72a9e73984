"""Columns of numbers by name, and the rows that are complete in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import DataError, excerpt, name_list

__all__ = ["ArrayColumns", "Columns"]

Array = npt.NDArray[np.float64]


class Columns:
    """Named columns; a subclass says how one becomes numbers.

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

    def column(self, name: str) -> Array:
        """Return one column as float64, NaN where a value is missing."""
        raise NotImplementedError

    def numbers(self, wanted: Sequence[str]) -> tuple[dict[str, Array], int]:
        """Return the wanted columns and how many rows were dropped.

        A row with a missing value in a wanted column is dropped.
        """
        for name in wanted:
            if self.names.count(name) > 1:
                raise DataError(
                    "D110",
                    f"{self.source}: {self.names.count(name)} columns are called "
                    f"{name!r}; rename all but one",
                )
        columns = {name: self.column(name) for name in wanted}
        missing = np.isnan(np.stack(list(columns.values())))
        keep: npt.NDArray[np.bool_] = np.logical_not(missing.any(axis=0))
        if not keep.any():
            raise DataError(
                "D113",
                f"{self.source}: no row has a value in every column of "
                f"{name_list(wanted)}; all {len(keep)} rows miss one",
            )
        kept = {name: column[keep] for name, column in columns.items()}
        return kept, int(np.count_nonzero(~keep))


class ArrayColumns(Columns):
    """Columns held as Python objects: arrays, lists, series."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        super().__init__("data", list(columns))
        self._columns = columns

    def column(self, name: str) -> Array:
        """Return one column as float64, NaN where a value is missing."""
        try:
            values = np.array(self._columns[name], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                "D108", f"data, column {name!r}: not numbers; {error}"
            ) from None
        if values.ndim != 1:
            raise DataError(
                "D115",
                f"data, column {name!r}: shape {values.shape}, but one value per row "
                "is expected",
            )
        if np.isinf(values).any():
            row = int(np.argmax(np.isinf(values)))
            raise DataError(
                "D109",
                f"data, column {name!r}, row {row}: {excerpt(str(values[row]))}; a "
                "fit needs finite numbers",
            )
        return values

    def numbers(self, wanted: Sequence[str]) -> tuple[dict[str, Array], int]:
        """Return the wanted columns and how many rows were dropped."""
        lengths = {name: len(self.column(name)) for name in wanted}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {n}" for name, n in lengths.items())
            raise DataError("D115", f"data: columns of different length: {told}")
        return super().numbers(wanted)
