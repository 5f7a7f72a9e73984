"""Sums, products, extremes, norms, softmax and running sums.

Axes are given as `dim` (PyTorch) or `axis` (NumPy), an integer or a tuple, None or ()
for all; `keepdim` or `keepdims` keeps reduced axes with extent 1. Ties of a maximum
share its gradient equally, except where an index is returned too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff import _core, traced
from autodiff._core import FUNCTIONS, Tensor
from autodiff.creation import as_tensor, check_dtype
from autodiff.errors import ArgumentError
from autodiff.shape import axes_of, axis_of, ravel

_abs, _exp, _log, _sqrt = (FUNCTIONS[n] for n in ("abs", "exp", "log", "sqrt"))
_square, _where = FUNCTIONS["square"], FUNCTIONS["where"]
Plain = np.ndarray[Any, Any]


def plain_values(x: Tensor) -> Plain:
    """Return the plain values of a tensor, 0-d ones as an array too.

    Also of one that is traced: what comes of them is to be guarded, or recorded.
    """
    return np.asarray(_core.peek(x))


def options(dim: Any, axis: Any, keepdim: bool, keepdims: bool) -> tuple[Any, bool]:
    """Return PyTorch's or NumPy's words for axes as one pair."""
    if dim is not None and axis is not None:
        raise TypeError("give dim= or axis=, not both")
    return (dim if axis is None else axis), bool(keepdim or keepdims)


def is_all(dim: Any) -> bool:
    """Whether all axes are meant: by None or ()."""
    return dim is None or (isinstance(dim, (tuple, list)) and not dim)


def _axes(x: Tensor, dim: Any) -> tuple[int, ...]:
    """Return the axes to reduce, checked; all for None and ()."""
    if is_all(dim):
        return tuple(range(x.ndim))
    axes = axes_of(dim if isinstance(dim, (tuple, list)) else (dim,), x.ndim)
    return axes if x.ndim else ()


def _reduced(x: Tensor, axes: tuple[int, ...], keep: bool) -> tuple[int, ...]:
    """Return the shape that is left."""
    rest = (
        1 if i in axes else n for i, n in enumerate(x.shape) if keep or i not in axes
    )
    return tuple(rest)


def _sum(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    return _core.reduce_axes(x, axes or None, keep, "sum")


# ---- Sums and their kin --------------------------------------------------------------


def sum(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None,
    axis: Any = None, keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return the sum over axes; 0 of nothing.

    Raises
    ------
    IndexError
        When an axis is out of range.
    ShapeError
        When an axis is named twice.
    """
    check_dtype(dtype)
    dim, keep = options(dim, axis, keepdim, keepdims)
    x = as_tensor(input)
    return _sum(x, _axes(x, dim), keep)


def mean(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None,
    axis: Any = None, keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return the mean over axes; NaN of nothing."""
    check_dtype(dtype)
    dim, keep = options(dim, axis, keepdim, keepdims)
    x = as_tensor(input)
    axes = _axes(x, dim)
    n = math.prod(x.shape[i] for i in axes)
    return _sum(x, axes, keep) / (n or math.nan)


def var(
    input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *,
    correction: float | None = None, axis: Any = None, keepdims: bool = False,
    ddof: float | None = None,
) -> Tensor:  # fmt: skip
    """Return the variance: squared distances from the mean over n - correction.

    `correction` is 1 as in PyTorch, 0 with unbiased=False; NumPy's name for it, `ddof`,
    is understood. NaN of one element, gradient too, unless the correction is 0.
    """
    if isinstance(dim, bool):  # var(x, False), as PyTorch
        dim, unbiased = None, dim
    dim, keep = options(dim, axis, keepdim, keepdims)
    if correction is None:
        correction = ddof if ddof is not None else 1.0 if unbiased else 0.0
    x = as_tensor(input)
    axes = _axes(x, dim)
    n = math.prod(x.shape[i] for i in axes)
    if n == 1 and correction >= 1:
        return _sum(x * math.nan, axes, keep)
    deviation = x - _sum(x, axes, True) / (n or math.nan)
    return _sum(_square(deviation), axes, keep) / float(np.maximum(n - correction, 0.0))


def std(
    input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False,
    **named: Any,
) -> Tensor:  # fmt: skip
    """Return the square root of `var`; 0 and gradient 0 where all are equal."""
    return _sqrt(var(input, dim, unbiased, keepdim, **named))


def norm(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, *,
    dtype: Any = None, ord: Any = None, axis: Any = None, keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return the length of vectors: (sum of abs(x)**p)**(1/p), p = 2 by default.

    Scaled, so that it neither overflows nor underflows; at 0 the gradient is 0.

    Parameters
    ----------
    input
        Tensor of any shape; its elements along the axes are the vector's.
    p, ord
        1, 2, "fro" (2), inf, -inf, 0 (how many are not 0; no gradient) or any number.
    dim, axis
        An axis, a tuple of them, or None for all.
    keepdim, keepdims
        Whether reduced axes stay, with extent 1.
    dtype
        float64 or a name for it.

    Raises
    ------
    ArgumentError
        When p is "nuc" or another word.
    """
    check_dtype(dtype)
    dim, keep = options(dim, axis, keepdim, keepdims)
    x = as_tensor(input)
    axes = _axes(x, dim)
    p = p if ord is None else ord
    if isinstance(p, str) and p != "fro":
        raise ArgumentError(
            f"norm: order {p!r} is not supported; use a number or 'fro'"
        )
    p = 2.0 if p is None or p == "fro" else float(p)
    if p == 0:
        if _core.is_traced(x):
            return _sum(traced.nonzero(x), axes, keep)
        count = np.count_nonzero(plain_values(x), axis=axes or None, keepdims=keep)
        return as_tensor(np.reshape(count, _reduced(x, axes, keep)))
    size = _abs(x)
    if math.isinf(p):
        return _core.reduce_axes(size, axes or None, keep, "max" if p > 0 else "min")
    if p == 1:
        return _sum(size, axes, keep)
    scale = _scale(size, axes)
    scaled = size / scale
    total = _sum(_square(scaled) if p == 2 else scaled**p, axes, keep)
    root = _sqrt(total) if p == 2 else total ** (1.0 / p)
    if isinstance(scale, Tensor):
        return root * _core.reshape(scale, root.shape)
    return root * np.reshape(scale, root.shape)


def _largest(x: Tensor, axes: tuple[int, ...]) -> Any:
    """Return the largest elements over axes, kept; there are elements.

    Plain, or recorded and without a derivative.
    """
    if _core.is_traced(x):
        return _core.reduce_axes(_core.stop(x), axes or None, True, "max")
    return plain_values(x).max(axis=axes, keepdims=True)


def _recorded_scale(size: Tensor, axes: tuple[int, ...]) -> Tensor:
    """`_scale` of a traced tensor."""
    largest = _largest(size, axes)
    exponent = FUNCTIONS["floor"](FUNCTIONS["log2"](largest)) + 1.0
    scale = FUNCTIONS["exp2"](FUNCTIONS["clip"](exponent, -1021.0, 1023.0))
    has_scale = traced.MASKS["isfinite"](largest) & (largest > 0)
    return _where(has_scale, scale, 1.0)  # type: ignore[no-any-return]


def _scale(size: Tensor, axes: tuple[int, ...]) -> Any:
    """Powers of two near the largest elements, 1 where there is none to go by."""
    if _core.is_traced(size) and _core.size_of(size):
        return _recorded_scale(size, axes)
    largest = plain_values(size).max(axis=axes, keepdims=True, initial=0.0)
    exponent = np.frexp(np.where(np.isfinite(largest), largest, 1.0))[1]
    scale = np.ldexp(1.0, np.clip(exponent, -1021, 1023))
    return np.where((largest > 0) & np.isfinite(largest), scale, 1.0)


# ---- Products: trees of multiplications, so that zeros cost no gradient --------------


def _moved(x: Tensor, source: int, destination: int) -> Tensor:
    return _core.follow_view(x, lambda v: np.moveaxis(v, source, destination))


def prod(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None,
    axis: Any = None, keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return the product over axes, 1 of nothing; exact gradients beside zeros."""
    check_dtype(dtype)
    dim, keep = options(dim, axis, keepdim, keepdims)
    x = as_tensor(input)
    axes = _axes(x, dim)
    shape = _reduced(x, axes, keep)
    order = [i for i in range(x.ndim) if i not in axes] + list(axes)
    n = math.prod(x.shape[i] for i in axes)
    y = _core.follow_view(x, lambda v: v.transpose(order))
    y = _core.reshape(y, (math.prod(shape), n))
    if n == 0:
        return as_tensor(np.ones(shape))
    while (n := y.shape[1]) > 1:
        pairs = y[:, : n // 2] * y[:, n // 2 : n - n % 2]
        y = _core.cat([pairs, y[:, n - 1 :]], 1) if n % 2 else pairs
    return _core.reshape(y, shape)


def cumprod(
    input: Any, dim: int | None = None, *, dtype: Any = None, axis: int | None = None
) -> Tensor:
    """Return running products along an axis (of the flat elements if none is given).

    Gradients are exact beside zeros. Costs log2(n) multiplications for each element.
    """
    check_dtype(dtype)
    dim = dim if axis is None else axis
    x = ravel(input) if dim is None else as_tensor(input)
    i = axis_of(dim or 0, x.ndim)
    if x.ndim == 0:
        return _core.reshape(x, ())
    y, step = _moved(x, i, -1), 1
    while step < y.shape[-1]:
        y = _core.cat([y[..., :step], y[..., step:] * y[..., :-step]], y.ndim - 1)
        step *= 2
    return _moved(y, -1, i)


def cumsum(
    input: Any, dim: int | None = None, *, dtype: Any = None, axis: int | None = None
) -> Tensor:
    """Return running sums along an axis (of the flat elements if none is given)."""
    check_dtype(dtype)
    dim = dim if axis is None else axis
    x = ravel(input) if dim is None else as_tensor(input)
    return _core.cumsum(x, axis_of(dim or 0, x.ndim))


# ---- Exponentials --------------------------------------------------------------------


def logsumexp(
    input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return log(sum(exp(x))) over axes, without overflow; -inf of nothing.

    Where the largest element is infinite the gradient is the limit: the elements that
    equal it share it.
    """
    dim, keep = options(dim, axis, keepdim, keepdims)
    x = as_tensor(input)
    axes = _axes(x, dim)
    if _core.is_traced(x) and _core.size_of(x):
        return _recorded_logsumexp(x, axes, keep)
    largest = plain_values(x).max(axis=axes, keepdims=True, initial=-np.inf)
    finite = np.where(np.isfinite(largest), largest, 0.0)
    total = _log(_sum(_exp(x - finite), axes, keep))
    result = total + np.reshape(finite, total.shape)
    if not np.isinf(largest).any() or _core.size_of(x) == 0:
        return result
    limit = _core.reduce_axes(x, axes or None, keep, "max")
    is_limit = np.reshape(np.isinf(largest), total.shape)
    return as_tensor(_where(is_limit, limit, result))


def _recorded_logsumexp(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    """`logsumexp` of a traced tensor; whether an element is infinite is a guard."""
    largest = _largest(x, axes)
    is_infinite = traced.MASKS["isinf"](largest)
    if not traced.any_of(is_infinite, None, False):
        total = _log(_sum(_exp(x - largest), axes, keep))
        return total + _core.reshape(largest, total.shape)
    finite = _where(traced.MASKS["isfinite"](largest), largest, 0.0)
    total = _log(_sum(_exp(x - finite), axes, keep))
    result = total + _core.reshape(finite, total.shape)
    limit = _core.reduce_axes(x, axes or None, keep, "max")
    return as_tensor(_where(_core.reshape(is_infinite, total.shape), limit, result))


def _shifted(x: Tensor, dim: int) -> tuple[Tensor, tuple[int, ...]]:
    """Return x less its largest element along an axis, and that axis."""
    axes = _axes(x, axis_of(dim, x.ndim))
    if _core.size_of(x) == 0:
        return x, axes
    return x - _largest(x, axes), axes


def softmax(
    input: Any, dim: int = -1, *, dtype: Any = None, axis: int | None = None
) -> Tensor:
    """Return exp(x) over its sum along an axis, without overflow."""
    check_dtype(dtype)
    x, axes = _shifted(as_tensor(input), dim if axis is None else axis)
    e = _exp(x)
    return e / _sum(e, axes, True)


def log_softmax(
    input: Any, dim: int = -1, *, dtype: Any = None, axis: int | None = None
) -> Tensor:
    """Return the logarithm of `softmax`, accurate where that is tiny."""
    check_dtype(dtype)
    x, axes = _shifted(as_tensor(input), dim if axis is None else axis)
    return x - _log(_sum(_exp(x), axes, True))
