"""NumPy's functions on tensors: __array__, __array_ufunc__, __array_function__.

A ufunc is looked up in the op table by its own name; other functions in FUNCTIONS
below. What is in neither raises and names a way out: nothing falls back to plain
arrays, for that would drop gradients silently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import _core, linear, reduce, shape
from autodiff._core import FUNCTIONS as ROWS
from autodiff._core import Tensor
from autodiff.creation import as_tensor, ones_like, zeros_like

_COMPARISONS = {
    "less", "less_equal", "equal", "not_equal", "greater", "greater_equal",
    "isnan", "isinf", "isfinite", "signbit", "logical_not", "logical_and", "logical_or",
    "logical_xor",
}  # fmt: skip
_INPLACE = {"add", "subtract", "multiply", "divide", "power", "remainder"}


def array(x: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    """np.asarray(x): the values, with a warning if that drops a gradient."""
    if not x.requires_grad:
        values = _core.to_array(x)
    elif x.ndim == 0 and dtype is None:
        # One element of np.array([x, y]), as likely as np.asarray(x): an object array
        # keeps the tensor, and with it the gradient.
        _core.warn_gradient_loss(
            "NumPy keeps a 0-d tensor as an object only (autodiff.tensor([x, y]) makes "
            "a tensor of several), and turning it into a number"
        )
        kept = np.empty((), dtype=object)
        kept[()] = x
        return kept
    else:
        _core.warn_gradient_loss("np.asarray()")
        values = _core.to_array(x.detach())
    if dtype is not None and np.dtype(dtype) != np.float64:
        return values.astype(dtype)
    return values.copy() if copy else values


def array_ufunc(
    x: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any
) -> Any:
    """np.<ufunc>(...) with a tensor among its operands."""
    out = kwargs.pop("out", None)
    name = ufunc.__name__
    if method == "reduce" and name in _REDUCTIONS and out is None:
        options = {k: v for k, v in kwargs.items() if k in ("axis", "keepdims")}
        options.setdefault("axis", 0)
        return _REDUCTIONS[name](inputs[0], **options)
    if method != "__call__" or any(
        v is not None and v is not True for k, v in kwargs.items() if k == "where"
    ):
        raise TypeError(
            f"np.{name}.{method} with {sorted(kwargs)} is not supported on tensors; "
            f"use autodiff's own functions, or .detach().numpy() for plain values"
        )
    if any(isinstance(v, (list, tuple)) for v in inputs):
        inputs = tuple(as_tensor(v) if isinstance(v, (list, tuple)) else v for v in inputs)
    if name in _COMPARISONS:
        return ufunc(*(_core.values_of(v) for v in inputs))
    if name == "matmul":
        return linear.matmul(*inputs)
    if name == "positive":
        return inputs[0]
    if name == "floor_divide":
        return inputs[0] // inputs[1]
    if name not in ROWS:
        raise TypeError(
            f"np.{name} is not supported on tensors; write it with functions that are "
            "(autodiff.ops() lists them), as an autograd.Function, or use "
            ".detach().numpy() if no gradient is wanted"
        )
    if out is not None:
        target = out[0]
        if isinstance(target, Tensor) and inputs[0] is target and name in _INPLACE:
            return _core.to_inplace(name, target, inputs[1])
        if not isinstance(target, Tensor):
            raise TypeError(
                f"np.{name}: the result carries a gradient and cannot be written into a "
                "plain array; use x = x op y instead of x op= y, or make x a tensor"
            )
        return _core.assign(target, ROWS[name](*inputs))
    return ROWS[name](*inputs)


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": reduce.sum,
    "multiply": reduce.prod,
    "maximum": reduce.amax,
    "minimum": reduce.amin,
}


def array_function(
    x: Tensor,
    function: Callable[..., Any],
    types: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """np.<function>(...) with a tensor among its arguments."""
    ours = FUNCTIONS.get(function)
    if ours is None:
        name = getattr(function, "__name__", str(function))
        hint = f"autodiff.{name}" if name in _NAMES else "autodiff's functions"
        raise TypeError(
            f"np.{name} is not supported on tensors; use {hint}, or .detach().numpy() "
            "if no gradient is wanted"
        )
    kwargs = {k: v for k, v in kwargs.items() if v is not np._NoValue}  # type: ignore[attr-defined]
    if kwargs.pop("out", None) is not None:
        raise TypeError(f"np.{function.__name__}: out= is not supported on tensors")
    return ours(*args, **kwargs)


def _values(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of values only."""

    def on_values(*args: Any, **kwargs: Any) -> Any:
        return function(*(_plain(a) for a in args), **kwargs)

    return on_values


def _plain(a: Any) -> Any:
    if isinstance(a, (list, tuple)):
        return type(a)(_plain(v) for v in a)
    return np.asarray(_core.values_of(a)) if isinstance(a, Tensor) else a


def _where(condition: Any, *branches: Any) -> Any:
    if len(branches) != 2:
        return np.where(_plain(condition), *branches)
    return ROWS["where"](_plain(condition), *branches)


def _clip(x: Any, a_min: Any = None, a_max: Any = None, **kw: Any) -> Tensor:
    from autodiff.functions import clip

    return clip(x, kw.get("min", a_min), kw.get("max", a_max))  # type: ignore[no-any-return]


def _var(root: bool) -> Callable[..., Any]:
    def function(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
        f = reduce.std if root else reduce.var
        return f(x, axis, keepdims, ddof=ddof)

    return function


def _pad(x: Any, width: Any, mode: str = "constant", constant_values: float = 0) -> Any:
    pairs = np.broadcast_to(np.asarray(width), (x.ndim, 2)).tolist()
    return shape.pad_axes(x, pairs, mode, constant_values)


def _squeezed_sort(x: Any, axis: int | None = -1, **kw: Any) -> Tensor:
    if axis is None:
        x, axis = shape.ravel(x), 0
    return reduce.sort(x, axis).values


def _split(x: Any, n: Any, axis: int = 0) -> list[Tensor]:
    total = x.shape[axis]
    if isinstance(n, int):
        if total % n:
            raise ValueError("array split does not result in an equal division")
        return list(shape.split(x, total // n or 1, axis))
    edges = [0, *n, total]
    return list(shape.split(x, list(np.diff(edges)), axis))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: lambda x, axis=None, dtype=None, keepdims=False: reduce.sum(
        x, axis, keepdims
    ),
    np.mean: lambda x, axis=None, dtype=None, keepdims=False: reduce.mean(
        x, axis, keepdims
    ),
    np.prod: lambda x, axis=None, dtype=None, keepdims=False: reduce.prod(
        x, axis, keepdims
    ),
    np.max: lambda x, axis=None, keepdims=False: reduce.amax(x, axis, keepdims),
    np.min: lambda x, axis=None, keepdims=False: reduce.amin(x, axis, keepdims),
    np.var: _var(False),
    np.std: _var(True),
    np.median: lambda x, axis=None: reduce.median(x)
    if axis is None
    else reduce.median(x, axis).values,
    np.cumsum: lambda x, axis=None, dtype=None: reduce.cumsum(x, axis),
    np.cumprod: lambda x, axis=None, dtype=None: reduce.cumprod(
        shape.ravel(x) if axis is None else x, axis or 0
    ),
    np.linalg.norm: lambda x, ord=None, axis=None, keepdims=False: reduce.norm(
        x, ord, axis, keepdims
    ),
    np.sort: _squeezed_sort,
    np.dot: linear.dot,
    np.inner: linear.dot,
    np.vdot: lambda x, y: linear.dot(shape.ravel(x), shape.ravel(y)),
    np.matmul: linear.matmul,
    np.outer: linear.outer,
    np.einsum: linear.einsum,
    np.trace: lambda x, offset=0, axis1=0, axis2=1: reduce.sum(
        shape.diagonal(x, offset, axis1, axis2), -1
    ),
    np.concatenate: lambda arrays, axis=0: shape.cat(list(arrays), axis),
    np.stack: lambda arrays, axis=0: shape.stack(list(arrays), axis),
    np.hstack: lambda arrays: shape.hstack(list(arrays)),
    np.vstack: lambda arrays: shape.vstack(list(arrays)),
    np.split: _split,
    np.reshape: lambda x, shape_=None, **kw: shape.reshape(
        x, shape_ if shape_ is not None else kw.get("newshape", kw.get("shape"))
    ),
    np.ravel: lambda x, order="C": shape.ravel(x),
    np.squeeze: shape.squeeze,
    np.expand_dims: lambda x, axis: shape.unsqueeze(x, axis),
    np.transpose: lambda x, axes=None: shape.transpose(x, axes),
    np.swapaxes: shape.swapaxes,
    np.moveaxis: shape.movedim,
    np.broadcast_to: lambda x, to, subok=False: shape.broadcast_to(
        x, (to,) if isinstance(to, int) else to
    ),
    np.flip: lambda x, axis=None: shape.flip(x)
    if axis is None
    else shape.flip(x, *np.atleast_1d(axis).tolist()),
    np.roll: shape.roll,
    np.repeat: lambda x, repeats, axis=None: shape.repeat_interleave(x, repeats, axis),
    np.tile: lambda x, reps: shape.tile(x, *np.atleast_1d(reps).tolist()),
    np.take: lambda x, index, axis=None, mode="raise": shape.take(x, index, axis),
    np.take_along_axis: lambda x, index, axis: shape.take_along_dim(x, index, axis),
    np.diag: lambda x, k=0: shape.diag(x, k),
    np.diagonal: lambda x, offset=0, axis1=0, axis2=1: shape.diagonal(
        x, offset, axis1, axis2
    ),
    np.triu: lambda x, k=0: shape.triu(x, k),
    np.tril: lambda x, k=0: shape.tril(x, k),
    np.pad: _pad,
    np.where: _where,
    np.clip: _clip,
    np.round: lambda x, decimals=0: ROWS["round"](x * 10.0**decimals) / 10.0**decimals
    if decimals
    else ROWS["round"](x),
    np.sinc: ROWS["sinc"],
    np.zeros_like: lambda x, **kw: zeros_like(x),
    np.ones_like: lambda x, **kw: ones_like(x),
    np.shape: lambda x: tuple(x.shape),
    np.ndim: lambda x: x.ndim,
    np.size: lambda x, axis=None: _core.size_of(x) if axis is None else x.shape[axis],
    np.copy: lambda x, **kw: x.clone(),
    np.linalg.multi_dot: lambda arrays: _chain(list(arrays)),
    **{
        f: _values(f)
        for f in (
            np.argmax, np.argmin, np.argsort, np.any, np.all, np.allclose, np.isclose,
            np.array_equal, np.nonzero, np.count_nonzero, np.searchsorted, np.sign
        )
        if hasattr(f, "__wrapped__") or not isinstance(f, np.ufunc)
    },
}  # fmt: skip


def _chain(arrays: list[Any]) -> Any:
    product = arrays[0]
    for a in arrays[1:]:
        product = linear.matmul(product, a)
    return product


_NAMES = {*ROWS, *reduce.__dict__, *shape.__dict__, *linear.__dict__}
