"""Losses: how far a prediction is from a target.

`reduction` is PyTorch's word everywhere: ``'mean'`` over the elements (of a weighted
loss, over the weights), ``'sum'`` or ``'none'``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff import _core, traced
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError, ShapeError
from autodiff.functions import clip, eq, softplus, where
from autodiff.nn.functional.vector import cosine_similarity
from autodiff.reduce import log_softmax
from autodiff.shape import unsqueeze

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]

_row = _core.FUNCTIONS


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """Return a loss of each element as `reduction` says."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ArgumentError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _pair(what: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Return two tensors of one shape: a broadcast here is nearly always a mistake."""
    x, t = as_tensor(input), as_tensor(target)
    if tuple(x.shape) != tuple(t.shape):
        raise ShapeError(
            f"{what}: input has shape {tuple(x.shape)} and target {tuple(t.shape)}; "
            "give them one shape (reshape or expand one of them)"
        )
    return x, t


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """Return the squared difference.

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.nn.functional import mse_loss
    >>> mse_loss(ad.tensor([1.0, 3.0]), ad.tensor([0.0, 1.0]))
    tensor(2.5000)
    """
    x, t = _pair("mse_loss", input, target)
    return reduced((x - t) ** 2, reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """Return the absolute difference."""
    x, t = _pair("l1_loss", input, target)
    return reduced(abs(x - t), reduction)


def smooth_l1_loss(
    input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """Return d^2 / (2 beta) for a difference d below beta, else |d| - beta / 2."""
    if not beta >= 0:
        raise ArgumentError(f"smooth_l1_loss: beta must not be negative, got {beta!r}")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return huber_loss(input, target, reduction=reduction, delta=beta) / beta


def huber_loss(
    input: Any, target: Any, *, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    """Return d^2 / 2 for a difference d below delta, else delta (|d| - delta / 2)."""
    if not delta > 0:
        raise ArgumentError(f"huber_loss: delta must be positive, got {delta!r}")
    x, t = _pair("huber_loss", input, target)
    size = abs(x - t)
    loss = where(size < delta, 0.5 * size * size, delta * (size - 0.5 * delta))
    return reduced(loss, reduction)


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean"
) -> Tensor:
    """Return -(t log(p) + (1 - t) log(1 - p)).

    Parameters
    ----------
    input
        Probabilities p in [0, 1].
    target
        Numbers t in [0, 1], of the same shape.
    weight
        A factor for each element.

    Notes
    -----
    Logarithms are kept above -100, and p (1 - p) in the gradient above 1e-12, as in
    PyTorch. From logits,
    `binary_cross_entropy_with_logits` keeps more digits.
    """
    p, t = _pair("binary_cross_entropy", input, target)
    values = _core.peek(p)
    if not isinstance(values, np.ndarray) or not _core.is_traced(p):
        outside = np.asarray(values)
        if ((outside < 0) | (outside > 1)).any():
            raise ArgumentError(
                "binary_cross_entropy: the input must be probabilities in [0, 1], got "
                f"{outside.min():g} .. {outside.max():g}; for logits use "
                "binary_cross_entropy_with_logits"
            )
    log_p, log_q = clip(_row["log"](p), -100.0), clip(_row["log1p"](-p), -100.0)
    loss = -(t * log_p + (1.0 - t) * log_q)
    # Next to 0 and 1 the slope is (p - t) / 1e-12, as in PyTorch: a wrong certainty can
    # be unlearned, which the slope 0 of a logarithm that is kept above -100 would hide.
    still = p.detach()
    is_end = still * (1.0 - still) < 1e-12
    if _core.is_traced(is_end) or np.any(is_end):
        level = -(t * log_p.detach() + (1.0 - t) * log_q.detach())
        slope = (still - t.detach()) * 1e12
        loss = where(is_end, level + (p - still) * slope, loss)
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """Return the cross entropy of a sigmoid, without overflow.

    Parameters
    ----------
    input
        Logits x, of any shape.
    target
        Numbers t in [0, 1], of the same shape.
    weight
        A factor for each element.
    pos_weight
        A factor for the part of the positive class.

    Notes
    -----
    ``(1 - t) x + (1 + (pos_weight - 1) t) softplus(-x)``.
    """
    x, t = _pair("binary_cross_entropy_with_logits", input, target)
    part = softplus(-x)
    if pos_weight is not None:
        part = (1.0 + (as_tensor(pos_weight) - 1.0) * t) * part
    loss = (1.0 - t) * x + part
    return reduced(loss if weight is None else loss * weight, reduction)


def kl_div(
    input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """Return t (log(t) - x), the Kullback-Leibler divergence of each element.

    Parameters
    ----------
    input
        Logarithms x of probabilities.
    target
        Probabilities t, or their logarithms with `log_target`.
    reduction
        ``'batchmean'``, the sum over the number of rows, is the divergence itself.
    """
    x, t = _pair("kl_div", input, target)
    loss = _row["exp"](t) * (t - x) if log_target else _row["xlogy"](t, t) - t * x
    if reduction == "batchmean":
        return loss.sum() / (x.shape[0] if x.ndim else 1)
    return reduced(loss, reduction)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    *,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Return 1 - cos for pairs with target 1, max(0, cos - margin) for -1."""
    similarity = cosine_similarity(input1, input2, dim=-1)
    loss = where(
        as_tensor(target) > 0, 1.0 - similarity, _row["relu"](similarity - margin)
    )
    return reduced(loss, reduction)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return -log softmax at the right class.

    Parameters
    ----------
    input
        Logits, shape (N, C), (C,) or (N, C, d1, ...).
    target
        Labels 0 .. C - 1, shape (N,), () or (N, d1, ...); or probabilities, of the
        shape of the input.
    weight
        A factor for each class, shape (C,).
    ignore_index
        A label whose rows do not count.
    reduction
        ``'mean'`` is over the weights of the rows that count.
    label_smoothing
        The share of the target that is spread over all classes, in [0, 1].

    Raises
    ------
    ShapeError, ArgumentError
        If shapes do not fit, or a label is out of range (which, and where).

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.nn.functional import cross_entropy
    >>> cross_entropy(ad.tensor([[0.0, 0.0]]), ad.tensor([1]))
    tensor(0.6931)
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(
            f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing!r}"
        )
    x = as_tensor(input)
    axis = _class_axis("cross_entropy", x)
    t = as_tensor(target)
    logs = log_softmax(x, axis)
    factors = _class_weights("cross_entropy", weight, x, axis)
    if x.ndim > 0 and tuple(t.shape) == tuple(x.shape):
        return _soft_targets(logs, t, factors, axis, reduction, label_smoothing)
    labels, counts = _labels("cross_entropy", x, t, axis, ignore_index)
    hard, share = _picked(logs, labels, counts, factors, axis)
    if label_smoothing == 0.0:
        return _weighted(hard, share, reduction, logs, counts)
    n_classes = x.shape[axis]
    smooth = -(logs if factors is None else logs * factors).sum(axis) * counts
    mixed = (1.0 - label_smoothing) * hard + label_smoothing / n_classes * smooth
    return _weighted(mixed, share, reduction, logs, counts)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the input at the right class; see `cross_entropy`.

    Parameters
    ----------
    input
        Logarithms of probabilities, shape (N, C), (C,) or (N, C, d1, ...).
    target
        Labels 0 .. C - 1, shape (N,), () or (N, d1, ...).
    """
    x = as_tensor(input)
    axis = _class_axis("nll_loss", x)
    factors = _class_weights("nll_loss", weight, x, axis)
    labels, counts = _labels("nll_loss", x, as_tensor(target), axis, ignore_index)
    loss, share = _picked(x, labels, counts, factors, axis)
    return _weighted(loss, share, reduction, x, counts)


def _class_axis(what: str, x: Tensor) -> int:
    if x.ndim == 0:
        raise ShapeError(f"{what}: expected (N, C), (C,) or (N, C, ...), got a scalar")
    return 0 if x.ndim == 1 else 1


def _class_weights(what: str, weight: Any, x: Tensor, axis: int) -> Any:
    """Return the weights of the classes, shaped to meet x."""
    if weight is None:
        return None
    given = as_tensor(weight)
    w: Any = given if _core.is_traced(given) else np.asarray(_core.peek(given))
    if tuple(w.shape) != (x.shape[axis],):
        raise ShapeError(
            f"{what}: weight must have one number for each of {x.shape[axis]} classes, "
            f"got shape {tuple(w.shape)}"
        )
    return w.reshape([-1 if i == axis else 1 for i in range(x.ndim)])


def _labels(
    what: str, x: Tensor, target: Tensor, axis: int, ignore_index: int
) -> tuple[Any, Any]:
    """Return checked labels (0 where ignored), and 1 for each row that counts.

    Of labels that are an argument of a recorded function a mask over the classes
    instead, in the shape of x.
    """
    values = np.asarray(_core.peek(target))
    expected = tuple(n for i, n in enumerate(x.shape) if i != axis)
    if values.shape != expected:
        raise ShapeError(
            f"{what}: for an input of shape {tuple(x.shape)} the target must have "
            f"shape {expected}, got {values.shape}"
        )
    n_classes = x.shape[axis]
    counts = values != ignore_index
    bad = counts & ~(
        (values >= 0) & (values < n_classes) & (values == np.floor(values))
    )
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        where_ = f" at {place if len(place) != 1 else place[0]}" if place else ""
        raise ArgumentError(
            f"{what}: label {values[place]:g}{where_} is out of range; labels are "
            f"whole numbers from 0 to {n_classes - 1} for {n_classes} classes"
            + (f", or ignore_index = {ignore_index}" if ignore_index >= 0 else "")
        )
    if not _core.is_traced(target):
        return np.where(counts, values, 0).astype(np.int64), counts.astype(np.float64)
    along = [-1 if i == axis else 1 for i in range(x.ndim)]
    hit = eq(unsqueeze(target, axis), np.arange(n_classes).reshape(along))
    ignored = eq(target, ignore_index)
    traced.require(hit.amax(axis) + 1.0 * ignored > 0.0)
    return hit, 1.0 - ignored


def _picked(
    logs: Tensor, labels: Any, counts: Any, factors: Any, axis: int
) -> tuple[Tensor, Any]:
    """Return the loss of each row, and the weight it has in a mean."""
    if isinstance(labels, Tensor):  # a mask
        picked = where(labels, logs, 0.0).sum(axis)
        weights = None if factors is None else (labels * factors).sum(axis)
    else:
        picked = _core.gather(logs, _positions(tuple(logs.shape), labels, axis))
        weights = None if factors is None else factors.reshape(-1)[labels]
        if weights is None and counts.all():
            return -picked, counts
    share = counts if weights is None else counts * weights
    # Rows that do not count are 0, whatever stands there.
    return where(share != 0.0, -picked * share, 0.0), share


def _positions(shape: tuple[int, ...], labels: Any, axis: int) -> Any:
    """Return where the labels' elements are in an array in C order."""
    n_rows, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    rows = np.arange(n_rows)[:, None] * shape[axis] + labels.reshape(n_rows, inner)
    return (rows * inner + np.arange(inner)).reshape(labels.shape)


def _weighted(
    loss: Tensor, share: Any, reduction: str, logs: Tensor, counts: Any
) -> Tensor:
    if reduction != "mean":
        return reduced(loss, reduction)
    if isinstance(share, Tensor):
        return loss.sum() / share.sum()
    total = float(np.sum(share))
    if total == 0.0:  # NaN; so is the slope, if there is a row that counts
        return (logs if np.any(counts) else loss).sum() * math.nan
    return loss.sum() / total


def _soft_targets(
    logs: Tensor, t: Tensor, factors: Any, axis: int, reduction: str, smoothing: float
) -> Tensor:
    """Return the cross entropy with probabilities."""
    if smoothing:
        t = (1.0 - smoothing) * t + smoothing / logs.shape[axis]
    terms = t * logs if factors is None else t * logs * factors
    loss = -terms.sum(axis)
    if reduction == "mean":
        return loss.mean()
    return reduced(loss, reduction)
