"""Layers: functions with their parameters and options."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import autodiff.nn.functional as F  # noqa: N812 - PyTorch's word
from autodiff._core import Tensor
from autodiff.creation import ones, tensor, zeros
from autodiff.errors import ArgumentError, ShapeError
from autodiff.nn import init
from autodiff.nn.functional.windows import extents
from autodiff.nn.module import Module, Parameter
from autodiff.shape import flatten

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "Identity",
    "LayerNorm",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
]


def learned(shape: Sequence[int], fan_in: int) -> Any:
    """Return a parameter uniform within 1 / sqrt(fan_in), PyTorch's first values."""
    reach = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
    return Parameter(init.uniform_(zeros(*shape), -reach, reach))


class Linear(Module):
    """x W' + b.

    Parameters
    ----------
    in_features, out_features
        Extents of the last axis of x and of the result.
    bias
        Whether b is there.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.nn.Linear(3, 2)(ad.zeros(5, 3)).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        if in_features < 0 or out_features < 0:
            raise ArgumentError(
                f"Linear: extents must not be negative, got {in_features} and "
                f"{out_features}"
            )
        self.in_features, self.out_features = in_features, out_features
        self.weight = learned((out_features, in_features), in_features)
        self.bias = learned((out_features,), in_features) if bias else None

    def forward(self, input: Any) -> Tensor:
        """Return x W' + b."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class _Convolution(Module):
    n_axes = 0
    is_transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"groups = {groups} does not divide {in_channels} input channels and "
                f"{out_channels} output channels"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = extents("kernel_size", kernel_size, self.n_axes)
        self.stride, self.padding = stride, padding
        self.dilation, self.groups = dilation, groups
        first, second = out_channels, in_channels
        if self.is_transposed:
            first, second = second, first
        shape = (first, second // groups, *self.kernel_size)
        fan_in = shape[1] * math.prod(self.kernel_size)
        self.weight = learned(shape, fan_in)
        self.bias = learned((out_channels,), fan_in) if bias else None

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"{self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}"
        )


class Conv1d(_Convolution):
    """`functional.conv1d` with a weight and a bias that are learned."""

    n_axes = 1

    def forward(self, input: Any) -> Tensor:
        """Return the convolution."""
        return F.conv1d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )


class Conv2d(_Convolution):
    """`functional.conv2d` with a weight and a bias that are learned.

    Parameters
    ----------
    in_channels, out_channels
        Channels of the input and of the result.
    kernel_size, stride, padding, dilation, groups
        As for `functional.conv2d`.
    bias
        Whether there is one.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.nn.Conv2d(1, 4, 3, padding=1)(ad.zeros(2, 1, 8, 8)).shape
    (2, 4, 8, 8)
    """

    n_axes = 2

    def forward(self, input: Any) -> Tensor:
        """Return the convolution."""
        return F.conv2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )


class ConvTranspose2d(_Convolution):
    """`functional.conv_transpose2d` with a weight and a bias that are learned."""

    n_axes = 2
    is_transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
        )
        self.output_padding = output_padding

    def forward(self, input: Any) -> Tensor:
        """Return the transposed convolution."""
        return F.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )


class _Pool(Module):
    """Pooling with its options; a subclass names the function and the options."""

    function: Callable[..., Tensor]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        if options["stride"] is None:
            options["stride"] = options["kernel_size"]
        self.options = options

    def forward(self, input: Any) -> Tensor:
        """Return one number for each window."""
        return type(self).function(input, **self.options)

    def extra_repr(self) -> str:
        """Return the settings."""
        return ", ".join(f"{k}={v}" for k, v in self.options.items())


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            return_indices=return_indices,
            ceil_mode=ceil_mode,
        )


class MaxPool1d(_MaxPool):
    """`functional.max_pool1d`."""

    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """`functional.max_pool2d`."""

    function = staticmethod(F.max_pool2d)


class AvgPool1d(_Pool):
    """`functional.avg_pool1d`."""

    function = staticmethod(F.avg_pool1d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )


class AvgPool2d(_Pool):
    """`functional.avg_pool2d`."""

    function = staticmethod(F.avg_pool2d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
            divisor_override=divisor_override,
        )


class AdaptiveAvgPool2d(Module):
    """`functional.adaptive_avg_pool2d`."""

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Tensor:
        """Return the means of as many windows as asked for."""
        return F.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"output_size={self.output_size}"


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` made one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Tensor:
        """Return the input with these axes made one."""
        return flatten(input, self.start_dim, self.end_dim)


class Identity(Module):
    """The input as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Return the input."""
        return input


class Embedding(Module):
    """A table of vectors, looked up by number.

    Parameters
    ----------
    num_embeddings, embedding_dim
        Rows and their length.
    padding_idx
        A row of zeros that is not learned.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx
        values = init.normal_(zeros(num_embeddings, embedding_dim))
        if padding_idx is not None:
            values[padding_idx] = 0.0
        self.weight: Any = Parameter(values)

    def forward(self, input: Any) -> Tensor:
        """Return the rows."""
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.num_embeddings}, {self.embedding_dim}"


class _BatchNorm(Module):
    n_axes: tuple[int, ...] = ()
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(ones(num_features)) if affine else None
        self.bias = Parameter(zeros(num_features)) if affine else None
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features) if tracked else None)
        self.register_buffer("running_var", ones(num_features) if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0.0) if tracked else None)

    def forward(self, input: Any) -> Tensor:
        """Return the input with mean 0 and variance 1, scaled and shifted."""
        if input.ndim not in self.n_axes:
            raise ShapeError(
                f"{type(self).__name__} expects {' or '.join(map(str, self.n_axes))} "
                f"axes, got shape {tuple(input.shape)}"
            )
        mean: Any = self.running_mean
        variance: Any = self.running_var
        momentum = self.momentum
        if self.training and mean is not None:
            self.num_batches_tracked += 1.0
            if momentum is None:  # the mean of all batches so far
                momentum = 1.0 / self.num_batches_tracked.item()
        return F.batch_norm(
            input,
            mean,
            variance,
            self.weight,
            self.bias,
            self.training or mean is None,
            momentum or 0.0,
            self.eps,
        )

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(_BatchNorm):
    """`functional.batch_norm` of (N, C) or (N, C, L), with its running statistics."""

    n_axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """`functional.batch_norm` of (N, C, H, W), with its running statistics."""

    n_axes = (4,)


class LayerNorm(Module):
    """`functional.layer_norm` with a scale and a shift that are learned."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        one = hasattr(normalized_shape, "__index__")
        self.normalized_shape = (normalized_shape,) if one else tuple(normalized_shape)
        self.eps = eps
        shape = self.normalized_shape
        self.weight = Parameter(ones(*shape)) if elementwise_affine else None
        self.bias = Parameter(zeros(*shape)) if elementwise_affine and bias else None

    def forward(self, input: Any) -> Tensor:
        """Return each row with mean 0 and variance 1, scaled and shifted."""
        return F.layer_norm(
            input, self.normalized_shape, self.weight, self.bias, self.eps
        )

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.normalized_shape}, eps={self.eps}"


class Dropout(Module):
    """`functional.dropout` while training."""

    function = staticmethod(F.dropout)

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(f"p must be a probability in [0, 1], got {p!r}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Any) -> Tensor:
        """Return the input, with elements dropped while training."""
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout2d(Dropout):
    """`functional.dropout2d` while training."""

    function = staticmethod(F.dropout2d)
