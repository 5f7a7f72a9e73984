"""Sliding windows: what convolution and pooling have in common.

A window of extent k over an axis of n elements with p zeros before and after, taken
every s elements, its own elements d apart, has (n + 2p - d (k - 1) - 1) / s + 1 places;
the one rule for extents is here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError, ShapeError
from autodiff.indexing import pad_axes

__all__ = [
    "batched",
    "columns",
    "extents",
    "n_places",
    "pad_spatial",
    "steps_of",
    "windows",
]

Pair = tuple[int, ...]


def extents(name: str, value: Any, n_axes: int, least: int = 1) -> Pair:
    """Return an option as one whole number for each axis.

    Raises
    ------
    ArgumentError
        If it is neither a whole number nor `n_axes` of them, or too small.
    """
    parts = (value,) * n_axes if hasattr(value, "__index__") else value
    try:
        numbers = tuple(index(part) for part in parts)
    except TypeError:
        numbers = ()
    if len(numbers) == 1:
        numbers *= n_axes
    if len(numbers) != n_axes or min(numbers) < least:
        raise ArgumentError(
            f"{name} must be a whole number from {least}, or {n_axes} of them, "
            f"got {value!r}"
        )
    return numbers


def n_places(
    what: str,
    sizes: Sequence[int],
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    *,
    ceil_mode: bool = False,
) -> Pair:
    """Return how many windows fit along each axis.

    Raises
    ------
    ShapeError
        If a window is larger than the padded input.
    """
    found = []
    for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        # A last window that begins inside the input or its left padding.
        is_part = ceil_mode and room % s != 0 and (room // s + 1) * s < n + p
        places = room // s + 1 + is_part
        if places < 1 or n == 0:
            raise ShapeError(
                f"{what}: the kernel is larger than the input: (n + 2p - d(k - 1) - 1)"
                f"/s + 1 with n = {n}, p = {p}, d = {d}, k = {k}, s = {s} is below 1; "
                f"use a kernel of at most {(n + 2 * p - 1) // d + 1 if n else 0}, or "
                "more padding"
            )
        found.append(places)
    return tuple(found)


def batched(what: str, input: Any, n_spatial: int) -> tuple[Tensor, bool]:
    """Return the input as (N, C, spatial...), and whether an N was added.

    Raises
    ------
    ShapeError
        If it has another number of axes.
    """
    x = as_tensor(input)
    if x.ndim == n_spatial + 1:
        return _core.reshape(x, (1, *x.shape)), True
    if x.ndim != n_spatial + 2:
        raise ShapeError(
            f"{what} expects an input of {n_spatial + 2} axes (N, C, ...) or "
            f"{n_spatial + 1} (C, ...), got shape {tuple(x.shape)}"
        )
    return x, False


def pad_spatial(x: Tensor, after: Pair, before: Pair, value: float = 0.0) -> Tensor:
    """Return (N, C, spatial...) with a border of `value`."""
    if not any(before) and not any(after):
        return x
    shape = tuple(x.shape)
    inner = shape[2:]
    grown = [a + n + b for a, n, b in zip(before, inner, after, strict=True)]
    if min(grown) < max(1, min(inner)) or min(before) < 0 or min(after) < 0:
        widths = [(0, 0), (0, 0), *zip(before, after, strict=True)]
        return pad_axes(x, widths, "constant", value)
    sizes = (*shape[:2], *grown)
    steps = steps_of(sizes)
    offset = sum(b * s for b, s in zip(before, steps[2:], strict=True))
    padded = _core.strided_add(x, sizes, steps, offset if 0 not in shape else 0)
    if value == 0.0:
        return padded
    border = np.full(grown, value)
    border[tuple(slice(b, b + n) for b, n in zip(before, inner, strict=True))] = 0.0
    return padded + border


def steps_of(shape: Pair) -> Pair:
    """Return how many elements apart neighbours along each axis are."""
    steps = [1]
    for n in reversed(shape[1:]):
        steps.append(steps[-1] * n)
    return tuple(reversed(steps))


def windows(
    x: Tensor, kernel: Pair, stride: Pair, dilation: Pair, places: Pair
) -> Tensor:
    """Return all windows of (N, C, spatial...): (N, C, places..., kernel...).

    Notes
    -----
    One strided copy; its adjoint adds each element's windows up again.
    """
    steps = steps_of(tuple(x.shape))
    between = [t * s for t, s in zip(steps[2:], stride, strict=True)]
    inside = [t * d for t, d in zip(steps[2:], dilation, strict=True)]
    shape = (*x.shape[:2], *places, *kernel)
    return _core.strided(x, shape, (*steps[:2], *between, *inside))


def columns(
    x: Tensor, groups: int, kernel: Pair, stride: Pair, dilation: Pair, places: Pair
) -> Tensor:
    """Return the windows of (N, C, spatial...) as the columns of matrices.

    Returns
    -------
    Tensor
        Shape (groups, C / groups kernel..., N places...), the products of the axes: an
        element of a window for each row, a window for each column.
    """
    n, channels = x.shape[:2]
    per_group = channels // groups
    steps = steps_of(tuple(x.shape))
    between = [t * s for t, s in zip(steps[2:], stride, strict=True)]
    inside = [t * d for t, d in zip(steps[2:], dilation, strict=True)]
    shape = (groups, per_group, *kernel, n, *places)
    found = _core.strided(
        x, shape, (per_group * steps[1], steps[1], *inside, steps[0], *between)
    )
    rows = per_group * math.prod(kernel)
    return _core.reshape(found, (groups, rows, n * math.prod(places)))
