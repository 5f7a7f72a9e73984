"""What depends on values only, in functions that are being recorded as programs.

A recorded function runs again at other values, so nothing may hang on a value unseen.
There are two ways to keep that: record the result (a comparison is a 0/1 tensor, a
*mask*), or take it as it is this time and record one guard, a value of the program
that comes out as 1 exactly where the choice is still right. Invariant: a function here
returns the same as its plain relative would, and every way in which that could change
on replay is recorded. For this package; every other caller sees plain values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import FUNCTIONS, Tensor
from autodiff._core import apply_row as _row
from autodiff.errors import TraceError

_abs, _maximum, _minimum = (FUNCTIONS[n] for n in ("abs", "maximum", "minimum"))
_where, _copysign = FUNCTIONS["where"], FUNCTIONS["copysign"]
Plain = np.ndarray[Any, Any]


# ---- Guards --------------------------------------------------------------------------


def require(holds: Any) -> None:
    """Record the guard that every element of a mask is 1, as it must be this time.

    Raises
    ------
    TraceError
        When it is not: the choice cannot be put as comparisons (NaN, as a rule).
    """
    if not _core.is_traced(holds) or _core.size_of(holds) == 0:
        return
    if _core.shape_of(holds):
        holds = _core.reduce_axes(holds, None, False, "min")
    if _core.peek(holds) != 1:
        raise TraceError(
            "a choice by value that cannot be recorded, for a NaN has part in it; "
            "keep NaN out of what is sorted, searched or used as an index"
        )
    _core.guard_value(holds)


def pinned(x: Any) -> Any:
    """Return the plain values of an operand, with the guard that they stay so.

    For what decides in full: boolean masks that select, indices, positions.
    """
    if not _core.is_traced(x):
        return _core.values_of(x)
    found = np.array(_core.peek(x))
    is_nan = np.isnan(found)
    same = _row("_eq", x, found)
    if is_nan.any():
        same = _where(is_nan, _row("_ne", x, x), same)
    require(same)
    return found if found.ndim else found.item()


def require_order(
    x: Tensor, at: Plain, axis: int, left: Any, right: Any, descending: bool = False
) -> None:
    """Guard that pairs of elements stay in the order in which a stable sort put them.

    Parameters
    ----------
    x
        Tensor with an axis at least.
    at
        The permutation along `axis` that sorts x.
    left, right
        Places in the sorted order: the elements at left[i] come before those at
        right[i].
    descending
        Whether larger elements come first.
    """
    if not _core.is_traced(x) or x.ndim == 0 or len(left) == 0 or at.size == 0:
        return
    positions = np.take_along_axis(
        np.arange(_core.size_of(x)).reshape(x.shape), at, axis
    )
    first, second = (np.take(positions, side, axis) for side in (left, right))
    in_turn = np.take(at, left, axis) < np.take(at, right, axis)
    a, b = _core.gather(x, first), _core.gather(x, second)
    strict, weak = ("_gt", "_ge") if descending else ("_lt", "_le")
    holds = _row(weak, a, b)  # equal elements: the one that came first, first
    if not in_turn.all():
        holds = _where(in_turn, holds, _row(strict, a, b))
    is_nan = np.isnan(_core.peek(x))
    if is_nan.any():  # which are NaN stays, and so does where they go
        known = is_nan.ravel()[first] | is_nan.ravel()[second]
        holds = _core.reduce_axes(_maximum(holds, known * 1.0), None, False, "min")
        same = _row("_eq", _row("_ne", x, x), is_nan * 1.0)
        holds = _minimum(holds, _core.reduce_axes(same, None, False, "min"))
    require(holds)


def require_sides(x: Tensor, middle: Tensor) -> None:
    """Guard that elements stay below, at or above one of them, or NaN."""
    if not _core.is_traced(x):
        return
    side = _row("_gt", x, middle) + 2.0 * _row("_lt", x, middle)
    pinned(side + 4.0 * _row("_eq", x, middle))


def require_places(a: Any, v: Any, at: Plain, side: str) -> None:
    """Guard that elements of v stay between the same neighbours in a sorted vector a.

    `at` is what np.searchsorted found.
    """
    n = len(a)
    lower, upper = ("_lt", "_le") if side == "left" else ("_le", "_lt")

    def neighbour(place: Plain) -> Any:
        return _core.gather(a, place) if isinstance(a, Tensor) else np.asarray(a)[place]

    if np.any(at > 0):
        holds = _row(lower, neighbour(np.maximum(at - 1, 0)), v)
        require(_maximum(holds, (at == 0) * 1.0))
    if np.any(at < n):
        holds = _row(upper, v, neighbour(np.minimum(at, n - 1)))
        require(_maximum(holds, (at == n) * 1.0))


# ---- Masks ---------------------------------------------------------------------------


def nonzero(x: Any) -> Any:
    """Return the mask of what is not 0."""
    return _row("_ne", x, 0.0)


def any_of(x: Any, axes: Any, keep: bool) -> Tensor:
    """Return the mask of whether any element is not 0."""
    if _core.size_of(x) == 0:
        return _core.reduce_axes(nonzero(x), axes, keep, "sum")
    return _core.reduce_axes(nonzero(x), axes, keep, "max")


def all_of(x: Any, axes: Any, keep: bool) -> Tensor:
    """Return the mask of whether every element is not 0."""
    is_zero = any_of(_row("_eq", x, 0.0), axes, keep)
    return _row("_eq", is_zero, 0.0)  # type: ignore[no-any-return]


def is_close(x: Any, y: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    """Return the mask that np.isclose would."""
    bound = _abs(y) * rtol + atol
    near = _row("_le", _abs(x - y), bound) * _row("_lt", _abs(y), np.inf)
    close = _maximum(near, _row("_eq", x, y))
    if equal_nan:
        close = _maximum(close, _row("_ne", x, x) * _row("_ne", y, y))
    return nonzero(close)


def _joined(x: Any, y: Any, join: Callable[[Any, Any], Any]) -> Any:
    return nonzero(join(nonzero(x), nonzero(y)))


def _comparison(name: str) -> Callable[[Any, Any], Any]:
    return lambda x, y: _row(name, x, y)


def _tensor(x: Any) -> Tensor:
    """Return an operand whose operators are ours, not NumPy's."""
    return x if isinstance(x, Tensor) else _core.from_array(x)


# By the names of NumPy's ufuncs.
MASKS: dict[str, Callable[..., Any]] = {
    "less": _comparison("_lt"), "less_equal": _comparison("_le"),
    "equal": _comparison("_eq"), "not_equal": _comparison("_ne"),
    "greater": _comparison("_gt"), "greater_equal": _comparison("_ge"),
    "isnan": lambda x: _row("_ne", x, x),
    "isinf": lambda x: _row("_eq", _abs(x), np.inf),
    "isfinite": lambda x: _row("_lt", _abs(x), np.inf),
    "signbit": lambda x: _row("_lt", _copysign(1.0, x), 0.0),
    "logical_not": lambda x: _row("_eq", x, 0.0),
    "logical_and": lambda x, y: _joined(x, y, lambda a, b: a * b),
    "logical_or": lambda x, y: _joined(x, y, _maximum),
    "logical_xor": lambda x, y: _row("_ne", nonzero(x), nonzero(y)),
    "bitwise_and": lambda x, y: _tensor(x) & y,
    "bitwise_or": lambda x, y: _tensor(x) | y,
    "bitwise_xor": lambda x, y: _tensor(x) ^ y, "invert": lambda x: ~x,
}  # fmt: skip
