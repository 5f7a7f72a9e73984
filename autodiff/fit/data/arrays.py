"""Columns that Python code holds: arrays, lists, series of any library."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autodiff.fit.data.columns import (
    Columns,
    Levels,
    as_levels,
    is_missing_level,
    level_name,
    row_index,
)
from autodiff.fit.data.text import read_table
from autodiff.fit.errors import DataError, UsageError, excerpt

__all__ = ["ArrayColumns", "as_columns"]

Array = npt.NDArray[np.float64]

_EXPECTED = (
    "a mapping of names to arrays, a structured array, a pandas, polars or Arrow "
    "table, or the path of a file is expected"
)


class ArrayColumns(Columns):
    """Columns held as Python objects: arrays, lists, series.

    Parameters
    ----------
    columns : mapping of str to sequence
        Of equal length n; missing values are None, NaN, masked or the library's own.
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        super().__init__("data", list(columns))
        self._columns = columns
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._numbers: dict[str, Array] = {}

    @property
    def n_rows(self) -> int:
        """Number of rows, known once a column has been read."""
        return len(next(iter(self._arrays.values()), ()))

    def column(self, name: str) -> Array:
        """Return one column as float64, NaN where a value is missing."""
        if name not in self._numbers:
            self._numbers[name] = _numbers(name, self._array(name))
        return self._numbers[name]

    def levels(self, name: str) -> Levels:
        """Return one column as levels."""
        codes, known = [], dict[str, int]()
        for value in self._array(name).tolist():
            text = "" if _is_missing(value) else level_name(value)
            missing = is_missing_level(text)
            codes.append(-1 if missing else known.setdefault(text, len(known)))
        return as_levels(np.array(codes, dtype=np.intp), list(known))

    def _array(self, name: str) -> npt.NDArray[Any]:
        """Return a column as a one-dimensional array, as long as the others."""
        if name in self._arrays:
            return self._arrays[name]
        values = self._columns[name]
        if self.index is None:
            self.index = row_index(values)
        self.check_index(f"data, column {name!r}", values)
        array = _as_array(name, values)
        if array.ndim != 1:
            cure = (
                "; flatten it with ravel()"
                if array.size == max(array.shape, default=0)
                else ""
            )
            raise DataError(
                "D115",
                f"data, column {name!r}: shape {array.shape}, but one value per row "
                f"is expected{cure}",
            )
        for other, known in self._arrays.items():
            if len(known) != len(array):
                raise DataError(
                    "D115",
                    f"data: columns of different length: {other} has {len(known)}, "
                    f"{name} has {len(array)}",
                )
        self._arrays[name] = array
        return array


def as_columns(
    data: Any, columns: Sequence[str] | None = None, skip: int = 0
) -> Columns:
    """Return whatever holds the data as columns.

    Parameters
    ----------
    data : Columns, mapping, structured array, table, or path
        A two-dimensional array is taken too where `columns` names its columns.
    columns : sequence of str, optional
        Names for the columns of a file without a header line, or of an array.
    skip : int
        Lines to leave out at the beginning of a text file.

    Raises
    ------
    DataError
        If it holds no named columns.
    """
    if isinstance(data, Columns):
        return data
    if isinstance(data, (str, os.PathLike)):
        return read_table(os.fspath(data), columns=columns, skip=skip)
    if skip:
        raise UsageError("U114", "skip leaves out lines of a file; data is no path")
    if columns is not None:
        return _named_array(data, columns)
    names = getattr(getattr(data, "dtype", None), "names", None)
    if names is None and isinstance(data, Mapping):
        names = list(data)
    if names is None and hasattr(data, "column_names"):  # pyarrow
        from autodiff.fit.data.arrow import ArrowColumns

        return ArrowColumns("data", data)
    if names is None and hasattr(data, "columns"):  # pandas, polars and their like
        names = list(data.columns)
    if names is None:
        raise DataError("D114", f"data is {_what(data)}; {_EXPECTED}")
    table = _Frame(data, names) if len(set(map(str, names))) < len(names) else None
    return table or ArrayColumns(_Mapping(data, names))


class _Mapping(Mapping[str, Any]):
    """Columns by the text of their names, taken from the data when asked for."""

    def __init__(self, data: Any, names: Sequence[Any]) -> None:
        self._data = data
        self._keys = {str(name): name for name in names}

    def __getitem__(self, name: str) -> Any:
        return self._data[self._keys[name]]

    def __iter__(self) -> Any:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class _Frame(ArrayColumns):
    """A frame some of whose columns share a name, which is told when it is used."""

    def __init__(self, data: Any, names: Sequence[Any]) -> None:
        super().__init__(_Mapping(data, names))
        self.names = tuple(map(str, names))


def _named_array(data: Any, columns: Sequence[str]) -> ArrayColumns:
    if not (isinstance(data, np.ndarray) and data.ndim == 2 and not data.dtype.names):
        raise UsageError(
            "U112",
            "columns names the columns of a file or of a two-dimensional array; "
            f"data is {_what(data)}",
        )
    if len(columns) != data.shape[1]:
        raise UsageError(
            "U112", f"{len(columns)} names for the {data.shape[1]} columns of data"
        )
    return ArrayColumns(dict(zip(columns, data.T, strict=True)))


def _what(data: Any) -> str:
    """Return what data are that cannot be used, with the nearest cure."""
    kind = type(data).__name__
    if isinstance(data, np.ndarray):
        return (
            f"an array of shape {data.shape} without names for its columns; give them "
            "as columns=['x', 'y']"
        )
    if isinstance(data, (list, tuple)) and data:
        if isinstance(data[0], Mapping):
            return f"a {kind} of rows; turn it round, as with pandas.DataFrame(data)"
        if isinstance(data[0], (list, tuple)):
            return f"a {kind} of rows; turn it round: dict(zip(names, zip(*data)))"
    return f"a {kind}"


def _as_array(name: str, values: Any) -> npt.NDArray[Any]:
    """Return what holds a column as an array, masked entries as NaN."""
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        if not mask.any():
            return np.asarray(values.data)
        if values.dtype.kind in "biuf":
            floats: npt.NDArray[Any] = values.data.astype(np.float64)
            floats[mask] = np.nan
            return floats
        objects: npt.NDArray[Any] = values.data.astype(object)
        objects[mask] = None
        return objects
    if hasattr(values, "detach"):
        values = values.detach()
    try:
        if isinstance(values, (list, tuple, range)):
            return _from_list(values)
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            "D115", f"data, column {name!r}: not one value per row; {error}"
        ) from None


def _from_list(values: Sequence[Any]) -> npt.NDArray[Any]:
    """Return a list as an array; words among numbers do not turn them into words."""
    array = np.array(values) if len(values) else np.empty(0)
    if array.dtype.kind in "US" and not all(
        isinstance(v, (str, bytes)) for v in values
    ):
        array = np.empty(len(values), dtype=object)
        array[:] = values
    return array


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and value != value


_KINDS = {
    "M": "dates; subtract a first one and take seconds, as in "
    "(t - t[0]) / numpy.timedelta64(1, 's')",
    "m": "durations; divide by a unit, as in t / numpy.timedelta64(1, 's')",
    "c": "complex numbers; take .real, .imag or abs()",
    "V": "records; name one of their fields",
}


def _numbers(name: str, array: npt.NDArray[Any]) -> Array:
    """Return an array as float64, missing entries as NaN."""
    kind = array.dtype.kind
    if kind in _KINDS:
        raise DataError("D121", f"data, column {name!r}: {_KINDS[kind]}")
    if kind in "biuf":
        return np.ascontiguousarray(array, dtype=np.float64)
    numbers = np.empty(len(array))
    for row, value in enumerate(array.tolist()):
        numbers[row] = np.nan if _is_missing(value) else _number(name, row, value)
    return numbers


def _number(name: str, row: int, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    place = f"data, row {row + 1}, column {name!r}"
    if hasattr(value, "isoformat"):
        raise DataError("D121", f"{place}: {_KINDS['M']}")
    if hasattr(value, "total_seconds"):
        raise DataError("D121", f"{place}: {_KINDS['m']}")
    cure = "correct it, or use the column as levels, as in Vm[state]"
    if isinstance(value, str):
        try:
            float(value)
            cure = "these are numbers as text; convert them, as with astype(float)"
        except ValueError:
            pass
    shown = excerpt(value if isinstance(value, str) else str(value))
    raise DataError("D108", f"{place}: {shown} is not a number; {cure}")
