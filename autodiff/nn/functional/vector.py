"""Linear maps, look-ups and directions: what acts on the last axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff import _core, traced
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError, ShapeError
from autodiff.functions import clip, eq
from autodiff.linear import matmul
from autodiff.reduce import norm
from autodiff.shape import broadcast_to, unsqueeze

__all__ = ["cosine_similarity", "embedding", "linear", "normalize", "one_hot"]


def linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    """Return x W' + b.

    Parameters
    ----------
    input
        Shape (..., n).
    weight
        Shape (m, n), or (n,).
    bias
        Shape (m,), or None.

    Returns
    -------
    Tensor
        Shape (..., m).

    Raises
    ------
    ShapeError
        If the shapes do not fit together.

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.nn.functional import linear
    >>> linear(ad.tensor([1.0, 2.0]), ad.tensor([[3.0, 4.0]]), ad.tensor([5.0]))
    tensor([16.])
    """
    x, w = as_tensor(input), as_tensor(weight)
    if w.ndim not in (1, 2) or x.ndim == 0 or x.shape[-1] != w.shape[-1]:
        raise ShapeError(
            f"linear: an input of shape {tuple(x.shape)} does not meet a weight of "
            f"shape {tuple(w.shape)}: (..., n) and (m, n) are expected"
        )
    if w.ndim == 1:
        z = matmul(x, w)
    elif x.ndim <= 2:
        z = _transposed(x, w)
    else:  # one product of matrices for all leading axes
        n_rows = math.prod(x.shape[:-1])
        flat = _core.reshape(x, (n_rows, x.shape[-1]))
        z = _core.reshape(_transposed(flat, w), (*x.shape[:-1], w.shape[0]))
    return z if bias is None else z + bias


def _transposed(x: Tensor, w: Tensor) -> Tensor:
    """Return x W' of a vector or a matrix x."""
    return matmul(w, x) if x.ndim == 1 else _core.matmul_transposed(x, w)


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """Return rows of a table.

    Parameters
    ----------
    input
        Whole numbers 0 .. V - 1, any shape.
    weight
        Shape (V, D).
    padding_idx
        A row that gets no gradient.

    Returns
    -------
    Tensor
        Shape (..., D).

    Raises
    ------
    ArgumentError
        If a number is out of range.
    """
    w = as_tensor(weight)
    raw = np.asarray(traced.pinned(as_tensor(input)))
    n_rows = w.shape[0]
    if padding_idx is not None and not -n_rows <= padding_idx < n_rows:
        raise ArgumentError(
            f"embedding: padding_idx {padding_idx} is out of range for a table of "
            f"{n_rows} rows"
        )
    bad = ~((raw >= 0) & (raw < n_rows) & (raw == np.floor(raw)))
    if bad.any():
        raise ArgumentError(
            f"embedding: index {raw[bad][0]:g} is out of range for a table of {n_rows} "
            f"rows; indices are whole numbers from 0 to {n_rows - 1}"
        )
    places = raw.astype(np.int64)
    if padding_idx is None:
        return w[places]
    padding = padding_idx % n_rows
    is_padding = (places == padding)[..., None]
    z: Tensor = w[places] * ~is_padding + w.detach()[places] * is_padding
    return z


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Return rows that are 1 at their label and 0 elsewhere, shape (..., C)."""
    t = as_tensor(tensor)
    raw = np.asarray(_core.peek(t) if num_classes != -1 else traced.pinned(t))
    whole = np.array_equal(raw, np.trunc(raw))
    raw = raw.astype(np.int64)
    n = int(raw.max(initial=-1)) + 1 if num_classes == -1 else num_classes
    if not whole or (raw.size and (raw.min() < 0 or raw.max() >= n)):
        raise ArgumentError(
            f"one_hot: labels must be whole numbers from 0 to {n - 1}, got "
            f"{raw.min()} .. {raw.max()}"
        )
    if not _core.is_traced(t):
        return as_tensor(np.eye(n)[raw])
    hit = eq(unsqueeze(t, -1), np.arange(n))
    traced.require(hit.amax(-1) > 0.0)
    ones: Tensor = 1.0 * hit
    return ones


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """Return x over its p-norm along an axis, or over `eps` where that is larger."""
    x = as_tensor(input)
    z: Tensor = x / clip(norm(x, p, dim, keepdim=True), eps)
    return z


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between vectors along an axis.

    Parameters
    ----------
    x1, x2
        Tensors that broadcast.
    dim
        The axis of the vectors.
    eps
        The least length a vector is taken to have.

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.nn.functional import cosine_similarity
    >>> cosine_similarity(ad.tensor([3.0, 0.0]), ad.tensor([1.0, 0.0]), dim=0)
    tensor(1.)
    """
    a, b = as_tensor(x1), as_tensor(x2)
    shape = np.broadcast_shapes(tuple(a.shape), tuple(b.shape))
    a, b = (x if tuple(x.shape) == shape else broadcast_to(x, shape) for x in (a, b))
    length_a = clip(norm(a, 2, dim, keepdim=True), eps)
    length_b = clip(norm(b, 2, dim, keepdim=True), eps)
    z: Tensor = (a / length_a * (b / length_b)).sum(dim)
    return z
