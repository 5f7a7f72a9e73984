"""Changing the shape and order of elements: views, joins, splits.

Every function takes a tensor (or what `as_tensor` makes one of) and returns a new
tensor whose elements are those of its input, which stays as it is. NumPy says what a
view shows; the core copies the elements, so a result never shares memory with its
input, except for `reshape` and its kin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import as_tensor, sizes_of
from autodiff.errors import ShapeError

# ---- Axes ----------------------------------------------------------------------------


def axis_of(dim: Any, ndim: int) -> int:
    """Return a checked axis, counted from the front; a 0-d tensor takes 0 and -1."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"an axis must be an integer, got {dim!r}")
    n, axis = max(ndim, 1), index(dim)
    if not -n <= axis < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but "
            f"got {axis})"
        )
    return axis % n


def axes_of(dims: Sequence[Any], ndim: int) -> tuple[int, ...]:
    """Return checked axes, each named once."""
    axes = tuple(axis_of(dim, ndim) for dim in dims)
    for axis in axes:
        if axes.count(axis) > 1:
            raise ShapeError(f"dim {axis} appears multiple times in the list of dims")
    return axes


# ---- Shape ---------------------------------------------------------------------------


def reshape(input: Any, *sizes: Any, shape: Any = None) -> Tensor:
    """Return the elements in another shape; one extent may be -1.

    Raises
    ------
    ShapeError
        When the number of elements differs, or more than one extent is -1.
    """
    x, wanted = as_tensor(input), sizes_of(sizes, shape)
    n = _core.size_of(x)
    known = math.prod(extent for extent in wanted if extent != -1)
    full = wanted
    if wanted.count(-1) == 1 and known > 0 and n % known == 0:
        full = tuple(n // known if extent == -1 else extent for extent in wanted)
    if any(extent < 0 for extent in full) or math.prod(full) != n:
        raise ShapeError(
            f"shape '{list(wanted)}' is invalid for input of size {n} (shape {x.shape})"
        )
    return _core.reshape(x, full)


def view(input: Any, *sizes: Any, shape: Any = None) -> Tensor:
    """Return ``reshape(input, *sizes)``: tensors are contiguous."""
    return reshape(input, *sizes, shape=shape)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return the tensor with the axes from start_dim to end_dim made one."""
    x = as_tensor(input)
    first, last = axis_of(start_dim, x.ndim), axis_of(end_dim, x.ndim)
    if first > last:
        raise ShapeError(
            "flatten() has invalid args: start_dim cannot come after end_dim"
        )
    middle = math.prod(x.shape[first : last + 1])
    return _core.reshape(x, (*x.shape[:first], middle, *x.shape[last + 1 :]))


def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Tensor:
    """Return the tensor with one axis made several; one of `sizes` may be -1."""
    x = as_tensor(input)
    axis = axis_of(dim, x.ndim)
    known = math.prod(n for n in sizes if n != -1)
    parts = [x.shape[axis] // max(known, 1) if n == -1 else n for n in sizes]
    return reshape(x, (*x.shape[:axis], *parts, *x.shape[axis + 1 :]))


def ravel(input: Any) -> Tensor:
    """Return the elements along one axis."""
    x = as_tensor(input)
    return _core.reshape(x, (_core.size_of(x),))


def squeeze(input: Any, dim: Any = None) -> Tensor:
    """Return the tensor without its axes of extent 1, or without those of `dim`."""
    x = as_tensor(input)
    dims = range(x.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    gone = axes_of(dims, x.ndim)
    kept = tuple(n for i, n in enumerate(x.shape) if i not in gone or n != 1)
    return _core.reshape(x, kept)


def unsqueeze(input: Any, dim: int) -> Tensor:
    """Return the tensor with an axis of extent 1 put in at `dim`."""
    x = as_tensor(input)
    at = axis_of(dim, x.ndim + 1)
    return _core.reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


# ---- Views ---------------------------------------------------------------------------


def _part(x: Tensor, show: Callable[[Any], Any]) -> Tensor:
    """Return what a view of NumPy's shows, noted as a copy of it."""
    return _core.as_part(_core.follow_view(x, show))


def expand(input: Any, *sizes: Any, size: Any = None) -> Tensor:
    """Return the tensor repeated along axes of extent 1; -1 keeps an extent."""
    x, wanted = as_tensor(input), sizes_of(sizes, size)
    extra = len(wanted) - x.ndim
    if extra < 0 or any(n < 0 for n in wanted[:extra]):
        raise ShapeError(
            f"expand: sizes {wanted} do not fit a tensor of shape {x.shape}; there "
            "must be one for each axis, and -1 only where there is one already"
        )
    kept = zip(wanted[extra:], x.shape, strict=True)
    return broadcast_to(x, (*wanted[:extra], *(n if w == -1 else w for w, n in kept)))


def broadcast_to(input: Any, size: Any) -> Tensor:
    """Return the tensor repeated to a shape by NumPy's rule."""
    x, shape = as_tensor(input), sizes_of((size,))
    try:
        return _part(x, lambda v: np.broadcast_to(v, shape))
    except ValueError:
        raise ShapeError(f"shape {x.shape} does not broadcast to {shape}") from None


def permute(input: Any, *order: Any, dims: Any = None) -> Tensor:
    """Return the tensor with its axes in another order; each is named once."""
    x, wanted = as_tensor(input), sizes_of(order, dims)
    if len(wanted) != x.ndim:
        raise ShapeError(f"permute: {wanted} must name each of the {x.ndim} axes once")
    axes = axes_of(wanted, x.ndim)
    return _part(x, lambda v: v.transpose(axes))


def transpose(input: Any, dim0: Any = None, dim1: int | None = None) -> Tensor:
    """Return the tensor with two axes swapped; without dim1 as NumPy's transpose."""
    x = as_tensor(input)
    if dim1 is not None:
        return swapaxes(x, dim0, dim1)
    return permute(x, range(x.ndim)[::-1] if dim0 is None else dim0)


def swapaxes(input: Any, axis0: int, axis1: int) -> Tensor:
    """Return the tensor with two axes swapped."""
    x = as_tensor(input)
    a, b = axis_of(axis0, x.ndim), axis_of(axis1, x.ndim)
    return _part(x, lambda v: v.swapaxes(a, b) if v.ndim else v)


swapdims = swapaxes


def t(input: Any) -> Tensor:
    """Return the transpose of a matrix; vectors and scalars as they are."""
    x = as_tensor(input)
    if x.ndim > 2:
        raise ShapeError(
            f"t() expects a tensor with <= 2 dimensions, but it is {x.ndim}D"
        )
    return _part(x, lambda v: v.T)


def movedim(input: Any, source: Any, destination: Any) -> Tensor:
    """Return the tensor with axes moved from source to destination."""
    x = as_tensor(input)
    start, end = (
        axes_of(dims if isinstance(dims, (tuple, list)) else (dims,), x.ndim)
        for dims in (source, destination)
    )
    if len(start) != len(end):
        raise ShapeError(
            f"movedim: source {source} and destination {destination} must name equally "
            "many axes"
        )
    return _part(x, lambda v: np.moveaxis(v, start, end) if v.ndim else v)


moveaxis = movedim


def flip(input: Any, *axes: Any, dims: Any = None) -> Tensor:
    """Return the tensor in reverse order along axes; along all if none is given."""
    x = as_tensor(input)
    given = axes_of(sizes_of(axes, dims), x.ndim)
    along = given if axes or dims is not None else range(x.ndim)
    return _core.follow_view(x, lambda v: np.flip(v, tuple(along)) if v.ndim else v)


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return the diagonal of the axes dim1 and dim2 as the last axis."""
    x = as_tensor(input)
    a, b = axis_of(dim1, x.ndim), axis_of(dim2, x.ndim)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _part(x, lambda v: np.diagonal(v, offset, a, b))


def narrow(input: Any, dim: int, start: int, length: int) -> Tensor:
    """Return `length` elements along `dim` from `start` on."""
    x = as_tensor(input)
    axis = axis_of(dim, x.ndim)
    if x.ndim == 0:
        raise ShapeError("narrow() cannot be applied to a 0-dim tensor.")
    n = x.shape[axis]
    first = start + n if start < 0 else start
    if not 0 <= first <= n:
        raise IndexError(f"start out of range (expected [{-n}, {n}], but got {start})")
    if length < 0 or first + length > n:
        raise ShapeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({n})."
        )
    shape = tuple(x.shape)
    steps = _steps(shape)
    sizes = (*shape[:axis], length, *shape[axis + 1 :])
    start = first * steps[axis] if length else 0
    return _core.as_part(_core.strided(x, sizes, steps, start))


def _steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return how many elements apart neighbours along each axis are."""
    steps = [1]
    for n in reversed(shape[1:]):
        steps.append(steps[-1] * n)
    return tuple(reversed(steps))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return vectors spread over a grid, each along its axis.

    With indexing="xy" the first two axes are swapped, as NumPy's.
    """
    given = (
        tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list) else tensors
    )
    parts = [ravel(x) for x in given]
    if indexing not in ("ij", "xy"):
        raise ShapeError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    grid = tuple(x.shape[0] for x in parts)
    spread = tuple(
        broadcast_to(reshape(x, [-1 if i == k else 1 for i in range(len(grid))]), grid)
        for k, x in enumerate(parts)
    )
    if indexing == "ij" or len(grid) < 2:
        return spread
    return tuple(swapaxes(x, 0, 1) for x in spread)


def select(input: Any, dim: int, index: int) -> Tensor:
    """Return the slice at one index of an axis, which goes away."""
    x = as_tensor(input)
    return _core.get_item(x, (*[slice(None)] * axis_of(dim, x.ndim), index))


# ---- Joining and splitting -----------------------------------------------------------


def cat(tensors: Sequence[Any], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Return tensors joined along `dim`, an axis that they have.

    Raises
    ------
    ShapeError
        When the tensors differ along another axis, or one is 0-d.
    """
    parts = [as_tensor(x) for x in tensors]
    if not parts:
        raise ValueError("cat(): expected a non-empty list of Tensors")
    for i, part in enumerate(parts):
        if part.ndim == 0:
            raise ShapeError(
                f"zero-dimensional tensor (at position {i}) cannot be concatenated; "
                "use stack()"
            )
    filled = [part for part in parts if part.shape != (0,)] or parts[:1]
    return _core.cat(filled, axis_of(dim if axis is None else axis, filled[0].ndim))


concat = concatenate = cat


def stack(tensors: Sequence[Any], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Return tensors of one shape joined along a new axis."""
    parts = [as_tensor(x) for x in tensors]
    if not parts:
        raise ShapeError("stack expects a non-empty list of Tensors")
    first = parts[0].shape
    for i, part in enumerate(parts):
        if part.shape != first:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {first} at entry "
                f"0 and {part.shape} at entry {i}"
            )
    at = axis_of(dim if axis is None else axis, len(first) + 1)
    shape = (*first[:at], 1, *first[at:])
    return _core.cat([_core.reshape(x, shape) for x in parts], at)


def hstack(tensors: Sequence[Any]) -> Tensor:
    """Return tensors joined along the second axis, or the first of vectors."""
    parts = [x if x.ndim else ravel(x) for x in map(as_tensor, tensors)]
    return cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Tensor:
    """Return tensors joined along the first axis, vectors as rows."""
    parts = map(as_tensor, tensors)
    return cat([x if x.ndim > 1 else unsqueeze(ravel(x), 0) for x in parts])


def split(input: Any, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return pieces of one size (the last may be smaller), or of the sizes listed."""
    x = as_tensor(input)
    if x.ndim == 0:
        raise ShapeError("split expects at least a 1-dimensional tensor")
    axis = axis_of(dim, x.ndim)
    n = x.shape[axis]
    if hasattr(split_size, "__index__"):
        size = index(split_size)
        if size < 0 or (size == 0 and n > 0):
            raise ShapeError(f"split expects split_size be positive, but got {size}")
        sizes = [min(size, n - i) for i in range(0, n, size or 1)] or [0]
    else:
        sizes = [index(size) for size in split_size]
        if sum(sizes) != n:
            raise ShapeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input "
                f"tensor's size at dimension {axis}), but got split_sizes={sizes}"
            )
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(x, axis, a, n) for a, n in zip(starts, sizes, strict=True))


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most `chunks` pieces of equal size, the last maybe smaller."""
    x = as_tensor(input)
    if chunks <= 0:
        raise ShapeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if x.ndim == 0:
        raise ShapeError("chunk expects at least a 1-dimensional tensor")
    n = x.shape[axis_of(dim, x.ndim)]
    return split(x, -(-n // chunks) if n else [0] * chunks, dim)


def unbind(input: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the slices along `dim`, one for each index."""
    x = as_tensor(input)
    axis = axis_of(dim, x.ndim)
    if x.ndim == 0:
        raise IndexError("unbind: a 0-d tensor has no axis to take apart")
    before = (slice(None),) * axis
    return tuple(_core.get_item(x, (*before, i)) for i in range(x.shape[axis]))
