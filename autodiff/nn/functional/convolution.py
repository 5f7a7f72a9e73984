"""Convolution, as one product of matrices over the windows of the input (im2col).

With K = C k1 k2 / groups elements in a window and L windows, (groups, O, K) weights
meet (groups, K, N L) columns; the adjoints are the transposed products and the adjoint
of the strided copy, all in the core (K. Chellapilla et al., "High performance
convolutional neural networks for document processing", 2006).
"""

from __future__ import annotations

import math
from typing import Any

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError, ShapeError
from autodiff.indexing import pad_axes
from autodiff.nn.functional.windows import (
    Pair,
    batched,
    columns,
    extents,
    n_places,
    pad_spatial,
    windows,
)

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "unfold"]


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate a signal with kernels.

    Parameters
    ----------
    input
        Shape (N, C, L) or (C, L).
    weight
        Shape (O, C / groups, k).
    bias
        Shape (O,), or None.
    stride, dilation
        Whole numbers from 1.
    padding
        Zeros before and after; or ``'valid'`` (none), ``'same'`` (as many outputs as
        inputs, for stride 1).
    groups
        Channels fall into this many groups, which do not mix.

    Returns
    -------
    Tensor
        Shape (N, O, (L + 2 padding - dilation (k - 1) - 1) / stride + 1), rounded down.

    Raises
    ------
    ShapeError, ArgumentError
        If the shapes do not fit together; the message has the formula.

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.nn.functional import conv1d
    >>> conv1d(ad.tensor([[1.0, 2.0, 4.0]]), ad.tensor([[[1.0, -1.0]]]))
    tensor([[-1., -2.]])
    """
    return _convolve(
        "conv1d", 1, input, weight, bias, stride, padding, dilation, groups
    )


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate images with kernels.

    Parameters
    ----------
    input
        Shape (N, C, H, W) or (C, H, W).
    weight
        Shape (O, C / groups, k1, k2).
    bias
        Shape (O,), or None.
    stride, dilation
        Whole numbers from 1, one or one for each axis.
    padding
        Zeros around, one number or one for each axis; or ``'valid'``, ``'same'``.
    groups
        Channels fall into this many groups, which do not mix.

    Returns
    -------
    Tensor
        Shape (N, O, H', W'), H' = (H + 2 padding - dilation (k - 1) - 1) / stride + 1,
        rounded down.

    Raises
    ------
    ShapeError, ArgumentError
        If the shapes do not fit together; the message has the formula.

    Notes
    -----
    2 N O H' W' K operations with K = C k1 k2 / groups, and N K H' W' numbers of memory;
    the adjoints cost twice that.

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.nn.functional import conv2d
    >>> conv2d(ad.ones(1, 1, 3, 3), ad.ones(1, 1, 2, 2)).shape
    (1, 1, 2, 2)
    """
    return _convolve(
        "conv2d", 2, input, weight, bias, stride, padding, dilation, groups
    )


def _convolve(
    what: str,
    n_axes: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    x, is_single = batched(what, input, n_axes)
    w = as_tensor(weight)
    stride = extents("stride", stride, n_axes)
    dilation = extents("dilation", dilation, n_axes)
    _check_weight(what, x, w, bias, n_axes, groups)
    kernel = tuple(w.shape[2:])
    before, after = _padding(padding, kernel, stride, dilation, n_axes)
    x = pad_spatial(x, after, before)
    none = (0,) * n_axes
    places = n_places(what, x.shape[2:], kernel, stride, none, dilation)
    cut = columns(x, groups, kernel, stride, dilation, places)
    z = _products(cut, w, x.shape[0], places)
    if bias is not None:
        z = z + _core.reshape(as_tensor(bias), (w.shape[0], *(1,) * n_axes))
    return _core.reshape(z, tuple(z.shape[1:])) if is_single else z


def _products(cut: Tensor, w: Tensor, n: int, places: Pair) -> Tensor:
    """Return (N, O, places...) of columns and weights."""
    groups, size = cut.shape[:2]
    n_out = w.shape[0]
    if groups == 1:  # two matrices need no loop over a batch
        flat = _core.reshape(cut, tuple(cut.shape[1:]))
        z = _core.matmul(_core.reshape(w, (n_out, size)), flat)
    else:
        z = _core.matmul(_core.reshape(w, (groups, n_out // groups, size)), cut)
    z = _core.reshape(z, (n_out, n, *places))
    return z.permute(1, 0, *range(2, z.ndim))


def _check_weight(
    what: str, x: Tensor, w: Tensor, bias: Any, n_axes: int, groups: Any
) -> None:
    if w.ndim != n_axes + 2:
        raise ShapeError(
            f"{what} expects a weight of {n_axes + 2} axes (out, in/groups, ...), got "
            f"shape {tuple(w.shape)}"
        )
    channels, n_out = x.shape[1], w.shape[0]
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ArgumentError(
            f"{what}: groups must be a whole number from 1, got {groups!r}"
        )
    if channels % groups or n_out % groups:
        raise ArgumentError(
            f"{what}: groups = {groups} does not divide {channels} input channels and "
            f"{n_out} output channels"
        )
    if w.shape[1] * groups != channels:
        raise ShapeError(
            f"{what}: the weight of shape {tuple(w.shape)} with groups = {groups} "
            f"takes {w.shape[1] * groups} channels, the input of shape "
            f"{tuple(x.shape)} has {channels}"
        )
    _check_bias(what, bias, n_out)


def _check_bias(what: str, bias: Any, n_out: int) -> None:
    if bias is not None and tuple(as_tensor(bias).shape) != (n_out,):
        raise ShapeError(
            f"{what}: the bias must have shape ({n_out},), one number for each output "
            f"channel, got {tuple(as_tensor(bias).shape)}"
        )


def _padding(
    padding: Any, kernel: Pair, stride: Pair, dilation: Pair, n_axes: int
) -> tuple[Pair, Pair]:
    """Return the zeros before and after each axis."""
    if padding == "valid":
        return (0,) * n_axes, (0,) * n_axes
    if padding == "same":
        if any(s != 1 for s in stride):
            raise ArgumentError("padding='same' needs stride 1")
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        before = tuple(t // 2 for t in total)
        return before, tuple(t - b for t, b in zip(total, before, strict=True))
    around = extents("padding", padding, n_axes, least=0)
    return around, around


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Apply the adjoint of `conv1d`; see `conv_transpose2d`."""
    return _transpose(
        "conv_transpose1d",
        1,
        input,
        weight,
        bias,
        (stride, padding, output_padding, dilation),
        groups,
    )


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Apply the adjoint of `conv2d`: each input element adds a kernel to the output.

    Parameters
    ----------
    input
        Shape (N, C, H, W) or (C, H, W).
    weight
        Shape (C, O / groups, k1, k2).
    bias
        Shape (O,), or None.
    stride, padding, dilation
        Of the convolution this is the adjoint of.
    output_padding
        Rows and columns added at the end of the output, below stride or dilation.
    groups
        Channels fall into this many groups, which do not mix.

    Returns
    -------
    Tensor
        Shape (N, O, H', W'), H' = (H - 1) stride - 2 padding + dilation (k - 1) + 1 +
        output_padding.

    Notes
    -----
    The input, spread out by the stride, is convolved with the mirrored kernel: stride
    squared times the operations that are needed.

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.nn.functional import conv_transpose2d
    >>> conv_transpose2d(ad.ones(1, 1, 1, 1), ad.ones(1, 1, 2, 2), stride=2).shape
    (1, 1, 2, 2)
    """
    return _transpose(
        "conv_transpose2d",
        2,
        input,
        weight,
        bias,
        (stride, padding, output_padding, dilation),
        groups,
    )


def _transpose(
    what: str,
    n_axes: int,
    input: Any,
    weight: Any,
    bias: Any,
    options: tuple[Any, Any, Any, Any],
    groups: int,
) -> Tensor:
    x, is_single = batched(what, input, n_axes)
    w = as_tensor(weight)
    stride = extents("stride", options[0], n_axes)
    padding = extents("padding", options[1], n_axes, least=0)
    extra = extents("output_padding", options[2], n_axes, least=0)
    dilation = extents("dilation", options[3], n_axes)
    for e, s, d in zip(extra, stride, dilation, strict=True):
        if e >= max(s, d):
            raise ArgumentError(
                f"{what}: output_padding must be below stride or dilation, got {extra}"
            )
    mirrored = _mirror(what, x, w, n_axes, groups)
    _check_bias(what, bias, mirrored.shape[0])
    reach = [d * (k - 1) for d, k in zip(dilation, w.shape[2:], strict=True)]
    for n, s, p, r, e in zip(x.shape[2:], stride, padding, reach, extra, strict=True):
        if (n - 1) * s - 2 * p + r + 1 + e < 1:
            raise ShapeError(
                f"{what}: (n - 1) s - 2p + d(k - 1) + 1 + output_padding with n = {n}, "
                f"s = {s}, p = {p}, d(k - 1) = {r} is below 1; use less padding"
            )
    before = tuple(r - p for r, p in zip(reach, padding, strict=True))
    after = tuple(b + e for b, e in zip(before, extra, strict=True))
    spread = pad_spatial(_spread(x, stride), after, before)
    none = (1,) * n_axes
    z = _convolve(what, n_axes, spread, mirrored, bias, none, 0, dilation, groups)
    return _core.reshape(z, tuple(z.shape[1:])) if is_single else z


def _mirror(what: str, x: Tensor, w: Tensor, n_axes: int, groups: int) -> Tensor:
    """Return weights (C, O / groups, k...) as (O, C / groups, mirrored k...)."""
    if w.ndim != n_axes + 2 or w.shape[0] != x.shape[1]:
        raise ShapeError(
            f"{what} expects a weight of {n_axes + 2} axes (in, out/groups, ...) with "
            f"in = {x.shape[1]}, got shape {tuple(w.shape)}"
        )
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ArgumentError(
            f"{what}: groups must be a whole number from 1, got {groups!r}"
        )
    c, per_group, *kernel = w.shape
    if c % groups:
        raise ArgumentError(
            f"{what}: groups = {groups} does not divide {c} input channels"
        )
    flipped = w.flip(*range(2, w.ndim))
    grouped = _core.reshape(flipped, (groups, c // groups, per_group, *kernel))
    swapped = grouped.permute(0, 2, 1, *range(3, grouped.ndim))
    return _core.reshape(swapped, (groups * per_group, c // groups, *kernel))


def _spread(x: Tensor, stride: Pair) -> Tensor:
    """Return x with stride - 1 zeros between neighbours."""
    if all(s == 1 for s in stride) or 0 in x.shape:
        return x
    # Each element becomes a cell of stride elements; the last cell's zeros are cut.
    cells = [extent for n in x.shape[2:] for extent in (n, 1)]
    widths = [(0, 0), (0, 0)]
    for s in stride:
        widths += [(0, 0), (0, s - 1)]
    cells_of_x = _core.reshape(x, (*x.shape[:2], *cells))
    padded = pad_axes(cells_of_x, widths, "constant", 0.0)
    sizes = [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
    whole = _core.reshape(padded, (*x.shape[:2], *sizes))
    cut = tuple(
        slice(0, (n - 1) * s + 1) for n, s in zip(x.shape[2:], stride, strict=True)
    )
    return _core.get_item(whole, (slice(None), slice(None), *cut))


def unfold(
    input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Return the windows of images as columns (im2col).

    Parameters
    ----------
    input
        Shape (N, C, H, W) or (C, H, W).
    kernel_size, dilation, padding, stride
        Whole numbers, one or one for each axis.

    Returns
    -------
    Tensor
        Shape (N, C k1 k2, L), L windows.
    """
    x, is_single = batched("unfold", input, 2)
    kernel = extents("kernel_size", kernel_size, 2)
    stride, dilation = extents("stride", stride, 2), extents("dilation", dilation, 2)
    around = extents("padding", padding, 2, least=0)
    places = n_places("unfold", x.shape[2:], kernel, stride, around, dilation)
    cut = windows(pad_spatial(x, around, around), kernel, stride, dilation, places)
    n, c = x.shape[:2]
    columns = cut.permute(0, 1, 4, 5, 2, 3)
    sizes = (c * math.prod(kernel), math.prod(places))
    return _core.reshape(columns, sizes if is_single else (n, *sizes))
