"""Elementwise functions with options, comparisons, and questions about values.

The rows of the op table are functions already (`FUNCTIONS`); this module wraps those
whose PyTorch or NumPy form has keyword options.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import _core, traced
from autodiff._core import FUNCTIONS, Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError, ShapeError
from autodiff.plain import plain

_where, _clip = FUNCTIONS["where"], FUNCTIONS["clip"]
_add, _sub, _mul, _div = (FUNCTIONS[n] for n in ("add", "sub", "mul", "div"))


# ---- With options --------------------------------------------------------------------


def clip(input: Any, min: Any = None, max: Any = None) -> Any:
    """Return input limited to [min, max]; either may be None. Gradient 1 at a bound."""
    if min is None and max is None:
        raise ArgumentError("clamp: At least one of 'min' or 'max' must not be None")
    low = -np.inf if min is None else min
    high = np.inf if max is None else max
    return _clip(input, low, high)


clamp = clip


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Return input where condition holds, else other; of one argument, positions."""
    if input is None and other is None:
        return np.nonzero(np.atleast_1d(traced.pinned(condition)))
    if not _core.is_traced(condition):
        condition = np.asarray(_core.values_of(condition))
    if input is None or other is None:
        raise TypeError("where: give both input and other, or neither")
    return _where(condition, input, other)


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """Return input with `value` where mask holds."""
    return where(mask, value, input)


def add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return input + alpha * other."""
    return _add(input, other if alpha == 1 else _mul(other, alpha))


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return input - alpha * other."""
    return _sub(input, other if alpha == 1 else _mul(other, alpha))


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Return input / other, rounded towards zero ("trunc") or down ("floor")."""
    if rounding_mode not in (None, "trunc", "floor"):
        raise ArgumentError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but "
            f"found {rounding_mode!r}"
        )
    quotient = _div(input, other)
    return quotient if rounding_mode is None else FUNCTIONS[rounding_mode](quotient)


def round(input: Any, *, decimals: int = 0) -> Any:
    """Return input rounded to the nearest even integer, or to decimals. Gradient 0."""
    if decimals == 0:
        return FUNCTIONS["round"](input)
    scale = 10.0 ** abs(decimals)
    there, back = (_mul, _div) if decimals > 0 else (_div, _mul)
    return back(FUNCTIONS["round"](there(input, scale)), scale)


def softplus(input: Any, beta: float = 1, threshold: float | None = None) -> Any:
    """Return log(1 + exp(beta * input)) / beta, without overflow.

    Where beta * input is above `threshold` it is input itself, as in PyTorch; None, the
    default, needs no such place, for nothing overflows here.
    """
    scaled = input if beta == 1 else _mul(input, beta)
    soft = FUNCTIONS["softplus"](scaled)
    soft = soft if beta == 1 else _div(soft, beta)
    return soft if threshold is None else where(gt(scaled, threshold), input, soft)


def lerp(input: Any, end: Any, weight: Any) -> Any:
    """Return input + weight * (end - input)."""
    return _add(input, _mul(weight, _sub(end, input)))


# ---- Of values only ------------------------------------------------------------------


def _plain(function: Any, *operands: Any) -> Any:
    """Return a plain array of bools; of plain numbers, a bool.

    Of values of a function that is being recorded: a mask, see `traced`.
    """
    if _core.is_traced(*operands):
        return traced.MASKS[function.__name__](*operands)
    try:
        result = function(*(_core.values_of(x) for x in operands))
    except ValueError as error:
        if "broadcast" not in str(error):
            raise
        shapes = " and ".join(str(np.shape(_core.values_of(x))) for x in operands)
        raise ShapeError(f"shapes {shapes} do not broadcast") from None
    if np.ndim(result) == 0 and not any(isinstance(x, Tensor) for x in operands):
        return bool(result)
    return plain(result)


def isnan(input: Any) -> Any:
    """Return where input is NaN, as a plain array."""
    return _plain(np.isnan, input)


def isinf(input: Any) -> Any:
    """Return where input is infinite, as a plain array."""
    return _plain(np.isinf, input)


def isfinite(input: Any) -> Any:
    """Return where input is a finite number, as a plain array."""
    return _plain(np.isfinite, input)


def eq(input: Any, other: Any) -> Any:
    """Return input == other, elementwise, as a plain array."""
    return _plain(np.equal, input, other)


def ne(input: Any, other: Any) -> Any:
    """Return input != other, elementwise, as a plain array."""
    return _plain(np.not_equal, input, other)


def lt(input: Any, other: Any) -> Any:
    """Return input < other, elementwise, as a plain array."""
    return _plain(np.less, input, other)


def le(input: Any, other: Any) -> Any:
    """Return input <= other, elementwise, as a plain array."""
    return _plain(np.less_equal, input, other)


def gt(input: Any, other: Any) -> Any:
    """Return input > other, elementwise, as a plain array."""
    return _plain(np.greater, input, other)


def ge(input: Any, other: Any) -> Any:
    """Return input >= other, elementwise, as a plain array."""
    return _plain(np.greater_equal, input, other)


def logical_and(input: Any, other: Any) -> Any:
    """Return where neither is 0, as a plain array."""
    return _plain(np.logical_and, input, other)


def logical_or(input: Any, other: Any) -> Any:
    """Return where one or both are not 0, as a plain array."""
    return _plain(np.logical_or, input, other)


def logical_xor(input: Any, other: Any) -> Any:
    """Return where one is not 0 and the other is, as a plain array."""
    return _plain(np.logical_xor, input, other)


def logical_not(input: Any) -> Any:
    """Return where input is 0, as a plain array."""
    return _plain(np.logical_not, input)


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Return the positions of what is not 0, in rows; or a vector for each axis."""
    found = np.asarray(traced.pinned(input))
    if as_tuple:
        return tuple(plain(at) for at in np.nonzero(np.atleast_1d(found)))
    return plain(np.argwhere(found))


def count_nonzero(input: Any, dim: Any = None) -> Any:
    """Return how many elements are not 0, of all or along axes, as a plain array."""
    if _core.is_traced(input):
        mask = traced.nonzero(input)
        return (
            _core.reduce_axes(mask, None, False, "sum")
            if dim is None
            else mask.sum(dim)
        )
    return plain(np.count_nonzero(np.asarray(_core.values_of(input)), axis=dim))


def isclose(
    input: Any,
    other: Any,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Any:
    """Return where abs(input - other) <= atol + rtol * abs(other)."""
    if _core.is_traced(input, other):
        return traced.is_close(input, other, rtol, atol, equal_nan)
    return _plain(lambda x, y: np.isclose(x, y, rtol, atol, equal_nan), input, other)


def allclose(
    input: Any,
    other: Any,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> bool:
    """Return whether all elements are close; see `isclose`."""
    close = isclose(input, other, rtol, atol, equal_nan)
    if _core.is_traced(close):
        return bool(traced.all_of(close, None, False))
    return bool(np.all(close))


def equal(input: Any, other: Any) -> bool:
    """Return whether input and other have the same shape and elements."""
    if _core.is_traced(input, other):
        same_shape = np.shape(_core.peek(input)) == np.shape(_core.peek(other))
        return same_shape and bool(traced.all_of(eq(input, other), None, False))
    return bool(np.array_equal(_core.values_of(input), _core.values_of(other)))


def is_tensor(obj: Any) -> bool:
    """Return whether obj is a Tensor."""
    return isinstance(obj, Tensor)


def numel(input: Any) -> int:
    """Return the number of elements."""
    return int(_core.size_of(as_tensor(input)))


OPTIONED = {
    "clip": clip, "clamp": clip, "where": where, "add": add, "div": div, "divide": div,
    "true_divide": div, "sub": sub, "subtract": sub, "round": round,
    "softplus": softplus,
}  # fmt: skip
