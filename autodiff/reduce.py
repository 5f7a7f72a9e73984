"""Sums, products, extremes, norms and what is built from them.

Axes are given as `dim` (PyTorch) or `axis` (NumPy), an integer or a tuple, None for
all; `keepdim` or `keepdims` keeps reduced axes with extent 1. Ties of a maximum share
its gradient equally, except where an index is returned too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autodiff import _core
from autodiff._core import FUNCTIONS, Tensor
from autodiff.creation import as_tensor
from autodiff.shape import _axis

Axes = int | tuple[int, ...] | None


class ValuesAndIndices(NamedTuple):
    """What max, min, sort and their kin return along an axis."""

    values: Tensor
    indices: np.ndarray[Any, Any]


def _options(dim: Any, axis: Any, keepdim: bool, keepdims: bool) -> tuple[Any, bool]:
    if dim is not None and axis is not None:
        raise TypeError("give dim= or axis=, not both")
    return (dim if axis is None else axis), bool(keepdim or keepdims)


def _count(x: Tensor, axes: Any) -> int:
    """Number of elements that fall on one result."""
    if axes is None or axes == ():
        return _core.size_of(x)
    axes = axes if isinstance(axes, (tuple, list)) else (axes,)
    n = 1
    for i in axes:
        n *= x.shape[_axis(i, max(x.ndim, 1))] if x.ndim else 1
    return n


def sum(
    x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: bool = False, dtype: Any = None,
) -> Tensor:  # fmt: skip
    """Return the sum over axes; pairwise along the last."""
    dim, keep = _options(dim, axis, keepdim, keepdims)
    return _core.reduce_axes(as_tensor(x), dim, keep, "sum")


def mean(
    x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: bool = False, dtype: Any = None,
) -> Tensor:  # fmt: skip
    """Return the mean over axes; NaN of nothing."""
    dim, keep = _options(dim, axis, keepdim, keepdims)
    x = as_tensor(x)
    n = _count(x, dim)
    return _core.reduce_axes(x, dim, keep, "sum") / (float(n) if n else np.nan)


def _extreme(how: str) -> Callable[..., Any]:
    pick = np.argmax if how == "max" else np.argmin
    pair = FUNCTIONS["maximum" if how == "max" else "minimum"]

    def extreme(
        x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
        keepdims: bool = False,
    ) -> Any:  # fmt: skip
        if isinstance(dim, (Tensor, np.ndarray)):
            return pair(x, dim)
        if dim is None:
            dim, keep = _options(dim, axis, keepdim, keepdims)
            return _core.reduce_axes(as_tensor(x), dim, keep, how)
        x = as_tensor(x)
        if x.ndim == 0:
            return ValuesAndIndices(_core.reshape(x, ()), np.zeros((), int))
        i = _axis(dim, x.ndim)
        at = np.asarray(pick(_core.values_of(x), axis=i, keepdims=True))
        values = _take_along(x, at, i)
        if keepdim:
            return ValuesAndIndices(values, at)
        return ValuesAndIndices(
            _core.reshape(values, at.squeeze(i).shape), at.squeeze(i)
        )

    extreme.__name__ = extreme.__qualname__ = how
    extreme.__doc__ = f"""Return the {how}imum.

    Over everything, or over `axis` as NumPy: a tensor, ties sharing the gradient. Along
    `dim` as PyTorch: (values, indices), the first winner taking the gradient. Of two
    tensors: elementwise.
    """
    return extreme


max = _extreme("max")
min = _extreme("min")


def amax(
    x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return the largest over axes; ties share the gradient equally."""
    dim, keep = _options(dim, axis, keepdim, keepdims)
    return _core.reduce_axes(as_tensor(x), dim, keep, "max")


def amin(
    x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return the least over axes; ties share the gradient equally."""
    dim, keep = _options(dim, axis, keepdim, keepdims)
    return _core.reduce_axes(as_tensor(x), dim, keep, "min")


def _plain(numpy_function: Callable[..., Any], summary: str) -> Callable[..., Any]:
    """A function of values only: its result has no gradient."""

    def function(
        x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
        keepdims: bool = False,
    ) -> Any:  # fmt: skip
        dim, keep = _options(dim, axis, keepdim, keepdims)
        values = np.asarray(_core.values_of(as_tensor(x)))
        result = numpy_function(values, axis=dim, keepdims=keep)
        return result.item() if np.ndim(result) == 0 else result

    name = numpy_function.__name__
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{summary} A plain number or array: it has no gradient."
    return function


argmax = _plain(np.argmax, "Return the position of the first maximum.")
argmin = _plain(np.argmin, "Return the position of the first minimum.")
any = _plain(np.any, "Return whether any element is not 0.")
all = _plain(np.all, "Return whether every element is not 0.")


# ---- Products: trees of multiplications, so that zeros cost no gradient ------------------


def _to_last(x: Tensor, dim: int) -> Tensor:
    return _core.follow_view(x, lambda v: np.moveaxis(v, dim, -1))


def prod(
    x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return the product over an axis, or over all; exact gradients beside zeros."""
    dim, keep = _options(dim, axis, keepdim, keepdims)
    x = as_tensor(x)
    if x.ndim == 0:
        return _core.reshape(x, ())
    if dim is None:
        shape = (1,) * x.ndim if keep else ()
        return _core.reshape(prod(_core.reshape(x, (_core.size_of(x),)), 0), shape)
    if isinstance(dim, (tuple, list)):
        axes = sorted((_axis(i, x.ndim) for i in dim), reverse=True)
        for i in axes:
            x = prod(x, i, keep)
        return x
    i = _axis(dim, x.ndim)
    shape = tuple(x.shape)
    shape = (*shape[:i], *((1,) if keep else ()), *shape[i + 1 :])
    y = _to_last(x, i)
    if y.shape[-1] == 0:
        return as_tensor(np.ones(shape))
    while (n := y.shape[-1]) > 1:
        half = n // 2
        product = y[..., :half] * y[..., half : 2 * half]
        y = product if n % 2 == 0 else _core.cat([product, y[..., 2 * half :]], y.ndim - 1)
    return _core.reshape(y, shape)


def cumprod(x: Any, dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Return running products along an axis; exact gradients beside zeros."""
    x = as_tensor(x)
    if x.ndim == 0:
        return _core.reshape(x, ())
    i = _axis(dim if axis is None else axis, x.ndim)
    y, step = _to_last(x, i), 1
    while step < y.shape[-1]:
        y = _core.cat([y[..., :step], y[..., step:] * y[..., :-step]], y.ndim - 1)
        step *= 2
    return _core.follow_view(y, lambda v: np.moveaxis(v, -1, i))


def cumsum(x: Any, dim: int | None = None, *, axis: int | None = None) -> Tensor:
    """Return running sums along an axis (of the flat elements if none is given)."""
    x = as_tensor(x)
    dim = dim if axis is None else axis
    if dim is None:
        return _core.cumsum(_core.reshape(x, (_core.size_of(x),)), 0)
    return _core.cumsum(x, dim)


# ---- Spread and length ------------------------------------------------------------------------


def var(
    x: Any, dim: Any = None, keepdim: bool = False, *, correction: float | None = None,
    unbiased: bool = True, axis: Any = None, keepdims: bool = False,
    ddof: float | None = None,
) -> Tensor:  # fmt: skip
    """Return the variance: squared distances from the mean over n - correction.

    `correction` is 1 as in PyTorch; NumPy's name for it, `ddof`, is understood.
    """
    dim, keep = _options(dim, axis, keepdim, keepdims)
    x = as_tensor(x)
    if correction is None:
        correction = ddof if ddof is not None else 1.0 if unbiased else 0.0
    n = _count(x, dim)
    deviation = x - mean(x, dim, True)
    squares = _core.reduce_axes(FUNCTIONS["square"](deviation), dim, keep, "sum")
    return squares / (n - correction if n > correction else np.nan)


def std(x: Any, dim: Any = None, keepdim: bool = False, **options: Any) -> Tensor:
    """Return the square root of `var`; 0 and gradient 0 where all are equal."""
    return FUNCTIONS["sqrt"](var(x, dim, keepdim, **options))


def norm(
    x: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, p: Any = None,
    axis: Any = None, keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return the length of vectors: (sum of abs(x)**ord)**(1/ord), ord 2 by default.

    Scaled, so that it neither overflows nor underflows; at 0 the gradient is 0. ord may
    be 0 (how many are not 0), 1, inf, -inf or any number; "fro" is 2.
    """
    dim, keep = _options(dim, axis, keepdim, keepdims)
    x = as_tensor(x)
    ord = p if ord is None else ord
    ord = 2.0 if ord is None or ord == "fro" else float(ord)
    size = FUNCTIONS["abs"](x)
    if ord == np.inf or ord == -np.inf:
        return _core.reduce_axes(size, dim, keep, "max" if ord > 0 else "min")
    if ord == 1:
        return _core.reduce_axes(size, dim, keep, "sum")
    if ord == 0:
        return as_tensor((np.asarray(_core.values_of(x)) != 0).sum(dim, keepdims=keep))
    largest = _core.values_of(_core.reduce_axes(size, dim, True, "max")) if (
        _core.size_of(x)
    ) else 1.0
    is_usable = (largest > 0) & np.isfinite(largest)
    scale = np.where(is_usable, np.exp2(np.floor(np.log2(np.where(is_usable, largest, 1.0)))), 1.0)
    scaled = size / (scale if x.ndim else scale.item())
    powers = FUNCTIONS["square"](scaled) if ord == 2 else scaled**ord
    total = _core.reduce_axes(powers, dim, keep, "sum")
    root = FUNCTIONS["sqrt"](total) if ord == 2 else total ** (1.0 / ord)
    back = np.reshape(scale, root.shape) if np.size(scale) == _core.size_of(root) else scale
    return root * (back if root.ndim else back.item())


# ---- Exponentials ---------------------------------------------------------------------------------


def _shift(x: Tensor, dim: Any) -> Any:
    """The maximum along dim as a plain array, 0 where it is not finite."""
    largest = np.asarray(_core.values_of(x)).max(axis=dim, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    return largest if largest.ndim else largest.item()


def logsumexp(
    x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return log(sum(exp(x))) over axes, without overflow."""
    dim, keep = _options(dim, axis, keepdim, keepdims)
    x = as_tensor(x)
    dim = tuple(dim) if isinstance(dim, list) else dim
    shift = _shift(x, dim)
    total = _core.reduce_axes(FUNCTIONS["exp"](x - shift), dim, keep, "sum")
    shape = tuple(total.shape)
    return FUNCTIONS["log"](total) + (np.reshape(shift, shape) if shape else float(np.ravel(shift)[0]))


def softmax(x: Any, dim: int = -1, *, axis: int | None = None) -> Tensor:
    """Return exp(x) over its sum along an axis, without overflow."""
    x, dim = as_tensor(x), dim if axis is None else axis
    e = FUNCTIONS["exp"](x - _shift(x, dim if x.ndim else None))
    return e / _core.reduce_axes(e, dim, True, "sum")


def log_softmax(x: Any, dim: int = -1, *, axis: int | None = None) -> Tensor:
    """Return the logarithm of `softmax`, accurate where that is tiny."""
    x, dim = as_tensor(x), dim if axis is None else axis
    shifted = x - _shift(x, dim if x.ndim else None)
    total = _core.reduce_axes(FUNCTIONS["exp"](shifted), dim, True, "sum")
    return shifted - FUNCTIONS["log"](total)


# ---- Order -----------------------------------------------------------------------------------------


def _take_along(x: Tensor, at: np.ndarray[Any, Any], dim: int) -> Tensor:
    grid = list(np.indices(at.shape, sparse=True))
    grid[dim] = at
    positions = np.arange(_core.size_of(x)).reshape(tuple(x.shape))
    return _core.gather(x, positions[tuple(grid)])


def argsort(
    x: Any, dim: int = -1, descending: bool = False, stable: bool = True
) -> np.ndarray[Any, Any]:
    """Return the permutation that sorts x along `dim`; NaN last."""
    values = np.asarray(_core.values_of(as_tensor(x)))
    if values.ndim == 0:
        return np.zeros((), int)
    return np.argsort(-values if descending else values, axis=dim, kind="stable")


def sort(
    x: Any, dim: int = -1, descending: bool = False, stable: bool = True
) -> ValuesAndIndices:
    """Return (values, indices) sorted along `dim`; gradients follow the elements."""
    x = as_tensor(x)
    at = argsort(x, dim, descending)
    if x.ndim == 0:
        return ValuesAndIndices(_core.reshape(x, ()), at)
    return ValuesAndIndices(_take_along(x, at, _axis(dim, x.ndim)), at)


def median(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the lower median, ties sharing the gradient; along dim with its index."""
    x = as_tensor(x)
    if dim is None:
        flat = np.sort(np.asarray(_core.values_of(x)).ravel())
        if flat.size == 0:
            raise ValueError("median of no elements")
        middle = flat[-1] if np.isnan(flat[-1]) else flat[(flat.size - 1) // 2]
        values = np.asarray(_core.values_of(x))
        ties = np.isnan(values) if np.isnan(middle) else values == middle
        share = _core.gather(
            _core.reshape(x, (_core.size_of(x),)), np.flatnonzero(ties)
        )
        return mean(share)
    at = argsort(x, dim)
    pick = np.take(at, [(at.shape[dim] - 1) // 2], axis=dim)
    values = _take_along(x, pick, _axis(dim, x.ndim))
    if keepdim:
        return ValuesAndIndices(values, pick)
    pick = pick.squeeze(dim)
    return ValuesAndIndices(_core.reshape(values, pick.shape), pick)
