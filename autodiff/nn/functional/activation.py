"""Activations that are no rows of the table, made of those that are."""

from __future__ import annotations

import math
from typing import Any

from autodiff import _core, functions
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError
from autodiff.functions import softplus, where
from autodiff.reduce import log_softmax, softmax

__all__ = [
    "elu",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]

_row = _core.FUNCTIONS


def relu(input: Any, inplace: bool = False) -> Tensor:
    """Return max(x, 0); the derivative at 0 is 0."""
    return _finish(input, _row["relu"](as_tensor(input)), inplace)


def relu6(input: Any, inplace: bool = False) -> Tensor:
    """Return min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(
    input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Return x, kept between two values; the derivative at and beyond them is 0."""
    x = as_tensor(input)
    inside = (x > min_val) & (x < max_val)
    limit = functions.clip(x.detach(), min_val, max_val)
    return _finish(input, where(inside, x, limit), inplace)


def leaky_relu(
    input: Any, negative_slope: float = 0.01, inplace: bool = False
) -> Tensor:
    """Return x where it is positive, else `negative_slope` times x."""
    x = as_tensor(input)
    return _finish(input, where(x > 0, x, negative_slope * x), inplace)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x where it is positive, else alpha (exp(x) - 1)."""
    x = as_tensor(input)
    return _finish(input, where(x > 0, x, alpha * _row["expm1"](x)), inplace)


def selu(input: Any, inplace: bool = False) -> Tensor:
    """Return the scaled `elu` that keeps mean 0 and variance 1.

    Notes
    -----
    G. Klambauer et al., "Self-normalizing neural networks", 2017.
    """
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return _finish(input, scale * elu(input, alpha), inplace)


def gelu(input: Any, approximate: str = "none") -> Tensor:
    """Return x times the probability that a standard normal is below x.

    Parameters
    ----------
    input
        Tensor of any shape.
    approximate
        ``'none'``, or ``'tanh'`` for the approximation by a hyperbolic tangent.

    Notes
    -----
    D. Hendrycks and K. Gimpel, "Gaussian error linear units", 2016.
    """
    x = as_tensor(input)
    if approximate == "none":
        return x * _row["ndtr"](x)
    if approximate != "tanh":
        raise ArgumentError(
            f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}"
        )
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)
    return 0.5 * x * (1.0 + _row["tanh"](inner))


def silu(input: Any, inplace: bool = False) -> Tensor:
    """Return x times its sigmoid."""
    x = as_tensor(input)
    return _finish(input, x * _row["sigmoid"](x), inplace)


def sigmoid(input: Any) -> Tensor:
    """Return 1 / (1 + exp(-x))."""
    return _row["sigmoid"](as_tensor(input))


def logsigmoid(input: Any) -> Tensor:
    """Return the logarithm of `sigmoid`, accurate where that is tiny."""
    z: Tensor = -softplus(-as_tensor(input))
    return z


def tanh(input: Any) -> Tensor:
    """Return the hyperbolic tangent."""
    return _row["tanh"](as_tensor(input))


def softsign(input: Any) -> Tensor:
    """Return x / (1 + abs(x))."""
    x = as_tensor(input)
    return x / (1.0 + abs(x))


def _finish(input: Any, z: Tensor, inplace: bool) -> Tensor:
    """Return z, put into the input on request."""
    return input.copy_(z) if inplace else z
