"""Parquet, Arrow and Feather files, and Arrow tables, by way of pyarrow.

Loaded only when there is such a file or table; nothing else needs pyarrow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from autodiff.fit.data.columns import (
    Columns,
    Levels,
    as_levels,
    is_missing_level,
    level_name,
)
from autodiff.fit.data.source import Source
from autodiff.fit.errors import DataError

__all__ = ["ArrowColumns", "read_arrow"]

Array = npt.NDArray[np.float64]


class ArrowColumns(Columns):
    """The columns of an Arrow table.

    Parameters
    ----------
    source : str
        What messages call it.
    table : pyarrow.Table or pyarrow.RecordBatch
        Columns of any type; only those a formula uses are converted.
    """

    def __init__(self, source: str, table: Any) -> None:
        names = getattr(table, "column_names", None) or table.schema.names
        super().__init__(source, names)
        self._table = table

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self._table.num_rows)

    def column(self, name: str) -> Array:
        """Return one column as float64, NaN where a value is missing."""
        import pyarrow as pa

        column = self._table.column(self.names.index(name))
        kind = column.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_temporal(kind):
            raise DataError(
                "D121",
                f"{self.source}, column {name!r}: {kind}; give times as numbers, in "
                "seconds from the first, say",
            )
        plain = (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_decimal(kind)
            or pa.types.is_null(kind)
        )
        if not plain:
            raise DataError(
                "D108",
                f"{self.source}, column {name!r}: {kind} are no numbers; convert the "
                "column, or use it as levels, as in Vm[state]",
            )
        column = column.cast(kind).cast(pa.float64(), safe=False)
        values = (
            column.to_numpy(zero_copy_only=False)
            if hasattr(column, "to_numpy")
            else column
        )
        return np.ascontiguousarray(values, dtype=np.float64)

    def levels(self, name: str) -> Levels:
        """Return one column as levels."""
        column = self._table.column(self.names.index(name))
        codes, known = [], dict[str, int]()
        for value in column.to_pylist():
            text = "" if value is None or value != value else level_name(value)
            missing = is_missing_level(text)
            codes.append(-1 if missing else known.setdefault(text, len(known)))
        return as_levels(np.array(codes, dtype=np.intp), list(known))


def read_arrow(source: Source, kind: str) -> ArrowColumns:
    """Read a Parquet, Arrow or Feather file.

    Parameters
    ----------
    source : Source
        Its bytes.
    kind : {'parquet', 'arrow', 'feather'}
        What it is.

    Raises
    ------
    DataError
        If pyarrow is not installed or the file is damaged.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise DataError(
            "D119",
            f"{source.name} is a {kind} file, which takes pyarrow: pip install "
            "pyarrow, or save it as CSV",
        ) from None
    try:
        with source.open() as file:
            if kind == "parquet":
                from pyarrow import parquet

                table = parquet.read_table(file)
            else:
                from pyarrow import feather

                table = feather.read_table(pa.PythonFile(file, mode="r"))
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else "no reason given"
        raise DataError(
            "D124", f"{source.name}: the {kind} file is damaged; {reason}"
        ) from None
    return ArrowColumns(source.name, table)
