"""What np.sum, np.concatenate and so on do with tensors: one function for each.

Parameters have NumPy's names and defaults. An option that is not in a signature here is
not supported, and `numpy_protocol` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce as fold
from typing import Any

import numpy as np

from autodiff import (
    _core,
    creation,
    functions,
    indexing,
    linalg,
    linear,
    order,
    reduce,
    traced,
)
from autodiff import shape as ad_shape
from autodiff._core import FUNCTIONS as ROWS
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError, TraceError

_NO = np._NoValue


def plain(a: Any) -> Any:
    """Return operands as arrays, also inside lists."""
    if isinstance(a, (list, tuple)):
        return type(a)(plain(v) for v in a)
    return np.asarray(_core.values_of(a)) if isinstance(a, Tensor) else a


def _of_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of values only."""
    recorded = _RECORDED[function]

    def on_values(*args: Any, **kwargs: Any) -> Any:
        if _core.is_traced(*args, *kwargs.values()):
            return recorded(*args, **kwargs)
        return function(
            *(plain(a) for a in args), **{k: plain(v) for k, v in kwargs.items()}
        )

    return on_values


def _count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return reduce.sum(traced.nonzero(a), axis, keepdims)


def _argsort(a: Any, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Any:
    return order.argsort(ad_shape.ravel(a) if axis is None else a, axis or 0)


def _array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    if np.shape(_core.peek(a1)) != np.shape(_core.peek(a2)):
        return False
    return functions.allclose(a1, a2, 0.0, 0.0, equal_nan)


def _searchsorted(a: Any, v: Any, side: str = "left") -> Any:
    at = np.searchsorted(_core.peek(a), _core.peek(v), side)  # type: ignore[call-overload]
    traced.require_places(a, v, np.asarray(at), side)
    return at


def _questioned(function: Callable[..., Any]) -> Callable[..., Any]:
    def question(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return function(a, axis=axis, keepdims=keepdims)

    return question


# In functions that are being recorded; the parameters are NumPy's.
_RECORDED: dict[Any, Callable[..., Any]] = {
    np.argmax: _questioned(order.argmax),
    np.argmin: _questioned(order.argmin),
    np.any: _questioned(order.any),
    np.all: _questioned(order.all),
    np.argsort: _argsort,
    np.allclose: functions.allclose,
    np.isclose: functions.isclose,
    np.array_equal: _array_equal,
    np.nonzero: lambda a: np.nonzero(traced.pinned(a)),
    np.count_nonzero: _count_nonzero,
    np.searchsorted: _searchsorted,
}


def _check_order(order: str) -> None:
    if order not in ("C", "A", "K"):
        raise ArgumentError(f"order {order!r} is not supported; tensors are in C order")


# ---- Reductions ----------------------------------------------------------------------


def _reduction(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a reduction under NumPy's signature."""

    def reduction(
        a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False
    ) -> Any:
        creation.check_dtype(dtype)
        if isinstance(axis, tuple) and not axis:
            return a
        return function(a, axis=axis, keepdims=bool(keepdims))

    return reduction


def _spread(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def spread(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        ddof: float = 0,
        keepdims: Any = False,
        *,
        correction: Any = _NO,
    ) -> Tensor:
        ddof = ddof if correction is _NO else correction
        return function(a, axis=axis, keepdims=bool(keepdims), correction=ddof)

    return spread


def _median(a: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the mean of the middle two: NumPy's median is not the lower one."""
    x = as_tensor(a)
    if axis is None:
        kept = (1,) * x.ndim if keepdims else ()
        return ad_shape.reshape(_median(ad_shape.ravel(x), 0), kept)
    axis = ad_shape.axis_of(axis, x.ndim)
    n = x.shape[axis]
    middle = order.sort(x, axis).values
    if order.any(functions.isnan(x)):
        raise ArgumentError("np.median of NaN is not supported on tensors")
    pair = ad_shape.narrow(middle, axis, (n - 1) // 2, 2 - n % 2)
    return reduce.mean(pair, axis, keepdims)


def _solve(a: Any, b: Any) -> Tensor:
    """Return the solution; from NumPy 2 on only what has one axis is a vector."""
    x, y = as_tensor(a), as_tensor(b)
    if 2 <= y.ndim < x.ndim:
        y = ad_shape.expand(y, *x.shape[: x.ndim - y.ndim], *y.shape)
    return linalg.solve(x, y)


def _svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    if hermitian:
        raise ArgumentError("np.linalg.svd: hermitian=True is not supported on tensors")
    return linalg.svd(a, full_matrices) if compute_uv else linalg.svdvals(a)


def _lstsq(a: Any, b: Any, rcond: Any = None) -> linalg.LstsqResult:
    return linalg.lstsq(a, b, None if rcond == "warn" else rcond)


def _average(a: Any, axis: Any = None, weights: Any = None) -> Tensor:
    if weights is None:
        return reduce.mean(a, axis)
    x, w = as_tensor(a), as_tensor(weights)
    if axis is not None and w.ndim == 1:
        extents = [1] * x.ndim
        extents[ad_shape.axis_of(axis, x.ndim)] = -1
        w = ad_shape.reshape(w, extents)
    w = ad_shape.broadcast_to(w, x.shape)
    return reduce.sum(x * w, axis) / reduce.sum(w, axis)


def _running(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def running(a: Any, axis: Any = None, dtype: Any = None) -> Tensor:
        return function(a, axis=axis, dtype=dtype)

    return running


def _diff(a: Any, n: int = 1, axis: int = -1) -> Tensor:
    x = as_tensor(a)
    if _core.is_mask(x):
        raise TraceError("np.diff of a mask; use mask[1:] ^ mask[:-1]")
    axis = ad_shape.axis_of(axis, x.ndim)
    for _ in range(n):
        extent = max(x.shape[axis] - 1, 0)
        first = ad_shape.narrow(x, axis, 0, extent)
        x = ad_shape.narrow(x, axis, x.shape[axis] - extent, extent) - first
    return x


# ---- Shape ---------------------------------------------------------------------------


def _reshape(
    a: Any, shape: Any = None, order: str = "C", newshape: Any = None
) -> Tensor:
    _check_order(order)
    return ad_shape.reshape(a, newshape if shape is None else shape)


def _broadcast_to(array: Any, shape: Any) -> Tensor:
    return ad_shape.broadcast_to(array, shape)


def _ravel(a: Any, order: str = "C") -> Tensor:
    _check_order(order)
    return ad_shape.ravel(a)


def _flip(m: Any, axis: Any = None) -> Tensor:
    return ad_shape.flip(m, dims=axis)


def _pad(
    array: Any, pad_width: Any, mode: str = "constant", *, constant_values: float = 0
) -> Tensor:
    x = as_tensor(array)
    pairs = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    names = {"wrap": "circular"}
    return indexing.pad_axes(x, pairs, names.get(mode, mode), constant_values)


def _take(a: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Tensor:
    if mode != "raise":
        raise ArgumentError(f"np.take: mode {mode!r} is not supported on tensors")
    return indexing.take(a, indices, axis)


def _concatenate(arrays: Sequence[Any], axis: Any = 0) -> Tensor:
    if axis is None:
        return ad_shape.cat([ad_shape.ravel(a) for a in arrays])
    return ad_shape.cat(arrays, axis)


def _column_stack(tup: Sequence[Any]) -> Tensor:
    parts = map(as_tensor, tup)
    return ad_shape.cat(
        [x if x.ndim > 1 else ad_shape.reshape(x, -1, 1) for x in parts], 1
    )


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    x, parts = as_tensor(ary), indices_or_sections
    total = x.shape[ad_shape.axis_of(axis, x.ndim)]
    if hasattr(parts, "__index__"):
        if total % parts:
            raise ArgumentError("array split does not result in an equal division")
        return list(ad_shape.split(x, [total // parts] * parts, axis))
    edges = [0, *(int(i) for i in parts), total]
    return list(ad_shape.split(x, np.diff(edges).tolist(), axis))


def _sort(a: Any, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
    if axis is None:
        return order.sort(ad_shape.ravel(a), 0).values
    return order.sort(a, axis).values


def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    return reduce.sum(ad_shape.diagonal(a, offset, axis1, axis2), -1)


# ---- Elementwise ---------------------------------------------------------------------


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if _core.is_traced(condition):
        return functions.where(condition, x, y)
    return functions.where(plain(condition), x, y)


def _clip(
    a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Any:
    low = a_min if min is None else min
    return functions.clip(a, low, a_max if max is None else max)


def _like(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def like(a: Any, *fill_value: Any, dtype: Any = None) -> Tensor:
        return function(a, *fill_value, dtype=dtype)

    return like


TABLE: dict[Any, Callable[..., Any]] = {
    np.sum: _reduction(reduce.sum),
    np.mean: _reduction(reduce.mean),
    np.prod: _reduction(reduce.prod),
    np.max: lambda a, axis=None, keepdims=False: order.amax(a, axis, keepdims),
    np.min: lambda a, axis=None, keepdims=False: order.amin(a, axis, keepdims),
    np.ptp: lambda a, axis=None: order.amax(a, axis) - order.amin(a, axis),
    np.var: _spread(reduce.var),
    np.std: _spread(reduce.std),
    np.median: _median,
    np.average: _average,
    np.linalg.norm: lambda x, ord=None, axis=None, keepdims=False: linalg.norm(
        x, ord, axis, keepdims
    ),
    np.linalg.solve: _solve,
    np.linalg.inv: lambda a: linalg.inv(a),
    np.linalg.pinv: lambda a: linalg.pinv(a),
    np.linalg.lstsq: _lstsq,
    np.linalg.det: lambda a: linalg.det(a),
    np.linalg.slogdet: lambda a: linalg.slogdet(a),
    np.linalg.cholesky: lambda a, *, upper=False: linalg.cholesky(a, upper=upper),
    np.linalg.eigh: lambda a, UPLO="L": linalg.eigh(a, UPLO),  # noqa: N803
    np.linalg.eigvalsh: lambda a, UPLO="L": linalg.eigvalsh(a, UPLO),  # noqa: N803
    np.linalg.svd: _svd,
    np.cumsum: _running(reduce.cumsum),
    np.cumprod: _running(reduce.cumprod),
    np.diff: _diff,
    np.sort: _sort,
    np.dot: lambda a, b: linear.dot(a, b),
    np.inner: lambda a, b: linear.inner(a, b),
    np.vdot: lambda a, b: linear.vdot(a, b),
    np.outer: lambda a, b: linear.outer(ad_shape.ravel(a), ad_shape.ravel(b)),
    np.tensordot: lambda a, b, axes=2: linear.tensordot(a, b, axes),
    np.einsum: lambda *operands, optimize=False: linear.einsum(*operands),
    np.linalg.multi_dot: lambda arrays: fold(linear.matmul, arrays),
    np.trace: _trace,
    np.concatenate: _concatenate,
    np.stack: lambda arrays, axis=0: ad_shape.stack(arrays, axis),
    np.hstack: lambda tup: ad_shape.hstack(tup),
    np.vstack: lambda tup: ad_shape.vstack(tup),
    np.column_stack: _column_stack,
    np.split: _split,
    np.reshape: _reshape,
    np.ravel: _ravel,
    np.squeeze: lambda a, axis=None: ad_shape.squeeze(a, axis),
    np.expand_dims: lambda a, axis: ad_shape.unsqueeze(a, axis),
    np.transpose: lambda a, axes=None: ad_shape.transpose(a, axes),
    np.swapaxes: lambda a, axis1, axis2: ad_shape.swapaxes(a, axis1, axis2),
    np.moveaxis: lambda a, source, destination: ad_shape.movedim(
        a, source, destination
    ),
    np.broadcast_to: _broadcast_to,
    np.atleast_1d: lambda a: a if a.ndim else ad_shape.ravel(a),
    np.flip: _flip,
    np.roll: lambda a, shift, axis=None: indexing.roll(a, shift, axis),
    np.repeat: lambda a, repeats, axis=None: indexing.repeat_interleave(
        a, repeats, axis
    ),
    np.tile: lambda A, reps: indexing.tile(A, dims=reps),  # noqa: N803
    np.take: _take,
    np.take_along_axis: lambda arr, indices, axis=-1: indexing.take_along_dim(
        arr, indices, axis
    ),
    np.diag: lambda v, k=0: indexing.diag(v, k),
    np.diagonal: lambda a, offset=0, axis1=0, axis2=1: ad_shape.diagonal(
        a, offset, axis1, axis2
    ),
    np.triu: lambda m, k=0: indexing.triu(m, k),
    np.tril: lambda m, k=0: indexing.tril(m, k),
    np.pad: _pad,
    np.where: _where,
    np.clip: _clip,
    np.round: lambda a, decimals=0: functions.round(a, decimals=decimals),
    np.around: lambda a, decimals=0: functions.round(a, decimals=decimals),
    np.sinc: lambda x: ROWS["sinc"](x),
    np.fix: lambda x: ROWS["trunc"](x),
    np.real: lambda val: val,
    np.zeros_like: _like(creation.zeros_like),
    np.ones_like: _like(creation.ones_like),
    np.full_like: _like(creation.full_like),
    np.empty_like: _like(creation.empty_like),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: functions.numel(a) if axis is None else a.shape[axis],
    np.copy: lambda a, order="K": a.clone(),
    **{
        f: _of_values(f)
        for f in (
            np.argmax, np.argmin, np.argsort, np.any, np.all, np.allclose, np.isclose,
            np.array_equal, np.nonzero, np.count_nonzero, np.searchsorted,
        )
    },
}  # fmt: skip
# From NumPy 2 on amax is a function of its own, no longer another name of max.
TABLE[np.amax], TABLE[np.amin] = TABLE[np.max], TABLE[np.min]
if hasattr(np.linalg, "svdvals"):  # likewise
    TABLE[np.linalg.svdvals] = lambda x, /: linalg.svdvals(x)
    TABLE[np.linalg.vector_norm] = lambda x, /, *, axis=None, keepdims=False, ord=2: (
        linalg.vector_norm(x, ord, axis, keepdims)
    )
    TABLE[np.linalg.matrix_norm] = lambda x, /, *, keepdims=False, ord="fro": (
        linalg.matrix_norm(x, ord, keepdim=keepdims)
    )
