"""Extremes, sorting, and what only says where or whether.

Over everything or over several axes, ties of a maximum share its gradient equally.
Along one `dim` an index comes with each value, and the element there takes all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autodiff import _core, traced
from autodiff._core import FUNCTIONS, Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError, ShapeError
from autodiff.indexing import take_at
from autodiff.plain import PlainArray, plain
from autodiff.reduce import Plain, is_all, mean, options, plain_values
from autodiff.shape import axes_of, axis_of, ravel


class ValuesAndIndices(NamedTuple):
    """What max, min, sort, median and topk return along an axis."""

    values: Tensor
    indices: PlainArray


def _picked(x: Tensor, at: Plain, axis: int, keep: bool) -> ValuesAndIndices:
    """Return the elements at one index of each line, with that index."""
    found = take_at(x, at, axis)
    if keep or x.ndim == 0:
        return ValuesAndIndices(found, plain(at))
    at = at.squeeze(axis)
    return ValuesAndIndices(_core.reshape(found, at.shape), plain(at))


def _check_filled(x: Tensor, axis: int, name: str) -> None:
    if x.ndim and x.shape[axis] == 0:
        raise IndexError(
            f"{name}(): Expected reduction dim {axis} to have non-zero size; the "
            f"tensor has shape {x.shape}"
        )


# ---- Extremes ------------------------------------------------------------------------


def _reduce(input: Any, dim: Any, keep: bool, name: str) -> Tensor:
    """Return the largest or least over axes, ties sharing the gradient."""
    x = as_tensor(input)
    if is_all(dim):
        if _core.size_of(x) == 0:
            raise ShapeError(
                f"{name}(): no elements, and so none that is extreme; the tensor has "
                f"shape {x.shape}"
            )
        return _core.reduce_axes(x, None, keep, name[-3:])
    axes = axes_of(dim if isinstance(dim, (tuple, list)) else (dim,), x.ndim)
    for axis in axes:
        _check_filled(x, axis, name)
    return _core.reduce_axes(x, axes, keep, name[-3:])


def _extreme(
    name: str,
    input: Any,
    dim: Any,
    keepdim: bool,
    other: Any,
    axis: Any,
    keepdims: bool,
) -> Any:
    if isinstance(dim, (Tensor, np.ndarray)):
        dim, other = None, dim
    if other is not None:
        return FUNCTIONS[name + "imum"](input, other)
    if dim is None:
        dim, keep = options(dim, axis, keepdim, keepdims)
        return _reduce(input, dim, keep, name)
    x = as_tensor(input)
    i = axis_of(dim, x.ndim)
    _check_filled(x, i, name)
    pick = np.argmax if name == "max" else np.argmin
    at = np.asarray(pick(plain_values(x), axis=i if x.ndim else None, keepdims=True))
    _require_extreme(x, i, name)
    return _picked(x, at, i, keepdim)


def max(
    input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None,
    axis: Any = None, keepdims: bool = False,
) -> Any:  # fmt: skip
    """Return the maximum.

    Over everything, or over `axis` as NumPy: a tensor, ties sharing the gradient. Along
    `dim` as PyTorch: (values, indices), the first winner taking the gradient. Of two
    tensors: elementwise.
    """
    return _extreme("max", input, dim, keepdim, other, axis, keepdims)


def min(
    input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None,
    axis: Any = None, keepdims: bool = False,
) -> Any:  # fmt: skip
    """Return the minimum; forms and gradients as of `max`."""
    return _extreme("min", input, dim, keepdim, other, axis, keepdims)


def amax(
    input: Any, dim: Any = (), keepdim: bool = False, *, axis: Any = None,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return the largest over axes; ties share the gradient equally."""
    dim, keep = options(None if is_all(dim) else dim, axis, keepdim, keepdims)
    return _reduce(input, dim, keep, "amax")


def amin(
    input: Any, dim: Any = (), keepdim: bool = False, *, axis: Any = None,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return the least over axes; ties share the gradient equally."""
    dim, keep = options(None if is_all(dim) else dim, axis, keepdim, keepdims)
    return _reduce(input, dim, keep, "amin")


def _require_extreme(x: Tensor, axis: int, name: str) -> None:
    """Guard that the first of the largest (or least) along an axis stays there."""
    if not _core.is_traced(x) or x.ndim == 0:
        return
    others = np.arange(1, x.shape[axis])
    at = _sorting(x, axis, name.endswith("max"))
    traced.require_order(x, at, axis, 0 * others, others, name.endswith("max"))


# ---- Of values only ------------------------------------------------------------------


def _plain(
    function: Callable[..., Any], summary: str, recorded: Callable[..., Any]
) -> Callable[..., Any]:
    """Make a function of values only: its result has no gradient.

    `recorded` takes tensors of a function that is being recorded.
    """
    name = function.__name__

    def searched(
        input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
        keepdims: bool = False,
    ) -> Any:  # fmt: skip
        dim, keep = options(dim, axis, keepdim, keepdims)
        x = as_tensor(input)
        if dim is not None:
            is_tuple = isinstance(dim, (tuple, list))
            axes = axes_of(dim if is_tuple else (dim,), x.ndim)
            dim = (axes if is_tuple else axes[0]) if x.ndim else None
        if name.startswith("arg"):
            if _core.size_of(x) == 0 and dim is None:
                raise IndexError(f"{name}(): no elements, and so none that is extreme")
            _check_filled(x, dim or 0, name)
        if _core.is_traced(x):
            return recorded(x, dim, keep)
        return plain(function(plain_values(x), axis=dim, keepdims=keep))

    searched.__name__ = searched.__qualname__ = name
    searched.__doc__ = f"{summary} A plain array: it has no gradient."
    return searched


def _position(name: str) -> Callable[..., Any]:
    """Return np.argmax or np.argmin of a traced tensor: where it is, and a guard."""

    def position(x: Tensor, axis: int | None, keep: bool) -> Any:
        line = x if axis is not None else ravel(x)
        _require_extreme(line, axis or 0, name)
        return plain(getattr(np, name)(plain_values(x), axis=axis, keepdims=keep))

    return position


argmax = _plain(
    np.argmax, "Return the position of the first maximum.", _position("argmax")
)
argmin = _plain(
    np.argmin, "Return the position of the first minimum.", _position("argmin")
)
any = _plain(np.any, "Return whether any element is not 0.", traced.any_of)
all = _plain(np.all, "Return whether every element is not 0.", traced.all_of)


# ---- Order ---------------------------------------------------------------------------


def _sorting(x: Tensor, axis: int, descending: bool) -> Plain:
    """Return the permutation that sorts along an axis, equal elements in order."""
    if x.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(plain_values(x), axis=axis, kind="stable")
    reverse = np.argsort(np.flip(plain_values(x), axis), axis=axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - reverse, axis)


def argsort(
    input: Any, dim: int = -1, descending: bool = False, *, stable: bool = True
) -> PlainArray:
    """Return the permutation that sorts along `dim`, equal elements in their order.

    NaN counts as larger than every number.
    """
    x = as_tensor(input)
    axis = axis_of(dim, x.ndim)
    at = _sorting(x, axis, descending)
    places = np.arange(1, x.shape[axis] if x.ndim else 1)
    traced.require_order(x, at, axis, places - 1, places, descending)
    return plain(at)


def sort(
    input: Any, dim: int = -1, descending: bool = False, *, stable: bool = True
) -> ValuesAndIndices:
    """Return (values, indices) sorted along `dim`; gradients follow the elements."""
    x = as_tensor(input)
    at = argsort(x, dim, descending)
    return ValuesAndIndices(take_at(x, at, axis_of(dim, x.ndim)), at)


def topk(
    input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesAndIndices:
    """Return the k largest (or least) along `dim`, in order, with their indices."""
    x = as_tensor(input)
    axis = axis_of(dim, x.ndim)
    if not 0 <= k <= (x.shape[axis] if x.ndim else 1):
        raise ArgumentError(f"topk: k = {k} is out of range for dimension {axis}")
    at = _sorting(x, axis, largest)
    if x.ndim:
        places = np.arange(1, x.shape[axis] if k > 0 else 1)
        last = np.minimum(places, k) - 1
        traced.require_order(x, at, axis, last, places, largest)
        at = np.take(at, np.arange(k), axis)
    return ValuesAndIndices(take_at(x, at, axis), plain(at))


def _require_middle(x: Tensor, axis: int, at: Plain, middle: int) -> None:
    """Guard that the same element along an axis stays in the middle of the order."""
    places = np.arange(1, x.shape[axis] if x.ndim else 1)
    left, right = np.minimum(places - 1, middle), np.maximum(places, middle)
    traced.require_order(x, at, axis, left, right)


def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the lower median, NaN if there is one; along dim with its index.

    Over everything, elements that equal the median share its gradient.
    """
    x = as_tensor(input)
    if dim is not None:
        axis = axis_of(dim, x.ndim)
        _check_filled(x, axis, "median")
        n = x.shape[axis] if x.ndim else 1
        at = np.atleast_1d(_sorting(x, axis, False))
        _require_middle(x, axis, at, (n - 1) // 2)
        is_nan = np.atleast_1d(np.isnan(plain_values(x)))
        middle = np.take(at, [(n - 1) // 2], axis)
        first_nan = np.argmax(is_nan, axis, keepdims=True)
        at = np.where(is_nan.any(axis, keepdims=True), first_nan, middle)
        return _picked(x, at if x.ndim else at.reshape(()), axis, keepdim)
    flat = ravel(x)
    if flat.shape[0] == 0:
        return as_tensor(np.nan)
    values = plain_values(flat)
    place = np.argsort(values, kind="stable")[(values.size - 1) // 2]
    middle = values[place]
    traced.require_sides(flat, _core.gather(flat, place))
    ties = np.isnan(values) if np.isnan(values).any() else values == middle
    return mean(_core.gather(flat, np.flatnonzero(ties)))
