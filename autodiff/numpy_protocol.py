"""NumPy's functions on tensors: __array__, __array_ufunc__, __array_function__.

A ufunc is looked up in the op table by its own name; other functions in
`numpy_functions`. What is in neither raises and names a way out: nothing falls back to
plain arrays, for that would drop gradients silently.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import _core, indexing, linear, order, reduce, shape, traced
from autodiff._core import FUNCTIONS as ROWS
from autodiff._core import Tensor
from autodiff.creation import as_tensor, check_dtype
from autodiff.numpy_functions import TABLE
from autodiff.plain import plain

# Ufuncs of values: their results carry no gradient.
_OF_VALUES = set(
    "less less_equal equal not_equal greater greater_equal isnan isinf isfinite "
    "signbit logical_not logical_and logical_or logical_xor".split()
)
_INPLACE = {"add", "subtract", "multiply", "divide", "power", "remainder"}
_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": reduce.sum,
    "multiply": reduce.prod,
    "maximum": order.amax,
    "minimum": order.amin,
}
_SPECIAL: dict[str, Callable[..., Any]] = {
    "matmul": linear.matmul,
    "positive": lambda x: x,
    "conjugate": lambda x: x,
    "floor_divide": lambda x, y: ROWS["floor"](ROWS["div"](x, y)),
}
_WAY_OUT = "or .detach().numpy() if no gradient is wanted"


def array(x: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    """np.asarray(x): the values, with a warning if that drops a gradient."""
    if dtype is not None and np.dtype(dtype) == object:
        return _objects(x)
    if _core.is_traced(x) or not x.requires_grad:  # of a traced tensor: an error
        values = _core.to_array(x)
    elif x.ndim == 0 and dtype is None:
        # One element of np.array([x, y]), as likely as np.asarray(x): an object array
        # keeps the tensor, and with it the gradient.
        _core.warn_gradient_loss(
            "NumPy keeps a 0-d tensor as an object only (autodiff.tensor([x, y]) makes "
            "a tensor of several), and turning it into a number"
        )
        return _objects(x)
    else:
        _core.warn_gradient_loss("np.asarray()")
        values = _core.to_array(x)
    if dtype is not None and np.dtype(dtype) != np.float64:
        return values.astype(dtype)
    return values.copy() if copy else values


def _objects(x: Tensor) -> np.ndarray[Any, Any]:
    """Return an object array of the elements of x, 0-d tensors with their gradient."""
    kept = np.empty(x.shape, dtype=object)
    for at in np.ndindex(x.shape):
        kept[at] = x[at] if at else x
    return kept


def array_ufunc(
    x: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any
) -> Any:
    """np.<ufunc>(...) with a tensor among its operands."""
    name = ufunc.__name__
    out = kwargs.pop("out", (None,))[0]
    check_dtype(kwargs.pop("dtype", None))
    if method == "reduce" and name in _REDUCTIONS and out is None:
        axis, keepdims = kwargs.pop("axis", 0), kwargs.pop("keepdims", False)
        if not _left(kwargs):
            return _REDUCTIONS[name](inputs[0], axis=axis, keepdims=keepdims)
    if method != "__call__" or _left(kwargs):
        how = "" if method == "__call__" else f".{method}"
        options = f" with {', '.join(kwargs)}" if kwargs else ""
        raise TypeError(
            f"np.{name}{how}{options} is not supported on tensors; use autodiff's own "
            f"functions, {_WAY_OUT}"
        )
    if _core.is_traced(*inputs) and name in traced.MASKS and out is None:
        inputs = tuple(as_tensor(v) if isinstance(v, list) else v for v in inputs)
        return traced.MASKS[name](*inputs)
    if name in _OF_VALUES:
        found = ufunc(*(_core.values_of(v) for v in inputs), out=out)
        return plain(found) if out is None and np.ndim(found) else found
    operands = [as_tensor(v) if isinstance(v, (list, tuple)) else v for v in inputs]
    function = _SPECIAL.get(name) or ROWS.get(name)
    if function is None:
        raise TypeError(
            f"np.{name} is not supported on tensors; write it with functions that are "
            f"(autodiff.ops() lists them), as an autodiff.Function, {_WAY_OUT}"
        )
    if out is None:
        return function(*operands)
    if not isinstance(out, Tensor):
        raise TypeError(
            f"np.{name}: a tensor cannot be written into a plain array; write "
            "x = x op y instead of x op= y, or make x a tensor"
        )
    if operands[0] is out and name in _INPLACE:
        return _core.to_inplace(name, out, operands[1])
    return _core.assign(out, function(*operands))


def _left(kwargs: dict[str, Any]) -> bool:
    """Whether options remain that say anything."""
    silent = (True, "K", "same_kind", np._NoValue)
    return not all(
        any(v is s or (isinstance(v, str) and v == s) for s in silent)
        for v in kwargs.values()
    )


def array_function(
    x: Tensor,
    function: Callable[..., Any],
    types: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """np.<function>(...) with a tensor among its arguments."""
    module, name = function.__module__, function.__name__
    name = f"{module.replace('numpy', 'np')}.{name}"
    ours = TABLE.get(function)
    if ours is None:
        has_own = function.__name__ in _NAMES
        use = f"autodiff.{function.__name__}" if has_own else "autodiff's own functions"
        raise TypeError(f"{name} is not supported on tensors; use {use}, {_WAY_OUT}")
    kwargs = {
        k: v
        for k, v in kwargs.items()
        if v is not np._NoValue and not (k == "out" and v is None)
    }
    try:
        inspect.signature(ours).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(
            f"{name} of a tensor: {error}, which is not supported; use autodiff's own "
            f"functions, {_WAY_OUT}"
        ) from None
    return ours(*args, **kwargs)


_NAMES = {
    *ROWS, *vars(reduce), *vars(order), *vars(shape), *vars(indexing), *vars(linear)
} - {"select"}  # fmt: skip
