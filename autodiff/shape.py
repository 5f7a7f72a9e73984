"""Changing the shape and order of elements: views, joins, splits, indexing.

Every function takes a tensor (or what `as_tensor` makes one of) and returns a new
tensor whose elements are x's; nothing here changes x. NumPy says what a view shows;
the core copies the elements, so a result never shares memory with x, except for
`reshape` and its kin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ShapeError

# ---- Shape ---------------------------------------------------------------------------


def _sizes(size: tuple[Any, ...]) -> tuple[int, ...]:
    """(2, 3) from f(2, 3), f((2, 3)) or f([2, 3])."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    return tuple(int(n.__index__()) for n in size)


def reshape(x: Any, *shape: Any) -> Tensor:
    """Return x with its elements in another shape; one extent may be -1."""
    x = as_tensor(x)
    wanted = _sizes(shape)
    n, known = _core.size_of(x), 1
    for extent in wanted:
        known *= extent if extent != -1 else 1
    if wanted.count(-1) == 1 and known > 0 and n % known == 0:
        wanted = tuple(n // known if extent == -1 else extent for extent in wanted)
        known = n
    if known != n or any(extent < 0 for extent in wanted):
        raise ShapeError(
            f"shape '{list(_sizes(shape))}' is invalid for input of size {n} "
            f"(shape {tuple(x.shape)})"
        )
    return _core.reshape(x, wanted)


def view(x: Any, *shape: Any) -> Tensor:
    """Return ``reshape(x, *shape)``: tensors are contiguous."""
    return reshape(x, *shape)


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return x with the axes from start_dim to end_dim made one."""
    x = as_tensor(x)
    shape = tuple(x.shape)
    if not shape:
        return _core.reshape(x, (1,))
    first, last = start_dim % len(shape), end_dim % len(shape)
    if first > last:
        raise ShapeError("flatten() has invalid args: start_dim cannot come after end_dim")
    middle = int(np.prod(shape[first : last + 1]))
    return _core.reshape(x, (*shape[:first], middle, *shape[last + 1 :]))


def ravel(x: Any) -> Tensor:
    """Return the elements of x along one axis."""
    x = as_tensor(x)
    return _core.reshape(x, (_core.size_of(x),))


def squeeze(x: Any, dim: Any = None) -> Tensor:
    """Return x without its axes of extent 1, or without those of `dim` that are."""
    x = as_tensor(x)
    shape = tuple(x.shape)
    dims = range(len(shape)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    gone = {_axis(d, len(shape)) for d in dims} if shape else set()
    kept = tuple(n for i, n in enumerate(shape) if not (i in gone and n == 1))
    return _core.reshape(x, kept)


def unsqueeze(x: Any, dim: int) -> Tensor:
    """Return x with an axis of extent 1 put in at `dim`."""
    x = as_tensor(x)
    shape = tuple(x.shape)
    at = _axis(dim, len(shape) + 1)
    return _core.reshape(x, (*shape[:at], 1, *shape[at:]))


def _axis(dim: int, ndim: int) -> int:
    """A checked axis, counted from the front."""
    if not -ndim <= dim < ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], "
            f"but got {dim})"
        )
    return dim % ndim


# ---- Views -----------------------------------------------------------------------------


def expand(x: Any, *sizes: Any) -> Tensor:
    """Return x repeated along its axes of extent 1; -1 keeps an extent."""
    x = as_tensor(x)
    wanted, shape = _sizes(sizes), tuple(x.shape)
    if len(wanted) < len(shape):
        raise ShapeError(f"expand: {wanted} has fewer axes than the tensor's {shape}")
    padded = (1,) * (len(wanted) - len(shape)) + shape
    full = tuple(p if w == -1 else w for w, p in zip(wanted, padded, strict=True))
    return broadcast_to(x, full)


def broadcast_to(x: Any, shape: Any) -> Tensor:
    """Return x repeated to `shape` by NumPy's rule."""
    x = as_tensor(x)
    try:
        return _core.follow_view(x, lambda v: np.broadcast_to(v, tuple(shape)))
    except ValueError:
        raise ShapeError(
            f"shape {tuple(x.shape)} does not broadcast to {tuple(shape)}"
        ) from None


def permute(x: Any, *dims: Any) -> Tensor:
    """Return x with its axes in the order `dims`."""
    x, order = as_tensor(x), _sizes(dims)
    if sorted(_axis(d, max(x.ndim, 1)) for d in order) != list(range(x.ndim)):
        raise ShapeError(
            f"permute: {order} must name each of the {x.ndim} axes exactly once"
        )
    return _core.follow_view(x, lambda v: v.transpose(order))


def transpose(x: Any, dim0: Any = None, dim1: int | None = None) -> Tensor:
    """Return x with two axes swapped; without dims all axes reversed, as NumPy."""
    x = as_tensor(x)
    if dim1 is None:
        return _core.follow_view(x, lambda v: v.transpose(dim0))
    return swapaxes(x, dim0, dim1)


def swapaxes(x: Any, axis0: int, axis1: int) -> Tensor:
    """Return x with two axes swapped."""
    x = as_tensor(x)
    if x.ndim == 0:
        return _core.reshape(x, ())
    a, b = _axis(axis0, x.ndim), _axis(axis1, x.ndim)
    return _core.follow_view(x, lambda v: v.swapaxes(a, b))


def t(x: Any) -> Tensor:
    """Return the transpose of a matrix; vectors and scalars as they are."""
    x = as_tensor(x)
    if x.ndim > 2:
        raise ShapeError(f"t() expects a tensor with at most 2 axes, got {x.ndim}")
    return _core.follow_view(x, lambda v: v.T)


def movedim(x: Any, source: Any, destination: Any) -> Tensor:
    """Return x with axes moved from source to destination."""
    return _core.follow_view(
        as_tensor(x), lambda v: np.moveaxis(v, source, destination)
    )


def flip(x: Any, *dims: Any) -> Tensor:
    """Return x with the order along `dims` reversed; all axes if none is given."""
    x = as_tensor(x)
    axes = tuple(_axis(d, x.ndim) for d in _sizes(dims)) if dims else None
    return _core.follow_view(x, lambda v: np.flip(v, axes))


def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return the diagonal of the axes dim1 and dim2 as the last axis."""
    return _core.follow_view(
        as_tensor(x), lambda v: np.diagonal(v, offset, dim1, dim2)
    )


def narrow(x: Any, dim: int, start: int, length: int) -> Tensor:
    """Return `length` elements of x along `dim` from `start` on."""
    x = as_tensor(x)
    key = (slice(None),) * _axis(dim, x.ndim) + (slice(start, start + length),)
    return _core.get_item(x, key)


# ---- By position ---------------------------------------------------------------------------


def _positions(x: Tensor) -> np.ndarray[Any, Any]:
    """Flat positions of the elements of x, in its shape."""
    return np.arange(_core.size_of(x)).reshape(tuple(x.shape))


def roll(x: Any, shifts: Any, dims: Any = None) -> Tensor:
    """Return x with elements moved round by `shifts` along `dims`."""
    x = as_tensor(x)
    return _core.gather(x, np.roll(_positions(x), shifts, dims))


def repeat(x: Any, *sizes: Any) -> Tensor:
    """Return x laid side by side `sizes` times along each axis (PyTorch's repeat)."""
    x, reps = as_tensor(x), _sizes(sizes)
    if len(reps) < x.ndim:
        raise ShapeError(
            f"Number of dimensions of repeat dims {reps} can not be smaller than number "
            f"of dimensions of tensor {tuple(x.shape)}"
        )
    return _core.gather(x, np.tile(_positions(x), reps))


def tile(x: Any, *dims: Any) -> Tensor:
    """Return x laid side by side; missing leading factors are 1 (NumPy's tile)."""
    x = as_tensor(x)
    return _core.gather(x, np.tile(_positions(x), _sizes(dims)))


def repeat_interleave(x: Any, repeats: int, dim: int | None = None) -> Tensor:
    """Return x with each element repeated in place (NumPy's repeat)."""
    x = as_tensor(x)
    return _core.gather(x, np.repeat(_positions(x), repeats, dim))


def take(x: Any, index: Any, axis: int | None = None) -> Tensor:
    """Return the elements of x at flat positions, or slices at `index` along `axis`."""
    x = as_tensor(x)
    return _core.gather(x, np.asarray(np.take(_positions(x), _integers(index), axis)))


def index_select(x: Any, dim: int, index: Any) -> Tensor:
    """Return the slices of x at `index` along `dim`."""
    return take(x, index, dim)


def take_along_dim(x: Any, index: Any, dim: int) -> Tensor:
    """Return the elements of x at `index` along `dim`, as NumPy's take_along_axis."""
    x = as_tensor(x)
    return _core.gather(x, np.take_along_axis(_positions(x), _integers(index), dim))


def gather(x: Any, dim: int, index: Any) -> Tensor:
    """Return x[i, index[i, j]] for dim=1 and so on (PyTorch's gather)."""
    x, at = as_tensor(x), _integers(index)
    if at.ndim != x.ndim:
        raise ShapeError(
            f"gather: index must have as many axes as the tensor, got {at.ndim} and "
            f"{x.ndim}"
        )
    if x.ndim == 0:
        return _core.gather(x, at)
    axis = _axis(dim, x.ndim)
    if at.size and not (0 <= at.min() and at.max() < x.shape[axis]):
        raise IndexError(
            f"gather: index out of bounds for dimension {axis} with size {x.shape[axis]}"
        )
    grid = list(np.indices(at.shape, sparse=True))
    grid[axis] = at
    return _core.gather(x, _positions(x)[tuple(grid)])


def _integers(index: Any) -> np.ndarray[Any, Any]:
    """An index as an integer array; tensors of whole numbers will do."""
    array = np.asarray(_core.values_of(index))
    if array.dtype.kind == "f" and np.array_equal(array, np.trunc(array)):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"an index must hold integers, got dtype {array.dtype}")
    return array


def diag(x: Any, diagonal: int = 0) -> Tensor:
    """Return the matrix with a vector on its diagonal, or a matrix's diagonal."""
    x = as_tensor(x)
    if x.ndim == 2:
        return _core.follow_view(x, lambda v: np.diagonal(v, diagonal))
    if x.ndim != 1:
        raise ShapeError(f"diag() expects 1 or 2 axes, got {x.ndim}")
    n = x.shape[0] + abs(diagonal)
    at = np.full((n, n), -1)
    rows = np.arange(x.shape[0])
    at[rows + max(-diagonal, 0), rows + max(diagonal, 0)] = rows
    return _core.gather(x, at)


def triu(x: Any, diagonal: int = 0) -> Tensor:
    """Return x with zeros below a diagonal."""
    x = as_tensor(x)
    return _core.gather(x, np.where(np.triu(np.ones(x.shape), diagonal), _positions(x), -1))


def tril(x: Any, diagonal: int = 0) -> Tensor:
    """Return x with zeros above a diagonal."""
    x = as_tensor(x)
    return _core.gather(x, np.where(np.tril(np.ones(x.shape), diagonal), _positions(x), -1))


def pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Return x with elements put around it (PyTorch's pad).

    `pad` lists (before, after) from the last axis on; mode is "constant", "reflect",
    "replicate" or "circular".
    """
    x = as_tensor(x)
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ShapeError(
            f"pad needs pairs (before, after), at most one for each of {x.ndim} axes, "
            f"got {list(pad)}"
        )
    widths = [(0, 0)] * x.ndim
    for i in range(len(pad) // 2):
        widths[x.ndim - 1 - i] = (pad[2 * i], pad[2 * i + 1])
    return pad_axes(x, widths, mode, value)


def pad_axes(x: Tensor, widths: Any, mode: str = "constant", value: float = 0.0) -> Tensor:
    """Return x padded by (before, after) for each axis; negative widths cut."""
    modes = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "edge": "edge"}
    at = _positions(x)
    cut = tuple(
        slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(widths, at.shape, strict=True)
    )
    grow = [(max(a, 0), max(b, 0)) for a, b in widths]
    if mode != "constant":
        if mode not in modes:
            raise ValueError(
                f"unknown padding mode {mode!r}; known: constant, {', '.join(modes)}"
            )
        return _core.gather(x, np.pad(at[cut], grow, mode=modes[mode]))  # type: ignore[call-overload]
    at = np.pad(at[cut], grow, constant_values=-1)
    padded = _core.gather(x, at)
    if value == 0:
        return padded
    return padded + np.where(at < 0, float(value), 0.0)


# ---- Joining and splitting ---------------------------------------------------------------------


def cat(tensors: Sequence[Any], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Return tensors joined along `dim`, an axis that they have."""
    parts = [as_tensor(x) for x in tensors]
    if not parts:
        raise ValueError("cat(): expected a non-empty list of Tensors")
    for i, part in enumerate(parts):
        if part.ndim == 0:
            raise ShapeError(
                f"zero-dimensional tensor (at position {i}) cannot be concatenated; "
                "use stack()"
            )
    filled = [p for p in parts if p.ndim != 1 or p.shape[0] > 0] or parts[:1]
    return _core.cat(filled, _axis(dim if axis is None else axis, filled[0].ndim))


concat = concatenate = cat


def stack(tensors: Sequence[Any], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Return tensors of one shape joined along a new axis."""
    parts = [as_tensor(x) for x in tensors]
    if not parts:
        raise ValueError("stack expects a non-empty list of Tensors")
    first = parts[0].shape
    for i, part in enumerate(parts):
        if part.shape != first:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {tuple(first)} at "
                f"entry 0 and {tuple(part.shape)} at entry {i}"
            )
    at = _axis(dim if axis is None else axis, len(first) + 1)
    shape = (*first[:at], 1, *first[at:])
    return _core.cat([_core.reshape(x, shape) for x in parts], at)


def hstack(tensors: Sequence[Any]) -> Tensor:
    """Return tensors joined along the second axis, or the first of vectors."""
    parts = [x if x.ndim else _core.reshape(x, (1,)) for x in map(as_tensor, tensors)]
    return cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Tensor:
    """Return tensors joined along the first axis, vectors as rows."""
    return cat([x if x.ndim > 1 else reshape(x, 1, -1) for x in map(as_tensor, tensors)])


def split(x: Any, size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return pieces of `size` (the last may be smaller), or of the sizes listed."""
    x = as_tensor(x)
    axis = _axis(dim, x.ndim)
    n = x.shape[axis]
    if isinstance(size, int):
        if size <= 0:
            raise ValueError(f"split needs a size above 0, got {size}")
        sizes = [min(size, n - i) for i in range(0, n, size)] or [0]
    else:
        sizes = list(size)
        if sum(sizes) != n:
            raise ShapeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input "
                f"tensor's size at dimension {axis}), but got {sizes}"
            )
    edges = np.cumsum([0, *sizes])
    return tuple(
        narrow(x, axis, int(a), int(b - a))
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    )


def chunk(x: Any, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most `chunks` pieces of equal size, the last maybe smaller."""
    x = as_tensor(x)
    if chunks <= 0:
        raise ValueError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    return split(x, max(-(-x.shape[_axis(dim, x.ndim)] // chunks), 1), dim)


def unbind(x: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the slices of x along `dim`."""
    x = as_tensor(x)
    key = (slice(None),) * _axis(dim, x.ndim)
    return tuple(_core.get_item(x, (*key, i)) for i in range(x.shape[dim]))


# ---- Indexing ---------------------------------------------------------------------------------


def _plain_key(key: Any) -> Any:
    """The key with tensors and lists made arrays; says whether it is a view's."""
    is_tuple = isinstance(key, tuple)
    parts = list(key) if is_tuple else [key]
    is_basic = True
    for i, part in enumerate(parts):
        if isinstance(part, (Tensor, list, np.ndarray)) or isinstance(part, (bool, np.bool_)):
            array = np.asarray(_core.values_of(part) if isinstance(part, Tensor) else part)
            if array.size == 0 and array.dtype.kind == "f":
                array = array.astype(np.int64)
            parts[i] = array if array.dtype.kind == "b" else _integers(array)
            is_basic = False
        elif not (
            part is None
            or part is Ellipsis
            or isinstance(part, slice)
            or hasattr(part, "__index__")
        ):
            raise TypeError(
                f"a tensor is indexed by integers, slices, ..., None, integer arrays and "
                f"boolean masks, not by {part!r}"
            )
    return (tuple(parts) if is_tuple else parts[0]), is_basic


def get_item(x: Tensor, key: Any) -> Tensor:
    """Return x[key]: a copy, with a gradient."""
    if type(key) is int:
        return _core.get_item(x, key)
    key, is_basic = _plain_key(key)
    if is_basic:
        return _core.get_item(x, key)
    return _core.gather(x, np.asarray(_positions(x)[key]))


def set_item(x: Tensor, key: Any, value: Any) -> None:
    """x[key] = value, recorded: x changes in place and its history with it."""
    key, _ = _plain_key(key)
    at = np.asarray(_positions(x)[key])
    value = as_tensor(value)
    while value.ndim > at.ndim and value.shape[0] == 1:
        value = _core.reshape(value, tuple(value.shape[1:]))
    if value.shape != at.shape:
        value = broadcast_to(value, at.shape)
    flat = at.ravel()
    if flat.size > 1:  # where a position comes twice the last value stands
        last = np.unique(flat[::-1], return_index=True)[1]
        if last.size < flat.size:
            keep = np.sort(flat.size - 1 - last)
            value, flat = _core.gather(value, keep), flat[keep]
    _core.put_inplace(x, flat, value)
