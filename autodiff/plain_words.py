"""PyTorch's words on bools and integers, put on `PlainArray` at import.

Words that turn or pick elements are those of Tensor and keep the type; `float` and
`double` make a tensor. What has no entry here is NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import _core, creation, functions, indexing, shape
from autodiff._core import Tensor
from autodiff.plain import PlainArray, plain

_TURNED: dict[Any, str] = {
    shape: "expand flip movedim narrow permute select t unflatten unsqueeze swapdims",
    indexing: "gather index_select masked_select roll",
}


def _turned(function: Callable[..., Tensor]) -> Callable[..., Any]:
    def method(x: PlainArray, *args: Any, **options: Any) -> PlainArray:
        values = _core.values_of(function(creation.tensor(x), *args, **options))
        return plain(np.asarray(values).astype(x.dtype))

    method.__name__, method.__doc__ = function.__name__, function.__doc__
    return method


def to(x: PlainArray, *args: Any, **options: Any) -> Any:
    """Return x as another type: whole numbers and bools as arrays, else a tensor."""
    result: Any = x
    for arg in (*args, *options.values()):
        if isinstance(arg, bool):  # non_blocking, copy
            continue
        name = creation.dtype_name(arg)
        if creation.is_device(arg):
            creation.check_device(arg)
        elif name in creation.WHOLE:
            result = plain(x.astype("int64" if name == "long" else name))
        else:
            result = creation.tensor(x, dtype=arg)
    return result


def _as_type(dtype: str) -> Callable[[PlainArray], PlainArray]:
    def method(x: PlainArray) -> PlainArray:
        return plain(x.astype(dtype))

    method.__name__, method.__doc__ = dtype, f"Return x as an array of {dtype}."
    return method


def _same(x: PlainArray, *args: Any, **options: Any) -> PlainArray:
    """Return x: it is on the CPU, without a graph, already."""
    return x


WORDS: dict[str, Any] = {
    **{
        name: _turned(getattr(module, name))
        for module, names in _TURNED.items()
        for name in names.split()
    },
    **{
        name: getattr(functions, name)
        for name in "eq ne lt le gt ge equal".split()
    },
    "float": lambda x: creation.tensor(x), "double": lambda x: creation.tensor(x),
    "bool": _as_type("bool"), "int": _as_type("int32"), "long": _as_type("int64"),
    "to": to, "type": to,
    "numpy": lambda x, *, force=False: np.asarray(x),
    "detach": _same, "cpu": _same, "contiguous": _same, "requires_grad": False,
    "clone": lambda x: x.copy(), "dim": lambda x: x.ndim,
    "numel": lambda x: int(np.ndarray.size.__get__(x)),
    "view_as": lambda x, y: x.reshape(y.shape),
    "reshape_as": lambda x, y: x.reshape(y.shape),
    "expand_as": lambda x, y: plain(np.broadcast_to(x, y.shape)),
    "logical_not": lambda x: plain(np.logical_not(x)),
}  # fmt: skip

for _name, _value in WORDS.items():
    setattr(PlainArray, _name, _value)
