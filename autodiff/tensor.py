"""The methods of Tensor that are written in Python, put on the type at import.

The elementwise rows are methods already, set by the core; here come attributes,
shapes, reductions, in-place methods, conversion and NumPy's protocols.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autodiff import (
    _core,
    creation,
    functions,
    indexing,
    linear,
    numpy_protocol,
    order,
    plain_words,  # noqa: F401 - puts the words of bools and integers on their type
    printing,
    reduce,
    shape,
    traced,
)
from autodiff._core import FUNCTIONS, Tensor
from autodiff.errors import GraphError

# ---- Tensor(...) ---------------------------------------------------------------------


def _from_data(*data: Any) -> Tensor:
    """Return a tensor of the data, or zeros of the sizes, as PyTorch's Tensor()."""
    if all(isinstance(size, int) for size in data):
        return creation.empty(*data or (0,))
    if len(data) > 1 or not isinstance(data[0], (list, tuple, np.ndarray, Tensor)):
        raise TypeError(
            "Tensor() takes one sequence or array, or sizes; of a number, "
            "autodiff.tensor(2.0) makes a 0-d tensor"
        )
    return creation.tensor(data[0])


# ---- Attributes ----------------------------------------------------------------------


def _set_requires_grad(x: Tensor, value: bool) -> None:
    _core.set_requires_grad(x, bool(value))


def requires_grad_(x: Tensor, requires_grad: bool = True) -> Tensor:
    """Let operations on x be recorded from now on (or not); returns x."""
    _core.set_requires_grad(x, bool(requires_grad))
    return x


def _ndim(x: Tensor) -> int:
    return len(_core.shape_of(x))


def _set_data(x: Tensor, value: Any) -> None:
    _core.set_data(x, creation.as_tensor(value).detach())


def _transposed(x: Tensor) -> Tensor:
    return shape.transpose(x)


def _matrix_transposed(x: Tensor) -> Tensor:
    return shape.swapaxes(x, -1, -2)


ATTRIBUTES: dict[str, Any] = {
    "requires_grad": property(
        _core.requires_grad,
        _set_requires_grad,
        doc="Whether x carries gradient; may be set on leaves.",
    ),
    "grad_fn": property(_core.grad_fn, doc="The operation that made x, or None."),
    "retains_grad": property(
        _core.retains_grad, doc="Whether retain_grad() was called."
    ),
    "shape": property(_core.shape_of, doc="Extents, a tuple of ints."),
    "ndim": property(_ndim, doc="Number of axes."),
    "dtype": property(lambda x: creation.float64, doc="float64, always."),
    "device": property(lambda x: "cpu", doc="'cpu', always."),
    "is_cuda": property(lambda x: False, doc="False, always."),
    "data": property(
        lambda x: _core.alias(x, True),
        _set_data,
        doc="x without its graph; writes to it change x and leave no trace.",
    ),
    "_version": property(_core.version, doc="Changes in place so far."),
    "T": property(_transposed, doc="x with its axes reversed."),
    "mT": property(_matrix_transposed, doc="x with its last two axes swapped."),
}

# ---- Graph ---------------------------------------------------------------------------


def detach(x: Tensor) -> Tensor:
    """Return x's value without its graph; in-place changes show in both."""
    return _core.alias(x, False)


def detach_(x: Tensor) -> Tensor:
    """Cut x itself off its graph; returns x."""
    _core.cut(x)
    return x


def clone(x: Tensor) -> Tensor:
    """Return a copy of x with its own memory, through which gradients pass."""
    return _core.follow_view(x, lambda v: v)


def zero_grad(x: Tensor, set_to_none: bool = True) -> None:
    """Forget x.grad, or fill it with zeros."""
    if set_to_none:
        x.grad = None
    elif x.grad is not None:
        x.grad.detach_().zero_()


# ---- Conversion ----------------------------------------------------------------------


def numpy(x: Tensor, *, force: bool = False) -> np.ndarray[Any, Any]:
    """Return the values as an array; of an n-d tensor, sharing its memory."""
    if x.requires_grad and not force and not _core.is_traced(x):
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use "
            "tensor.detach().numpy() instead."
        )
    return _core.to_array(x)


def tolist(x: Tensor) -> Any:
    """Return the values as nested lists of floats; of a 0-d tensor, a float."""
    return np.asarray(_core.values_of(x)).tolist()


def _length(x: Tensor) -> int:
    extents = _core.shape_of(x)
    if not extents:
        raise TypeError("len() of a 0-d tensor")
    return int(extents[0])


def _iterate(x: Tensor) -> Iterator[Tensor]:
    extents = _core.shape_of(x)
    if not extents:
        raise TypeError("iteration over a 0-d tensor")
    return iter(shape.unbind(x))


def _contains(x: Tensor, value: Any) -> bool:
    if _core.is_traced(x, value):
        return bool(traced.any_of(functions.eq(x, value), None, False))
    return bool(np.any(np.asarray(_core.values_of(x)) == _core.values_of(value)))


def _index(x: Tensor) -> int:
    if x.ndim:
        raise TypeError("only a 0-d tensor can be used as an index")
    value = traced.pinned(x)
    if value != int(value):
        raise TypeError(
            "only a 0-d tensor with a whole value can be used as an index; it is a "
            "float64, use int(x.item())"
        )
    if x.requires_grad and not _core.is_traced(x):
        _core.warn_gradient_loss("use as an index")
    return int(value)


def _complex(x: Tensor) -> complex:
    return complex(float(x))


def _round(x: Tensor, ndigits: int | None = None) -> Tensor:
    """Return round(x, ndigits), a tensor with gradient 0."""
    return functions.round(x, decimals=ndigits or 0)  # type: ignore[no-any-return]


def _copy(x: Tensor) -> Tensor:
    return x.clone() if not x.is_leaf else _rebuild(_core.to_array(x), x.requires_grad)


def _deepcopy(x: Tensor, memo: dict[int, Any]) -> Tensor:
    _core.refuse_graph(x, "deepcopy()", "x.clone()")
    if not x.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the "
            "deepcopy protocol at the moment; use .detach() or .clone()"
        )
    new = _rebuild(_core.to_array(x), x.requires_grad)
    memo[id(x)] = new
    if x.requires_grad and x.grad is not None:
        new.grad = copy.deepcopy(x.grad, memo)
    for name, value in vars(x).items():
        setattr(new, name, copy.deepcopy(value, memo))
    return new


def _rebuild(values: Any, requires_grad: bool) -> Tensor:
    x = _core.from_array(values)
    if requires_grad:
        _core.set_requires_grad(x, True)
    return x


def _reduce(x: Tensor, protocol: Any = None) -> Any:
    _core.refuse_graph(x, "pickling", "the value outside of it")
    if not x.is_leaf:
        raise GraphError(
            "a tensor with a graph cannot be pickled: the graph lives in this process; "
            "pickle x.detach(), or the leaves"
        )
    given = (np.array(_core.values_of(x)), bool(x.requires_grad))
    return (_rebuild, given, dict(vars(x))) if vars(x) else (_rebuild, given)


# ---- In place ------------------------------------------------------------------------


def _unary(name: str) -> Callable[..., Tensor]:
    function = FUNCTIONS[name]

    def method(x: Tensor) -> Tensor:
        return _core.assign_result(x, function)

    return _called(method, name, "x")


def _binary(name: str) -> Callable[..., Tensor]:
    def method(x: Tensor, other: Any) -> Tensor:
        return _core.to_inplace(name, x, other)

    return _called(method, name, "x, other")


def _power(name: str) -> Callable[..., Tensor]:
    def method(x: Tensor, exponent: Any) -> Tensor:
        return _core.to_inplace(name, x, exponent)

    return _called(method, name, "x, exponent")


def _called(
    method: Callable[..., Tensor], name: str, operands: str
) -> Callable[..., Tensor]:
    method.__name__ = name + "_"
    method.__doc__ = f"Make x {name}({operands}), in place; returns x."
    return method


# By the keywords of a row's operands.
_MAKERS = {
    ("input",): _unary,
    ("input", "other"): _binary,
    ("input", "exponent"): _power,
}


def add_(x: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """Add alpha * other to x, in place; returns x."""
    return _core.to_inplace("add", x, other if alpha == 1 else alpha * other)


def sub_(x: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """Subtract alpha * other from x, in place; returns x."""
    return _core.to_inplace("sub", x, other if alpha == 1 else alpha * other)


def copy_(x: Tensor, source: Any) -> Tensor:
    """Copy the values of source, broadcast to x's shape, into x; returns x."""
    source = creation.as_tensor(source)
    if source.shape != x.shape:
        source = shape.broadcast_to(source, x.shape)
    return _core.assign(x, source)


def fill_(x: Tensor, value: Any) -> Tensor:
    """Make every element of x value, in place; returns x."""
    return copy_(x, value)


def masked_fill_(x: Tensor, mask: Any, value: Any) -> Tensor:
    """Make the elements of x where mask holds value, in place; returns x."""
    return _core.assign_result(x, lambda v: functions.masked_fill(v, mask, value))


def zero_(x: Tensor) -> Tensor:
    """Make every element of x 0, in place; returns x."""
    return copy_(x, 0.0)


def uniform_(x: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Fill x with numbers uniform in [a, b), in place; returns x."""
    return copy_(x, a + (b - a) * creation.rand(tuple(x.shape)))


def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fill x with normal numbers, in place; returns x."""
    return copy_(x, mean + std * creation.randn(tuple(x.shape)))


def clamp_(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit x to [min, max], in place; returns x."""
    return _core.assign_result(x, lambda v: functions.clip(v, min, max))


# ---- On the type ---------------------------------------------------------------------


def _same(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Return x: it is on the CPU, in float64, contiguous, already; of bools a mask."""
    for arg in (*args, *kwargs.values()):
        if isinstance(arg, (bool, Tensor)):
            continue
        if creation.dtype_name(arg) == "bool":
            return _bool(x)
        if creation.is_device(arg):
            creation.check_device(arg)
        else:
            creation.check_dtype(arg, x)
    return x


def _cuda(x: Tensor, device: Any = None) -> Any:
    """Raise: there is one device, the CPU."""
    return _same(x, "cuda")


def _half(x: Tensor) -> Any:
    """Return x in float64, which is said once."""
    return _same(x, "float16")


def _contiguous(x: Tensor) -> Tensor:
    """Return x; of a slice or transpose, the copy that PyTorch would make."""
    return clone(x) if _core.is_part(x) else x


def _whole(x: Tensor) -> Tensor:
    """Return x without fractions and without a gradient, in float64 as every tensor."""
    return FUNCTIONS["trunc"](x).detach()


def _bool(x: Tensor) -> Any:
    """Return where x is not 0."""
    return functions.ne(x, 0.0)


def _where_method(x: Tensor, condition: Any, other: Any) -> Any:
    """Return x where condition holds, else other."""
    return functions.where(condition, x, other)


def _polygamma(x: Tensor, n: Any) -> Any:
    """Return the derivative of order n of digamma at x."""
    return FUNCTIONS["polygamma"](n, x)


# Functions whose first argument is the tensor, by module.
_BY_MODULE = {
    shape: "reshape view flatten unflatten ravel squeeze unsqueeze expand broadcast_to "
    "permute transpose t swapaxes swapdims movedim moveaxis flip diagonal narrow "
    "select split chunk unbind",
    indexing: "roll repeat tile repeat_interleave take index_select take_along_dim "
    "gather masked_select diag triu tril",
    reduce: "sum mean prod cumprod cumsum var std norm logsumexp softmax log_softmax",
    order: "max min amax amin argmax argmin any all argsort sort topk median",
    linear: "matmul mm bmm mv dot vdot inner outer trace",
    functions: "isnan isinf isfinite isclose allclose equal eq ne lt le gt ge lerp "
    "masked_fill nonzero count_nonzero logical_and logical_or logical_xor logical_not",
}

# Of each row of one operand or two, its method in place.
INPLACE: dict[str, Any] = {
    f"{name}_": _MAKERS[row.operands](name)
    for row in _core.ops()
    for name in row.names
    if row.operands in _MAKERS and not name.startswith("_")
}

METHODS: dict[str, Any] = {
    **INPLACE,
    "_from_data": staticmethod(_from_data),
    **{
        name: getattr(module, name)
        for module, names in _BY_MODULE.items()
        for name in names.split()
    },
    **functions.OPTIONED,
    "where": _where_method, "polygamma": _polygamma,
    "backward": _core.backward, "detach": detach, "detach_": detach_, "clone": clone,
    "zero_grad": zero_grad, "requires_grad_": requires_grad_,
    "register_hook": _core.register_hook, "retain_grad": _core.retain_grad,
    "item": _core.item, "numpy": numpy, "tolist": tolist,
    "size": lambda x, dim=None: x.shape if dim is None else x.shape[dim],
    "dim": _ndim, "ndimension": _ndim, "numel": _core.size_of,
    "nelement": _core.size_of,
    "view_as": lambda x, y: shape.reshape(x, tuple(y.shape)),
    "reshape_as": lambda x, y: shape.reshape(x, tuple(y.shape)),
    "expand_as": lambda x, y: shape.broadcast_to(x, tuple(y.shape)),
    "contiguous": _contiguous, "cpu": _same, "double": _same, "to": _same,
    "float": lambda x: x, "type": _same,
    "cuda": _cuda, "half": _half, "long": _whole, "int": _whole, "bool": _bool,
    "is_contiguous": lambda x: True, "is_floating_point": lambda x: True,
    "astype": _same, "element_size": lambda x: 8, "type_as": _same,
    "new_zeros": lambda x, *size, **kw: creation.zeros(*size, **kw),
    "new_ones": lambda x, *size, **kw: creation.ones(*size, **kw),
    "new_empty": lambda x, *size, **kw: creation.empty(*size, **kw),
    "new_full": lambda x, size, fill_value, **kw: creation.full(size, fill_value, **kw),
    "new_tensor": lambda x, data, **kw: creation.tensor(data, **kw),
    "add_": add_, "sub_": sub_, "subtract_": sub_,
    "clamp_": clamp_, "clip_": clamp_, "copy_": copy_, "fill_": fill_, "zero_": zero_,
    "masked_fill_": masked_fill_,
    "uniform_": uniform_, "normal_": normal_,
    "__getitem__": indexing.get_item, "__setitem__": indexing.set_item,
    "__len__": _length, "__iter__": _iterate, "__contains__": _contains,
    "__round__": _round, "__index__": _index, "__complex__": _complex,
    "__repr__": printing.to_text, "__str__": printing.to_text,
    "__format__": printing.to_format,
    "__copy__": _copy, "__deepcopy__": _deepcopy, "__reduce_ex__": _reduce,
    "__array__": numpy_protocol.array,
    "__array_ufunc__": numpy_protocol.array_ufunc,
    "__array_function__": numpy_protocol.array_function,
    "__array_priority__": 1000,
}  # fmt: skip

for _name, _value in {**METHODS, **ATTRIBUTES}.items():
    setattr(Tensor, _name, _value)
Tensor.__module__ = "autodiff"
