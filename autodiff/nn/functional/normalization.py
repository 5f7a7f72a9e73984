"""Layers that scale, shift or drop: their statistics are part of the graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor, no_grad
from autodiff.creation import as_tensor, rand
from autodiff.errors import ArgumentError, ShapeError

__all__ = ["batch_norm", "dropout", "dropout2d", "layer_norm"]

_row = _core.FUNCTIONS


def batch_norm(
    input: Any,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Bring each channel to mean 0 and variance 1, then scale and shift it.

    Parameters
    ----------
    input
        Shape (N, C) or (N, C, ...).
    running_mean, running_var
        Shape (C,). Used as they are when not training; moved towards the batch's (the
        unbiased variance) by `momentum` in training. May be None in training.
    weight, bias
        Shape (C,), or None.
    training
        Whether mean and variance are those of the batch.
    momentum
        Share of the batch in the running statistics.
    eps
        Added to the variance.

    Notes
    -----
    S. Ioffe and C. Szegedy, "Batch normalization", 2015.
    """
    x = as_tensor(input)
    if x.ndim < 2:
        raise ShapeError(f"batch_norm expects shape (N, C, ...), got {tuple(x.shape)}")
    axes = tuple(i for i in range(x.ndim) if i != 1)
    shape = (1, x.shape[1], *(1,) * (x.ndim - 2))
    for name, part in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if part is not None and tuple(as_tensor(part).shape) != (x.shape[1],):
            raise ShapeError(
                f"batch_norm: {name} must have shape ({x.shape[1]},), one number for "
                f"each channel, got {tuple(as_tensor(part).shape)}"
            )
    if (running_mean is None) != (running_var is None):
        raise ArgumentError(
            "batch_norm: give both running_mean and running_var, or neither"
        )
    if training:
        n = math.prod(x.shape[i] for i in axes)
        if n < 2:
            raise ArgumentError(
                "batch_norm: training needs more than one value for each channel, got "
                f"input of shape {tuple(x.shape)}"
            )
        mean, variance = x.mean(axes, keepdim=True), x.var(axes, False, keepdim=True)
        _follow(running_mean, mean, momentum)
        _follow(running_var, variance * (n / (n - 1.0)), momentum)
    else:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                "batch_norm: running_mean and running_var are needed when not training"
            )
        mean = _core.reshape(running_mean, shape)
        variance = _core.reshape(running_var, shape)
    z = (x - mean) * _row["rsqrt"](variance + eps)
    if weight is not None:
        z = z * _core.reshape(as_tensor(weight), shape)
    return z if bias is None else z + _core.reshape(as_tensor(bias), shape)


def _follow(running: Tensor | None, batch: Tensor, momentum: float) -> None:
    if running is None:
        return
    with no_grad():
        now = _core.reshape(batch.detach(), tuple(running.shape))
        running.copy_((1.0 - momentum) * running + momentum * now)


def layer_norm(
    input: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Tensor:
    """Bring each row to mean 0 and variance 1, then scale and shift it.

    Parameters
    ----------
    input
        Shape (..., *normalized_shape).
    normalized_shape
        The axes of a row: the last ones.
    weight, bias
        Of that shape, or None.
    eps
        Added to the variance.

    Notes
    -----
    J. L. Ba et al., "Layer normalization", 2016.
    """
    x = as_tensor(input)
    one = hasattr(normalized_shape, "__index__")
    shape = (int(normalized_shape),) if one else tuple(normalized_shape)  # type: ignore[arg-type]
    if not shape or tuple(x.shape[x.ndim - len(shape) :]) != shape:
        raise ShapeError(
            f"layer_norm: the input of shape {tuple(x.shape)} does not end in "
            f"normalized_shape {shape}"
        )
    axes = tuple(range(-len(shape), 0))
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, False, keepdim=True)
    z = (x - mean) * _row["rsqrt"](variance + eps)
    z = z if weight is None else z * weight
    return z if bias is None else z + bias


def dropout(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Set each element to 0 with probability p, and divide the others by 1 - p.

    Parameters
    ----------
    input
        Tensor of any shape.
    p
        Probability, in [0, 1].
    training
        Whether anything is dropped at all.
    inplace
        Whether the result is put into the input.

    Notes
    -----
    Numbers come from the generator that `manual_seed` restarts (N. Srivastava et al.,
    "Dropout", 2014).
    """
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(f"dropout: p must be a probability in [0, 1], got {p!r}")
    x = as_tensor(input)
    return _dropped(x, tuple(x.shape), p, inplace) if training and p > 0.0 else x


def dropout2d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Set whole channels of (N, C, H, W) or (C, H, W) to 0; see `dropout`."""
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(f"dropout2d: p must be a probability in [0, 1], got {p!r}")
    x = as_tensor(input)
    if x.ndim not in (3, 4):
        raise ShapeError(
            f"dropout2d: expected (N, C, H, W) or (C, H, W), got {tuple(x.shape)}"
        )
    channels = (*x.shape[:-2], 1, 1)
    return _dropped(x, channels, p, inplace) if training and p > 0.0 else x


def _dropped(x: Tensor, shape: tuple[int, ...], p: float, inplace: bool) -> Tensor:
    kept = np.asarray(rand(*shape).numpy()) >= p if shape else rand().item() >= p
    scale = 0.0 if p == 1.0 else 1.0 / (1.0 - p)
    z = x * (np.asarray(kept, dtype=np.float64) * scale)
    return x.copy_(z) if inplace else z
