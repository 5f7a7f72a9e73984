"""Pooling: one number for each window of each channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.errors import ArgumentError
from autodiff.functions import isnan, where
from autodiff.linear import matmul
from autodiff.nn.functional.windows import (
    Pair,
    batched,
    extents,
    n_places,
    pad_spatial,
    windows,
)
from autodiff.shape import swapaxes

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "max_pool1d",
    "max_pool2d",
]


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """Return the largest element of each window; see `max_pool2d`."""
    options = (kernel_size, stride, padding, dilation)
    return _max_pool("max_pool1d", 1, input, options, ceil_mode, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """Return the largest element of each window.

    Parameters
    ----------
    input
        Shape (N, C, H, W) or (C, H, W).
    kernel_size
        Extent of a window, one number or one for each axis.
    stride
        Distance of windows, `kernel_size` by default.
    padding
        Border of minus infinity, at most half a window.
    dilation
        Distance of the elements of a window.
    ceil_mode
        Whether the last window may reach beyond the border.
    return_indices
        Not supported.

    Returns
    -------
    Tensor
        Shape (N, C, H', W'), H' = (H + 2 padding - dilation (k - 1) - 1) / stride + 1.

    Notes
    -----
    The gradient goes to one element of each window, the first of the largest in
    reading order. A NaN wins.

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.nn.functional import max_pool2d
    >>> max_pool2d(ad.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    tensor([[[4.]]])
    """
    options = (kernel_size, stride, padding, dilation)
    return _max_pool("max_pool2d", 2, input, options, ceil_mode, return_indices)


def _max_pool(
    what: str,
    n_axes: int,
    input: Any,
    options: tuple[Any, Any, Any, Any],
    ceil_mode: bool,
    return_indices: bool,
) -> Tensor:
    if return_indices:
        raise ArgumentError(f"{what}: return_indices is not supported; use argmax")
    x, is_single = batched(what, input, n_axes)
    kernel, stride, padding = _window(what, n_axes, *options[:3])
    dilation = extents("dilation", options[3], n_axes)
    places = n_places(
        what, x.shape[2:], kernel, stride, padding, dilation, ceil_mode=ceil_mode
    )
    x = _bordered(x, kernel, stride, padding, dilation, places, -np.inf)
    if not _core.is_traced(x):
        z = _first_largest(x, n_axes, (places, kernel, stride, dilation))
    else:
        z = _largest(x, kernel, stride, dilation, places)
    return _core.reshape(z, tuple(z.shape[1:])) if is_single else z


def _first_largest(x: Tensor, n_axes: int, windows: tuple[Pair, ...]) -> Tensor:
    """Return the elements at the places of the winners, as values are now."""
    if n_axes == 1:  # as rows of height 1
        windows = tuple((1, *pair) for pair in windows)
        x = _core.reshape(x, (*x.shape[:2], 1, x.shape[2]))
    z: Tensor = _core.gather(x, _core.pool_winners(x, *windows))
    return _core.reshape(z, (*z.shape[:2], z.shape[3])) if n_axes == 1 else z


def _largest(
    x: Tensor, kernel: Pair, stride: Pair, dilation: Pair, places: Pair
) -> Tensor:
    """Return the largest, in operations that choose anew when they are replayed."""
    z: Tensor | None = None
    for offset in np.ndindex(*kernel):
        cut = tuple(
            slice(i * d, i * d + (m - 1) * s + 1, s)
            for i, d, m, s in zip(offset, dilation, places, stride, strict=True)
        )
        y = _core.get_item(x, (slice(None), slice(None), *cut))
        z = y if z is None else where((y > z) | isnan(y), y, z)
    assert z is not None  # a kernel has an element
    return z


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window; see `avg_pool2d`."""
    options = (kernel_size, stride, padding)
    return _avg_pool(
        "avg_pool1d", 1, input, options, ceil_mode, count_include_pad, None
    )


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window.

    Parameters
    ----------
    input
        Shape (N, C, H, W) or (C, H, W).
    kernel_size
        Extent of a window, one number or one for each axis.
    stride
        Distance of windows, `kernel_size` by default.
    padding
        Border of zeros, at most half a window.
    ceil_mode
        Whether the last window may reach beyond the border.
    count_include_pad
        Whether the border's zeros count as elements.
    divisor_override
        What the sum is divided by, instead of the number of elements.

    Returns
    -------
    Tensor
        Shape (N, C, H', W'), H' = (H + 2 padding - k) / stride + 1.

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.nn.functional import avg_pool2d
    >>> avg_pool2d(ad.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    tensor([[[2.5000]]])
    """
    options = (kernel_size, stride, padding)
    return _avg_pool(
        "avg_pool2d", 2, input, options, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Tensor:
    """Return the means of `output_size` windows that cover the last axis."""
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Tensor:
    """Return the means of windows that cover the last two axes.

    Parameters
    ----------
    input
        Shape (N, C, H, W) or (C, H, W).
    output_size
        How many windows along each axis, one number or a pair; None for as many as
        elements. Window i of m reaches from floor(i H / m) to ceil((i + 1) H / m).

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.nn.functional import adaptive_avg_pool2d
    >>> adaptive_avg_pool2d(ad.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1)
    tensor([[[2.5000]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def _adaptive_avg_pool(what: str, n_axes: int, input: Any, output_size: Any) -> Tensor:
    """Return means of windows: along each axis a product with a matrix."""
    x, is_single = batched(what, input, n_axes)
    given = output_size if isinstance(output_size, (tuple, list)) else [output_size]
    given = list(given) * n_axes if len(given) == 1 else list(given)
    sizes = [n if m is None else m for m, n in zip(given, x.shape[2:], strict=False)]
    places = extents("output_size", tuple(sizes), n_axes)
    for axis, m in zip(range(2, x.ndim), places, strict=True):
        n = x.shape[axis]
        is_inside = np.zeros((n, m))
        for i in range(m):
            is_inside[i * n // m : -(-(i + 1) * n // m), i] = 1.0
        sums = matmul(swapaxes(x, axis, -1), is_inside)
        x = swapaxes(sums / is_inside.sum(0), axis, -1)
    return _core.reshape(x, tuple(x.shape[1:])) if is_single else x


def _avg_pool(
    what: str,
    n_axes: int,
    input: Any,
    options: tuple[Any, Any, Any],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    x, is_single = batched(what, input, n_axes)
    kernel, stride, padding = _window(what, n_axes, *options)
    if divisor is not None and (divisor == 0 or not hasattr(divisor, "__index__")):
        raise ArgumentError(f"{what}: divisor_override must not be 0, got {divisor!r}")
    near = (1,) * n_axes
    sizes = tuple(x.shape[2:])
    places = n_places(what, sizes, kernel, stride, padding, near, ceil_mode=ceil_mode)
    bordered = _bordered(x, kernel, stride, padding, near, places, 0.0)
    total = windows(bordered, kernel, stride, near, places).sum(
        tuple(range(-n_axes, 0))
    )
    if divisor is None:
        counts = _counts(sizes, kernel, stride, padding, places, count_include_pad)
        z = total / counts
    else:
        z = total / float(divisor)
    return _core.reshape(z, tuple(z.shape[1:])) if is_single else z


def _counts(
    sizes: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    places: Pair,
    count_include_pad: bool,
) -> Any:
    """Return how many elements of each window count, shape `places` or a number."""
    counts: Any = 1.0
    for n, k, s, p, m in zip(sizes, kernel, stride, padding, places, strict=True):
        begin = np.arange(m) * s - p
        end = np.minimum(begin + k, n + p)
        if not count_include_pad:
            begin, end = np.maximum(begin, 0), np.minimum(end, n)
        counts = np.multiply.outer(counts, (end - begin).astype(np.float64))
    return counts


def _window(
    what: str, n_axes: int, kernel_size: Any, stride: Any, padding: Any
) -> tuple[Pair, Pair, Pair]:
    kernel = extents("kernel_size", kernel_size, n_axes)
    steps = kernel if stride is None else extents("stride", stride, n_axes)
    around = extents("padding", padding, n_axes, least=0)
    for k, p in zip(kernel, around, strict=True):
        if p > k // 2:
            raise ArgumentError(
                f"{what}: padding must be at most half the kernel, got padding {p} for "
                f"kernel {k}: a window would lie in the border alone"
            )
    return kernel, steps, around


def _bordered(
    x: Tensor,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    places: Pair,
    value: float,
) -> Tensor:
    """Return x with a border that holds every window."""
    after = []
    for n, k, s, p, d, m in zip(
        x.shape[2:], kernel, stride, padding, dilation, places, strict=True
    ):
        after.append(max(0, (m - 1) * s + d * (k - 1) + 1 - n - p))
    return pad_spatial(x, tuple(after), padding, value)
