"""Making tensors: from data, filled, random."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.errors import PrecisionWarning

float64 = double = np.dtype(np.float64)
float32 = np.dtype(np.float32)

_warned: set[str] = set()
_generator = np.random.default_rng()


def check_dtype(dtype: Any) -> None:
    """Accept float64; accept lower precision once with a warning; refuse the rest."""
    if dtype is None or dtype is float64 or dtype is float:
        return
    text = str(getattr(dtype, "__name__", dtype)).removeprefix("torch.")
    if text in ("float64", "double", "float"):
        return
    if text in ("float32", "float16", "half", "bfloat16", "single"):
        if text not in _warned:
            _warned.add(text)
            warnings.warn(
                f"dtype {text} was asked for; every tensor is float64, which is at "
                "least as precise (this is said once)",
                PrecisionWarning,
                stacklevel=4,
            )
        return
    if text in ("int", "int64", "long", "int32", "bool", "int8", "uint8", "int16"):
        return  # integers convert: every tensor is float64
    raise TypeError(f"dtype {dtype!r} is not supported; every tensor is float64")


def check_device(device: Any) -> None:
    """Accept the CPU only."""
    if device is not None and str(device) != "cpu":
        raise ValueError(f"device {device!r} is not supported; tensors live on 'cpu'")


def finish(x: Tensor, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """Apply the options that every creating function has."""
    check_dtype(dtype)
    check_device(device)
    if requires_grad:
        _core.set_requires_grad(x, True)
    return x


def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor from a number, nested lists, an array or tensors.

    Parameters
    ----------
    data
        A real number, a NumPy array, or nested lists of numbers and tensors, of any
        rectangular shape. Values are copied. Tracked tensors inside lists keep their
        gradient.
    dtype
        float64 (the default) or a name for it; lower precision is computed in float64.
    device
        None or "cpu".
    requires_grad
        Whether gradients accumulate in the new tensor's ``.grad``.

    Returns
    -------
    Tensor of the shape of `data`, float64.

    Raises
    ------
    TypeError
        When data holds anything but real numbers.
    ShapeError
        When lists are not rectangular.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.tensor(3.0, requires_grad=True)
    >>> ad.tensor([x, 2 * x])
    tensor([3., 6.], grad_fn=<CatBackward0>)
    """
    kind = type(data)
    if kind is float or kind is int:
        x = _core.scalar_tensor(data)
    elif kind is Tensor:
        if data.requires_grad:
            warnings.warn(
                "tensor(x) copies the value of x and drops its gradient; use x.clone() "
                "to keep it or x.detach().clone() to say that dropping it is meant",
                UserWarning,
                stacklevel=2,
            )
        x = _core.from_array(_core.to_array(data))
    elif isinstance(data, (list, tuple)) and _holds_tensor(data):
        x = _stack_nested(data)
        if requires_grad and _core.requires_grad(x):
            check_dtype(dtype)
            return x
    else:
        x = _core.from_array(_as_array(data))
    return finish(x, dtype, device, requires_grad)


def _as_array(data: Any) -> Any:
    """Let NumPy read nested lists; say what is wrong when it cannot."""
    if isinstance(data, np.ndarray) and data.dtype == object and data.size:
        return _unpack_objects(data)
    try:
        return np.asarray(data)
    except ValueError as error:
        if "inhomogeneous" in str(error):
            raise _core.errors.ShapeError(
                "nested lists must be rectangular: lists at one depth differ in length"
            ) from None
        raise


def _unpack_objects(data: np.ndarray[Any, Any]) -> Any:
    return data


def _holds_tensor(data: Any) -> bool:
    """Whether nested lists hold a tensor; no recursion, so any depth."""
    waiting = [data]
    while waiting:
        for item in waiting.pop():
            if isinstance(item, Tensor):
                return True
            if isinstance(item, (list, tuple)):
                waiting.append(item)
    return False


def _stack_nested(data: Sequence[Any]) -> Tensor:
    """Join nested lists of numbers and tensors, keeping gradients."""
    from autodiff.shape import stack

    parts = []
    for item in data:
        if isinstance(item, (list, tuple)):
            parts.append(_stack_nested(item) if item else _core.from_array([]))
        elif isinstance(item, Tensor):
            parts.append(item)
        else:
            parts.append(_core.from_array(item))
    shapes = {part.shape for part in parts}
    if len(shapes) > 1:
        found = " and ".join(str(tuple(shape)) for shape in sorted(shapes)[:2])
        raise _core.errors.ShapeError(
            f"nested lists must be rectangular: items at one depth have shapes {found}"
        )
    return stack(parts)


def as_tensor(data: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return `data` itself if it is a tensor, else ``tensor(data)``."""
    if isinstance(data, Tensor):
        return data
    return tensor(data, dtype=dtype, device=device)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """Make a tensor that shares memory with a float64 array in C order.

    Arrays of another type, order or byte order, and read-only ones, are copied.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    if array.ndim == 0:
        return _core.from_array(array)
    return _core.from_array(array, copy=False)


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    """Shape from ``f(2, 3)``, ``f((2, 3))`` or ``f([2, 3])``."""
    given = size[0] if len(size) == 1 and not hasattr(size[0], "__index__") else size
    shape = tuple(int(n.__index__()) for n in given)
    if any(n < 0 for n in shape):
        raise ValueError(f"extents must not be negative, got {shape}")
    return shape


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of a shape, every element `fill_value`."""
    size = (size,) if hasattr(size, "__index__") else tuple(size)
    array = np.full(_shape((size,)), _core.values_of(fill_value), dtype=np.float64)
    return finish(_core.from_array(array, copy=False), dtype, device, requires_grad)


def zeros(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of zeros; the shape as integers or as one tuple."""
    return full(
        _shape(size), 0.0, dtype=dtype, device=device, requires_grad=requires_grad
    )


def ones(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of ones; the shape as integers or as one tuple."""
    return full(
        _shape(size), 1.0, dtype=dtype, device=device, requires_grad=requires_grad
    )


def empty(*size: Any, **options: Any) -> Tensor:
    """Make a tensor to be filled later; its elements are zeros."""
    return zeros(*size, **options)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make start, start + step, ... below `end` (from 0 if only one is given)."""
    if end is None:
        start, end = 0, start
    start, end, step = (float(_core.values_of(v)) for v in (start, end, step))
    if step == 0 or not math.isfinite(start + end + step):
        raise ValueError(
            f"arange needs finite bounds and a step that is not 0, got start={start}, "
            f"end={end}, step={step}"
        )
    array = np.arange(start, end, step, dtype=np.float64)
    return finish(_core.from_array(array, copy=False), dtype, device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make `steps` evenly spaced values from start to end, both included."""
    array = np.linspace(_core.values_of(start), _core.values_of(end), steps)
    return finish(_core.from_array(array, copy=False), dtype, device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make the (n, m) matrix with ones on its diagonal; m defaults to n."""
    array = np.eye(n, m)
    return finish(_core.from_array(array, copy=False), dtype, device, requires_grad)


def manual_seed(seed: int) -> None:
    """Restart `rand` and `randn` from `seed`; equal seeds give equal numbers."""
    global _generator
    _generator = np.random.default_rng(seed)


def rand(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of numbers uniform in [0, 1)."""
    x = _core.from_array(_generator.random(_shape(size)))
    return finish(x, dtype, device, requires_grad)


def randn(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of standard normal numbers."""
    x = _core.from_array(_generator.standard_normal(_shape(size)))
    return finish(x, dtype, device, requires_grad)


def zeros_like(x: Any, **options: Any) -> Tensor:
    """Make zeros of the shape of x."""
    return zeros(np.shape(_core.values_of(x)), **options)


def ones_like(x: Any, **options: Any) -> Tensor:
    """Make ones of the shape of x."""
    return ones(np.shape(_core.values_of(x)), **options)


def empty_like(x: Any, **options: Any) -> Tensor:
    """Make a tensor of the shape of x, to be filled later; its elements are zeros."""
    return zeros_like(x, **options)


def full_like(x: Any, fill_value: Any, **options: Any) -> Tensor:
    """Make a tensor of the shape of x, every element `fill_value`."""
    return full(np.shape(_core.values_of(x)), fill_value, **options)


def rand_like(x: Any, **options: Any) -> Tensor:
    """Make numbers uniform in [0, 1), of the shape of x."""
    return rand(np.shape(_core.values_of(x)), **options)


def randn_like(x: Any, **options: Any) -> Tensor:
    """Make standard normal numbers of the shape of x."""
    return randn(np.shape(_core.values_of(x)), **options)
