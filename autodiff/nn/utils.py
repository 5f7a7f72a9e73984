"""What is done with all gradients, or all parameters, at once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import tensor
from autodiff.errors import ArgumentError, ShapeError
from autodiff.shape import cat

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "vector_to_parameters",
]


def _gradients(parameters: Any) -> list[Tensor]:
    params = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in params if p.grad is not None]


def _scale(gradients: list[Tensor], change: Any) -> None:
    was = _core.set_recording(0)
    try:
        for gradient in gradients:
            gradient.copy_(change(gradient))
    finally:
        _core.set_recording(was)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients so that their norm, as one vector, is at most `max_norm`.

    Parameters
    ----------
    parameters
        Whose gradients.
    max_norm
        The largest norm, positive.
    norm_type
        Which p-norm; infinity for the largest element.
    error_if_nonfinite
        Whether a norm that is NaN or infinite is an error; nothing changes then.

    Returns
    -------
    Tensor
        The norm before.
    """
    if not max_norm > 0:
        raise ArgumentError(f"max_norm must be positive, got {max_norm!r}")
    gradients = _gradients(parameters)
    parts = [np.ravel(_core.values_of(g)) for g in gradients]
    flat = np.concatenate(parts) if parts else np.zeros(0)
    total = float(np.linalg.norm(flat, norm_type)) if flat.size else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        raise ArgumentError(
            f"the norm of the gradients is {total}; find its origin with "
            "autodiff.nan_report(loss) before the sweep"
        )
    factor = max_norm / (total + 1e-6)
    if not factor >= 1.0:
        _scale(gradients, lambda g: g * factor)
    return tensor(total)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Keep every element of the gradients within plus or minus `clip_value`."""
    if not clip_value > 0:
        raise ArgumentError(f"clip_value must be positive, got {clip_value!r}")
    _scale(_gradients(parameters), lambda g: g.clip(-clip_value, clip_value))


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all elements as one vector."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Put the elements of a vector into the parameters."""
    params = list(parameters)
    values = np.ravel(_core.values_of(vec))
    if values.size != sum(p.numel() for p in params):
        raise ShapeError(
            f"the vector has {values.size} elements, the parameters "
            f"{sum(p.numel() for p in params)}"
        )
    first = 0
    was = _core.set_recording(0)
    try:
        for p in params:
            part = values[first : first + p.numel()].reshape(tuple(p.shape))
            p.copy_(part if p.ndim else float(part))
            first += p.numel()
    finally:
        _core.set_recording(was)
