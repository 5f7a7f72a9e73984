"""Activations that are no rows of the table, made of those that are."""

from __future__ import annotations

import math
from collections.abc import Callable
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
    return _applied(_row["relu"], input, inplace)


def relu6(input: Any, inplace: bool = False) -> Tensor:
    """Return min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(
    input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Return x, kept between two values; the derivative at and beyond them is 0."""

    def limited(x: Tensor) -> Tensor:
        inside = (x > min_val) & (x < max_val)
        limit = functions.clip(x.detach(), min_val, max_val)
        z: Tensor = where(inside, x, limit)
        return z

    return _applied(limited, input, inplace)


def leaky_relu(
    input: Any, negative_slope: float = 0.01, inplace: bool = False
) -> Tensor:
    """Return x where it is positive, else `negative_slope` times x."""
    return _applied(lambda x: where(x > 0, x, negative_slope * x), input, inplace)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x where it is positive, else alpha (exp(x) - 1)."""
    return _applied(lambda x: where(x > 0, x, alpha * _row["expm1"](x)), input, inplace)


def selu(input: Any, inplace: bool = False) -> Tensor:
    """Return the scaled `elu` that keeps mean 0 and variance 1.

    Notes
    -----
    G. Klambauer et al., "Self-normalizing neural networks", 2017.
    """
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return _applied(lambda x: scale * elu(x, alpha), input, inplace)


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
    return _applied(lambda x: x * _row["sigmoid"](x), input, inplace)


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


def _applied(function: Callable[[Any], Any], input: Any, inplace: bool) -> Tensor:
    """Return the function of the input, which takes that value on request."""
    z: Tensor = (
        _core.assign_result(input, function) if inplace else function(as_tensor(input))
    )
    return z
