"""First values of parameters, put into them in place.

`fan_in` and `fan_out` are how many inputs an output has, and outputs an input: of a
weight (out, in, k...) in and out times the size of the kernel.
"""

from __future__ import annotations

import math

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import rand, randn
from autodiff.errors import ArgumentError, ShapeError

__all__ = [
    "calculate_gain",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def _put(tensor: Tensor, values: Tensor | float) -> Tensor:
    was = _core.set_recording(0)
    try:
        tensor.copy_(values)
    finally:
        _core.set_recording(was)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Fill with numbers uniform in [a, b)."""
    return _put(tensor, a + (b - a) * rand(tuple(tensor.shape)))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fill with normal numbers."""
    return _put(tensor, mean + std * randn(tuple(tensor.shape)))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    return _put(tensor, float(val))


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def _fans(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ShapeError(
            "fan in and fan out need a weight of at least 2 axes (out, in, ...), got "
            f"shape {tuple(tensor.shape)}"
        )
    size = math.prod(tensor.shape[2:])
    return tensor.shape[1] * size, tensor.shape[0] * size


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return by how much a nonlinearity's input must be larger to keep its variance."""
    slope = 0.01 if param is None else param
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5.0 / 3.0,
        "relu": math.sqrt(2.0),
        "leaky_relu": math.sqrt(2.0 / (1.0 + slope * slope)),
        "selu": 0.75,
    }
    if nonlinearity not in gains:
        raise ArgumentError(
            f"nonlinearity {nonlinearity!r}: expected one of {', '.join(gains)}"
        )
    return gains[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill uniformly, with variance 2 gain^2 / (fan_in + fan_out).

    Notes
    -----
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", 2010.
    """
    reach = gain * math.sqrt(6.0 / sum(_fans(tensor)))
    return uniform_(tensor, -reach, reach)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill normally, with variance 2 gain^2 / (fan_in + fan_out)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor))))


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan_in, fan_out = _fans(tensor)
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
) -> Tensor:
    """Fill uniformly, with variance gain^2 / fan.

    Notes
    -----
    K. He et al., "Delving deep into rectifiers", 2015.
    """
    reach = math.sqrt(3.0) * _kaiming(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -reach, reach)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
) -> Tensor:
    """Fill normally, with variance gain^2 / fan."""
    return normal_(tensor, 0.0, _kaiming(tensor, a, mode, nonlinearity))
