"""Elements by position: indexing, gathering, repeating, padding.

NumPy does the index arithmetic on an array of flat positions; the core then gathers
the elements at the positions that come out, -1 standing for a zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import _core, functions, traced
from autodiff._core import Tensor
from autodiff.creation import as_tensor, sizes_of
from autodiff.errors import ShapeError, TraceError
from autodiff.shape import axis_of, broadcast_to, diagonal

Positions = np.ndarray[Any, Any]


def _positions(x: Tensor) -> Positions:
    """Flat positions of the elements of x, in its shape."""
    return np.arange(_core.size_of(x)).reshape(x.shape)


def _integers(index: Any) -> Positions:
    """Return an index as an integer array; tensors of whole numbers will do."""
    array = np.asarray(traced.pinned(index))
    if isinstance(index, Tensor) or array.size == 0:
        whole = array.astype(np.int64)
        if np.array_equal(whole, array):
            return whole
    if array.dtype.kind not in "iu":
        raise IndexError(f"an index must hold integers, got dtype {array.dtype}")
    return array


# ---- Repeating -----------------------------------------------------------------------


def roll(input: Any, shifts: Any, dims: Any = None) -> Tensor:
    """Return the tensor with elements moved round by `shifts` along `dims`."""
    x = as_tensor(input)
    return _core.gather(x, np.roll(_positions(x), shifts, dims))


def _tiled(x: Tensor, factors: tuple[int, ...]) -> Tensor:
    if any(n < 0 for n in factors):
        raise ShapeError(f"factors of repetition must not be negative, got {factors}")
    return _core.gather(x, np.tile(_positions(x), factors))


def repeat(input: Any, *repeats: Any) -> Tensor:
    """Return copies side by side, so many along each axis (not NumPy's repeat)."""
    x, factors = as_tensor(input), sizes_of(repeats)
    if len(factors) < x.ndim:
        raise ShapeError(
            f"Number of dimensions of repeat dims {factors} can not be smaller than "
            f"number of dimensions of tensor {x.shape}"
        )
    return _tiled(x, factors)


def tile(input: Any, *reps: Any, dims: Any = None) -> Tensor:
    """Return copies side by side; leading factors that are missing are 1."""
    return _tiled(as_tensor(input), sizes_of(reps, dims))


def repeat_interleave(input: Any, repeats: Any, dim: int | None = None) -> Tensor:
    """Return the tensor with each element repeated in place (NumPy's repeat)."""
    x = as_tensor(input)
    axis = None if dim is None else axis_of(dim, x.ndim)
    return _core.gather(x, np.repeat(_positions(x), _integers(repeats), axis))


# ---- Gathering -----------------------------------------------------------------------


def take(input: Any, index: Any, axis: int | None = None) -> Tensor:
    """Return the elements at flat positions, or the slices at `index` along `axis`."""
    x, at = as_tensor(input), _integers(index)
    axis = None if axis is None else axis_of(axis, x.ndim)
    return _core.gather(x, np.asarray(np.take(_positions(x), at, axis)))


def index_select(input: Any, dim: int, index: Any) -> Tensor:
    """Return the slices at the indices of a vector along `dim`."""
    at = _integers(index)
    if at.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if at.size and at.min() < 0:
        raise IndexError("index_select(): an index must not be negative")
    return take(input, np.atleast_1d(at), dim)


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Tensor:
    """Return the elements at `indices` along `dim`, as NumPy's take_along_axis."""
    x, at = as_tensor(input), _integers(indices)
    if dim is None:
        return take(x, at.ravel())
    return _core.gather(x, np.take_along_axis(_positions(x), at, axis_of(dim, x.ndim)))


def take_at(x: Tensor, at: Positions, axis: int) -> Tensor:
    """Return x[i, at[i, j]] for axis 1 and so on; `at` in range."""
    if x.ndim == 0:
        return _core.gather(x, at)
    grid: list[Any] = list(np.indices(at.shape, sparse=True))
    grid[axis] = at
    return _core.gather(x, _positions(x)[tuple(grid)])


def gather(input: Any, dim: int, index: Any) -> Tensor:
    """Return input[i, index[i, j]] for dim=1 and so on (PyTorch's gather).

    Raises
    ------
    ShapeError
        When index has another number of axes than the tensor.
    IndexError
        When an index is out of range; negative ones are.
    """
    x, at = as_tensor(input), _integers(index)
    axis = axis_of(dim, x.ndim)
    if max(at.ndim, 1) != max(x.ndim, 1):
        raise ShapeError(
            "gather: index must have the same number of dimensions as the input, got "
            f"{at.ndim} and {x.ndim}"
        )
    n = x.shape[axis] if x.ndim else 1
    if at.size and not (at.min() >= 0 and at.max() < n):
        raise IndexError(
            f"gather: index out of bounds for dimension {axis} with size {n}"
        )
    return take_at(x, at, axis)


def masked_select(input: Any, mask: Any) -> Tensor:
    """Return the elements where mask holds, along one axis."""
    x, chosen = as_tensor(input), np.asarray(traced.pinned(mask), dtype=bool)
    shape = np.broadcast_shapes(x.shape, chosen.shape)
    positions = np.broadcast_to(_positions(x), shape)
    return _core.gather(x, positions[np.broadcast_to(chosen, shape)])


# ---- Diagonals and borders -----------------------------------------------------------


def diag(input: Any, diagonal: int = 0) -> Tensor:
    """Return the matrix with a vector on its diagonal, or a matrix's diagonal."""
    x = as_tensor(input)
    if x.ndim == 2:
        return _matrix_diagonal(x, diagonal)
    if x.ndim != 1:
        raise ShapeError(f"diag(): Supports 1D or 2D tensors. Got {x.ndim}D")
    rows = np.arange(x.shape[0])
    at = np.full((rows.size + abs(diagonal),) * 2, -1)
    at[rows + max(-diagonal, 0), rows + max(diagonal, 0)] = rows
    return _core.gather(x, at)


_matrix_diagonal = diagonal


def triu(input: Any, diagonal: int = 0) -> Tensor:
    """Return the matrices with zeros below a diagonal."""
    return _triangle(as_tensor(input), np.triu, diagonal)


def tril(input: Any, diagonal: int = 0) -> Tensor:
    """Return the matrices with zeros above a diagonal."""
    return _triangle(as_tensor(input), np.tril, diagonal)


def _triangle(x: Tensor, triangle: Any, k: int) -> Tensor:
    name = triangle.__name__
    if x.ndim < 2:
        raise ShapeError(f"{name}: input tensor must have at least 2 dimensions")
    return _core.gather(x, triangle(_positions(x) + 1, k) - 1)


def pad(
    input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Return the tensor with elements put around it; negative widths cut.

    Parameters
    ----------
    input
        Tensor of any shape.
    pad
        Widths (before, after) from the last axis on.
    mode
        "constant" (`value`, 0 by default), "reflect", "replicate" or "circular".
    value
        What "constant" puts around.
    """
    x = as_tensor(input)
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ShapeError(
            f"pad needs pairs (before, after), at most one for each of {x.ndim} axes, "
            f"got {list(pad)}"
        )
    widths = [(0, 0)] * x.ndim
    for i in range(len(pad) // 2):
        widths[x.ndim - 1 - i] = (pad[2 * i], pad[2 * i + 1])
    return pad_axes(x, widths, mode, 0.0 if value is None else value)


def _check_copied(mode: str, sizes: Sequence[int], grow: Any) -> None:
    """Raise where there is too little to copy into a border."""
    for n, pair in zip(sizes, grow, strict=True):
        most = {"reflect": n - 1, "circular": n}.get(mode, math.inf if n else 0)
        if max(pair) > most:
            raise ShapeError(
                f"pad: {mode!r} of an axis of {n} elements takes at most {most} on "
                f"either side, got {pair}"
            )


def _cut(at: Positions, widths: Sequence[tuple[int, int]]) -> Positions:
    """Return positions without those that negative widths cut off."""
    for (a, b), n in zip(widths, at.shape, strict=True):
        if max(-a, 0) + max(-b, 0) > n:
            raise ShapeError(
                f"pad: {(a, b)} cuts more than the {n} elements of an axis"
            )
    pairs = zip(widths, at.shape, strict=True)
    return at[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in pairs)]


_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "edge": "edge"}


def pad_axes(
    x: Tensor, widths: Sequence[tuple[int, int]], mode: str, value: float
) -> Tensor:
    """Return x padded by (before, after) for each axis."""
    if mode != "constant" and mode not in _MODES:
        known = ", ".join(_MODES)
        raise ValueError(f"unknown padding mode {mode!r}; known: constant, {known}")
    at = _positions(x)
    grow = [(max(a, 0), max(b, 0)) for a, b in widths]
    if mode == "constant":
        at = np.pad(_cut(at, widths), grow, constant_values=-1)
        padded = _core.gather(x, at)
        return padded if value == 0 else padded + np.where(at < 0, float(value), 0.0)
    # A border shows what was there before the cut, but goes round what is left.
    at = _cut(at, widths) if mode == "circular" else at
    _check_copied(mode, at.shape, grow)
    at = np.pad(at, grow, mode=_MODES[mode])  # type: ignore[call-overload]
    return _core.gather(x, at if mode == "circular" else _cut(at, widths))


# ---- Indexing ------------------------------------------------------------------------


def _plain_part(part: Any) -> Any:
    """One part of a key, with tensors and lists made arrays, 0-d ones integers."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, (Tensor, list, tuple, range, np.ndarray, bool, np.bool_)):
        if _core.is_traced(part) and _core.is_mask(part):
            return np.asarray(traced.pinned(part), dtype=bool)
        if isinstance(part, (list, tuple)) and _core.is_traced(*part):
            raise TraceError(
                "a list of values of a recorded function as an index; give an integer "
                "tensor (autodiff.tensor([i, j])) or a mask"
            )
        array = np.asarray(_core.peek(part))
        if array.dtype.kind == "b":
            return array
        array = _integers(part)
        return array if array.ndim else int(array)
    if hasattr(part, "__index__"):
        return part.__index__()
    raise IndexError(
        "a tensor is indexed by integers, slices (`:`), ellipsis (`...`), None, "
        f"integer arrays and boolean masks, not by {part!r}"
    )


def _consumed(part: Any) -> int:
    """Return the number of axes that a part of a key uses up."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype.kind == "b" else 1


def _split_key(key: Any, ndim: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return what a view can show, and the index arrays to apply to that view.

    Integers are taken first, as PyTorch does; in NumPy an integer beside an array
    joins the arrays.
    """
    parts = [_plain_part(part) for part in (key if isinstance(key, tuple) else (key,))]
    rest = max(ndim - sum(_consumed(part) for part in parts), 0)
    basic: list[Any] = []
    arrays: list[Any] = []
    whole = slice(None)
    for part in parts:
        if isinstance(part, np.ndarray):
            basic += [whole] * _consumed(part)
            arrays.append(part)
        elif part is Ellipsis:
            basic.append(part)
            arrays += [whole] * rest
        else:
            basic.append(part)
            arrays += [] if isinstance(part, int) else [whole]
    if any(isinstance(part, np.ndarray) for part in arrays):
        return tuple(basic), tuple(arrays)
    return tuple(basic), ()


def get_item(x: Tensor, key: Any) -> Tensor:
    """Return x[key]: a copy, with a gradient."""
    if type(key) is int:
        return _core.get_item(x, key)
    basic, arrays = _split_key(key, x.ndim)
    if not arrays:
        return _core.get_item(x, basic)
    return _core.gather(x, _positions(x)[basic][arrays])


def _is_whole_mask(x: Tensor, key: Any, value: Any) -> bool:
    """Whether x[key] = value needs no positions: a recorded mask, and one number."""
    if not _core.is_traced(key) or key.shape != x.shape or np.ndim(value) > 0:
        return False
    return bool(_core.is_mask(key))


def set_item(x: Tensor, key: Any, value: Any) -> None:
    """x[key] = value, recorded: x changes in place and its history with it."""
    if _is_whole_mask(x, key, value):
        _core.assign_result(x, lambda v: functions.where(key, value, v))
        return
    basic, arrays = _split_key(key, x.ndim)
    at = np.asarray(_positions(x)[basic])
    at = np.asarray(at[arrays]) if arrays else at
    value = as_tensor(value)
    while value.ndim > at.ndim and value.shape[0] == 1:
        value = _core.reshape(value, value.shape[1:])
    if value.shape != at.shape:
        value = broadcast_to(value, at.shape)
    flat = at.ravel()
    if arrays:  # where a position comes twice the last value stands
        last = flat.size - 1 - np.unique(flat[::-1], return_index=True)[1]
        if last.size < flat.size:
            keep = np.sort(last)
            value, flat = _core.gather(value, keep), flat[keep]
    _core.put_inplace(x, flat, value)
