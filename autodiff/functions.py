"""Elementwise functions under all their names, and the few that take options.

The rows of the op table are functions already (`FUNCTIONS`); this module wraps those
whose PyTorch or NumPy form has keyword options.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import FUNCTIONS, Tensor

_where, _clip = FUNCTIONS["where"], FUNCTIONS["clip"]
_maximum, _minimum = FUNCTIONS["maximum"], FUNCTIONS["minimum"]
_add, _sub, _mul, _div = (FUNCTIONS[n] for n in ("add", "sub", "mul", "div"))


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """Return x limited to [min, max]; either may be None. Gradient 1 at a bound."""
    if min is None and max is None:
        raise ValueError("clip: At least one of 'min' or 'max' must not be None")
    low = -np.inf if min is None else min
    high = np.inf if max is None else max
    return _clip(x, low, high)


clamp = clip


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Return x where condition holds, else y; with one argument, the true positions."""
    if x is None or y is None:
        return np.nonzero(np.asarray(_core.values_of(condition)))
    return _where(np.asarray(_core.values_of(condition)), x, y)


def add(x: Any, y: Any, *, alpha: float = 1) -> Any:
    """Return x + alpha * y."""
    return _add(x, y if alpha == 1 else _mul(y, alpha))


def sub(x: Any, y: Any, *, alpha: float = 1) -> Any:
    """Return x - alpha * y."""
    return _sub(x, y if alpha == 1 else _mul(y, alpha))


def div(x: Any, y: Any, *, rounding_mode: str | None = None) -> Any:
    """Return x / y; rounded towards zero ("trunc") or down ("floor") if asked."""
    if rounding_mode not in (None, "trunc", "floor"):
        raise ValueError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but "
            f"found {rounding_mode!r}"
        )
    quotient = _div(x, y)
    return quotient if rounding_mode is None else FUNCTIONS[rounding_mode](quotient)


def round(x: Any, *, decimals: int = 0) -> Any:
    """Return x rounded to the nearest even integer, or to decimals. Gradient 0."""
    if decimals == 0:
        return FUNCTIONS["round"](x)
    scale = 10.0**decimals
    return _div(FUNCTIONS["round"](_mul(x, scale)), scale)


def softplus(x: Any, beta: float = 1, threshold: float | None = None) -> Any:
    """Return log(1 + exp(beta x)) / beta, without overflow.

    `threshold` is accepted as in PyTorch; it is not needed, nothing overflows here.
    """
    soft = FUNCTIONS["softplus"]
    return soft(x) if beta == 1 else _div(soft(_mul(x, beta)), beta)


def lerp(x: Any, end: Any, weight: Any) -> Any:
    """Return x + weight * (end - x)."""
    return _add(x, _mul(weight, _sub(end, x)))


def isnan(x: Any) -> Any:
    """Return where x is NaN, as a plain bool or array."""
    return _plain(np.isnan, x)


def isinf(x: Any) -> Any:
    """Return where x is infinite, as a plain bool or array."""
    return _plain(np.isinf, x)


def isfinite(x: Any) -> Any:
    """Return where x is a finite number, as a plain bool or array."""
    return _plain(np.isfinite, x)


def allclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Return whether all elements agree: abs(x - y) <= atol + rtol * abs(y)."""
    return bool(np.allclose(_core.values_of(x), _core.values_of(y), rtol, atol))


def equal(x: Any, y: Any) -> bool:
    """Return whether x and y have the same shape and elements."""
    return bool(np.array_equal(_core.values_of(x), _core.values_of(y)))


def _plain(function: Any, x: Any) -> Any:
    result = function(_core.values_of(x))
    return bool(result) if np.ndim(result) == 0 else result


def eq(x: Any, y: Any) -> Any:
    """Return x == y, elementwise."""
    return _compare(np.equal, x, y)


def ne(x: Any, y: Any) -> Any:
    """Return x != y, elementwise."""
    return _compare(np.not_equal, x, y)


def lt(x: Any, y: Any) -> Any:
    """Return x < y, elementwise."""
    return _compare(np.less, x, y)


def le(x: Any, y: Any) -> Any:
    """Return x <= y, elementwise."""
    return _compare(np.less_equal, x, y)


def gt(x: Any, y: Any) -> Any:
    """Return x > y, elementwise."""
    return _compare(np.greater, x, y)


def ge(x: Any, y: Any) -> Any:
    """Return x >= y, elementwise."""
    return _compare(np.greater_equal, x, y)


def _compare(function: Any, x: Any, y: Any) -> Any:
    result = function(_core.values_of(x), _core.values_of(y))
    return bool(result) if np.ndim(result) == 0 else result


OPTIONED = {
    "clip": clip, "clamp": clip, "where": where, "add": add, "sub": sub, "subtract": sub,
    "div": div, "divide": div, "true_divide": div, "round": round, "softplus": softplus,
}  # fmt: skip


def is_tensor(x: Any) -> bool:
    """Return whether x is a Tensor."""
    return isinstance(x, Tensor)
