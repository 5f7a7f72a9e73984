"""Making tensors: from data, filled, random."""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from autodiff import _core, traced
from autodiff._core import Tensor
from autodiff.errors import ArgumentError, PrecisionWarning, ShapeError, TraceError
from autodiff.plain import plain

float64 = double = np.dtype(np.float64)
float32 = np.dtype(np.float32)

_warned: set[str] = set()
MAX_AXES = 32  # of the core's arrays

_generator: Any = None  # made when first wanted: numpy.random is slow to import


def _user_level() -> int:
    """Return the stacklevel at which the caller's warning shows the user's line."""
    level = 2
    while (frame := sys._getframe(level - 1)).f_back is not None:
        if not frame.f_code.co_filename.startswith(_FOLDER):
            break
        level += 1
    return level - 1


_FOLDER = os.path.dirname(__file__)  # noqa: PTH120 - pathlib is slow to import
WHOLE = {"int", "int64", "long", "int32", "int16", "short", "int8", "uint8", "bool"}


def dtype_name(dtype: Any) -> str:
    """Return the name of a type, given as PyTorch's, NumPy's, Python's or a text."""
    name = str(getattr(dtype, "__name__", dtype)).removeprefix("torch.")
    return name.removesuffix("Tensor").lower() if name.endswith("Tensor") else name


def check_dtype(dtype: Any, x: Tensor | None = None) -> None:
    """Accept float64; accept lower precision once with a warning; refuse the rest.

    Whole numbers are float64 too: an integer type is accepted for values that it holds.
    """
    if dtype is None or dtype is float64 or dtype is float:
        return
    name = dtype_name(dtype)
    if name in ("float64", "double", "float", ""):  # "": of Tensor itself
        return
    if name in ("float32", "float16", "half", "bfloat16", "single"):
        if name not in _warned:
            _warned.add(name)
            warnings.warn(
                f"dtype {name} was asked for; every tensor is float64, which is at "
                "least as precise (this is said once)",
                PrecisionWarning,
                stacklevel=_user_level(),
            )
        return
    if name in WHOLE:
        values = np.asarray(0.0 if x is None else _core.peek(x))
        if _core.is_traced(x):
            traced.require(_core.apply_row("_eq", x, _core.apply_row("trunc", x)))
        if np.array_equal(values, np.trunc(values)):
            return
        raise TypeError(
            f"dtype {name} cannot hold these values: every tensor is float64; use "
            "trunc() to drop the fractions"
        )
    raise TypeError(f"dtype {dtype!r} is not supported; every tensor is float64")


def set_default_dtype(dtype: Any) -> None:
    """Accept float64, which every tensor has; others as `tensor` takes its dtype."""
    if dtype_name(dtype) in WHOLE:
        raise TypeError(f"dtype {dtype!r} cannot be the default: tensors are float64")
    check_dtype(dtype)


def get_default_dtype() -> Any:
    """Return float64."""
    return float64


def is_device(name: Any) -> bool:
    """Whether a word names a device, as "cpu" and "cuda:0" do."""
    return str(name).partition(":")[0] in ("cpu", "cuda", "mps", "xpu", "meta")


def check_device(device: Any) -> None:
    """Accept the CPU only."""
    if device is not None and str(device).partition(":")[0] != "cpu":
        raise ValueError(f"device {device!r} is not supported; tensors live on 'cpu'")


def device(type: Any, index: int | None = None) -> str:
    """Return "cpu", the only device.

    Raises
    ------
    ValueError
        When another is asked for.
    """
    check_device(type)
    return "cpu"


def finish(x: Tensor, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """Apply the options that every creating function has.

    Bools are no tensor but an array, see `plain`: what is asked for as bools is a mask.
    """
    check_dtype(dtype, x)
    check_device(device)
    if dtype is not None and dtype_name(dtype) == "bool":
        if requires_grad:
            raise TypeError("bools carry no gradient; leave requires_grad out")
        is_traced = _core.is_traced(x)
        mask: Any = traced.nonzero(x) if is_traced else plain(_core.peek(x) != 0)
        return mask  # type: ignore[no-any-return]
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
        if _core.is_traced(data):
            raise TraceError(
                "tensor(x) of a value of a recorded function would be a constant; use "
                "x.clone(), or x.detach() to leave it out of the derivative"
            )
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
    elif isinstance(data, np.ndarray) and data.dtype == object:
        return tensor(
            data.tolist(), dtype=dtype, device=device, requires_grad=requires_grad
        )
    else:
        x = _core.from_array(_as_array(data))
    return finish(x, dtype, device, requires_grad)


def _as_array(data: Any) -> Any:
    """Let NumPy read nested lists; say what is wrong when it cannot."""
    try:
        return data if isinstance(data, np.ndarray) else np.asarray(data)
    except ValueError as error:
        if "inhomogeneous" in str(error):
            raise ShapeError(
                "nested lists must be rectangular: lists at one depth differ in length"
            ) from None
        raise


def _holds_tensor(data: Any) -> bool:
    """Whether nested lists hold a tensor; no recursion, and each list once."""
    waiting, seen = [data], {id(data)}
    while waiting:
        for item in waiting.pop():
            if isinstance(item, Tensor):
                return True
            if isinstance(item, (list, tuple)) and id(item) not in seen:
                seen.add(id(item))
                waiting.append(item)
    return False


def _stack_nested(data: Sequence[Any], depth: int = 1) -> Tensor:
    """Join nested lists of numbers and tensors, keeping gradients."""
    from autodiff.shape import stack

    if depth > MAX_AXES:
        raise ShapeError(
            f"lists are nested more than {MAX_AXES} deep, or in themselves"
        )
    parts = []
    for item in data:
        if isinstance(item, (list, tuple)):
            parts.append(
                _stack_nested(item, depth + 1) if item else _core.from_array([])
            )
        elif isinstance(item, Tensor):
            parts.append(item)
        else:
            parts.append(_core.from_array(item))
    shapes = {part.shape for part in parts}
    if len(shapes) > 1:
        found = " and ".join(str(tuple(shape)) for shape in sorted(shapes)[:2])
        raise ShapeError(
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


def sizes_of(given: Sequence[Any], named: Any = None) -> tuple[int, ...]:
    """Return the integers of ``f(2, 3)``, ``f((2, 3))``, ``f([2, 3])`` or a keyword."""
    if named is not None:
        given = (named,)
    if len(given) == 1 and not hasattr(given[0], "__index__"):
        given = given[0]
    try:
        return tuple(index(n) for n in given)
    except TypeError:
        raise TypeError(
            f"expected integers or a tuple of them, got {given!r}"
        ) from None


def _shape(given: Sequence[Any], named: Any = None) -> tuple[int, ...]:
    """Return a shape, checked."""
    shape = sizes_of(given, named)
    if any(n < 0 for n in shape):
        raise ShapeError(f"extents of a shape must not be negative, got {shape}")
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
    if _core.is_traced(fill_value):
        return _traced_full(_shape((size,)), fill_value, dtype, device)
    value = _core.item(_core.from_array(_core.values_of(fill_value)))
    array = np.full(_shape((size,)), value)
    return finish(_core.from_array(array, copy=False), dtype, device, requires_grad)


def _traced_full(
    shape: tuple[int, ...], value: Tensor, dtype: Any, device: Any
) -> Tensor:
    """Return `full` of a value of a recorded function, recorded."""
    one = _core.reshape(value, ())
    x = _core.follow_view(one, lambda v: np.broadcast_to(v, shape))
    return finish(x, dtype, device, False)


def zeros(*shape: Any, size: Any = None, **options: Any) -> Tensor:
    """Make a tensor of zeros; the shape as integers or as one tuple."""
    return full(_shape(shape, size), 0.0, **options)


def ones(*shape: Any, size: Any = None, **options: Any) -> Tensor:
    """Make a tensor of ones; the shape as integers or as one tuple."""
    return full(_shape(shape, size), 1.0, **options)


def empty(*shape: Any, size: Any = None, **options: Any) -> Tensor:
    """Make a tensor to be filled later; its elements are zeros."""
    return zeros(*shape, size=size, **options)


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make start, start + step, ... below `end`; one bound alone is the end.

    Raises
    ------
    ArgumentError
        When a bound is not finite, the step is 0, or its sign leads away from the end.
    """
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (float(_core.values_of(v)) for v in (start, end, step))
    if step == 0 or not math.isfinite(start + end + step):
        raise ArgumentError(
            f"arange needs finite bounds and a step that is not 0, got start={start}, "
            f"end={end}, step={step}"
        )
    if (end - start) * step < 0:
        raise ArgumentError(
            "upper bound and lower bound inconsistent with step sign: "
            f"start={start}, end={end}, step={step}"
        )
    array = np.arange(start, end, step, dtype=np.float64)
    return finish(_core.from_array(array, copy=False), dtype, device, requires_grad)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make `steps` evenly spaced values from start to end, both included."""
    if steps < 0:
        raise ArgumentError(f"number of steps must be non-negative, got {steps}")
    if _core.is_traced(start, end):
        part = np.linspace(0.0, 1.0, steps)
        x = _core.FUNCTIONS["where"](part == 1.0, end, start + (end - start) * part)
        return finish(x, dtype, device, False)
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
    rows, columns = _shape((n, n if m is None else m))
    array = np.eye(rows, columns)
    return finish(_core.from_array(array, copy=False), dtype, device, requires_grad)


def _random() -> Any:
    """Return the generator behind rand and randn."""
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def manual_seed(seed: int) -> None:
    """Restart `rand` and `randn` from `seed`; equal seeds give equal numbers."""
    global _generator
    _generator = np.random.default_rng(seed)


def LongTensor(data: Any) -> Tensor:  # noqa: N802 - PyTorch's word
    """Make a tensor of whole numbers; fractions are cut off."""
    return _core.FUNCTIONS["trunc"](tensor(data))


def rand(*shape: Any, size: Any = None, **options: Any) -> Tensor:
    """Make a tensor of numbers uniform in [0, 1)."""
    return tensor(_random().random(_shape(shape, size)), **options)


def randn(*shape: Any, size: Any = None, **options: Any) -> Tensor:
    """Make a tensor of standard normal numbers."""
    return tensor(_random().standard_normal(_shape(shape, size)), **options)


def _shape_like(input: Any) -> tuple[int, ...]:
    return np.shape(_core.peek(input))


def zeros_like(input: Any, **options: Any) -> Tensor:
    """Make zeros of the shape of the input."""
    return zeros(_shape_like(input), **options)


def ones_like(input: Any, **options: Any) -> Tensor:
    """Make ones of the shape of the input."""
    return ones(_shape_like(input), **options)


def empty_like(input: Any, **options: Any) -> Tensor:
    """Make a tensor of the shape of the input, to be filled; its elements are zeros."""
    return zeros(_shape_like(input), **options)


def full_like(input: Any, fill_value: Any, **options: Any) -> Tensor:
    """Make a tensor of the shape of the input, every element `fill_value`."""
    return full(_shape_like(input), fill_value, **options)


def rand_like(input: Any, **options: Any) -> Tensor:
    """Make numbers uniform in [0, 1), of the shape of the input."""
    return rand(_shape_like(input), **options)


def randn_like(input: Any, **options: Any) -> Tensor:
    """Make standard normal numbers of the shape of the input."""
    return randn(_shape_like(input), **options)


def randint(low: int, high: Any = None, size: Any = None, **options: Any) -> Tensor:
    """Make whole numbers from low to high - 1, or below the first number alone."""
    if size is None:  # randint(high, size)
        low, high, size = 0, low, high
    if not low < high:
        raise ArgumentError(f"randint needs low < high, got {low} and {high}")
    values = _random().integers(low, high, _shape((size,)))
    return tensor(values.astype(np.float64), **options)


def randperm(n: int, **options: Any) -> Tensor:
    """Make a random order of 0 .. n - 1."""
    return tensor(_random().permutation(n).astype(np.float64), **options)


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, **options: Any) -> Tensor:
    """Make normal numbers, of a mean and a deviation for each or of a size."""
    mean, std = (np.asarray(_core.values_of(v)) for v in (mean, std))
    if std.size and not (std >= 0).all():
        raise ArgumentError(f"normal expects std >= 0, got {std.min():g}")
    shape = np.broadcast_shapes(mean.shape, std.shape) if size is None else size
    values = mean + std * _random().standard_normal(_shape((shape,)))
    return tensor(values, **options)


def bernoulli(input: Any) -> Tensor:
    """Make 1 with the probabilities of the input, else 0."""
    p = np.asarray(_core.values_of(input))
    if not ((p >= 0) & (p <= 1)).all():
        raise ArgumentError("bernoulli expects probabilities in [0, 1]")
    return tensor((_random().random(p.shape) < p) * 1.0)


def multinomial(input: Any, num_samples: int, replacement: bool = False) -> Tensor:
    """Draw positions along the last axis by weight, as whole numbers."""
    weights = np.asarray(_core.values_of(input), dtype=np.float64)
    rows = weights.reshape(-1, weights.shape[-1]) if weights.ndim else weights
    if weights.ndim not in (1, 2) or not (rows >= 0).all() or not rows.any(1).all():
        raise ArgumentError(
            "multinomial takes one or several rows of weights, not negative and not "
            "all 0"
        )
    most = int((rows > 0).sum(1).min(initial=rows.shape[1]))
    if not replacement and num_samples > most:
        raise ArgumentError(
            f"multinomial: {num_samples} different positions of {most} with a weight"
        )
    drawn = [
        _random().choice(len(row), num_samples, replacement, row / row.sum())
        for row in rows
    ]
    shape = (*weights.shape[:-1], num_samples)
    return tensor(np.asarray(drawn, dtype=np.float64).reshape(shape))
