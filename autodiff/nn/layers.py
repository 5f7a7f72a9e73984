"""Layers with parameters, and what puts layers together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import autodiff.nn.functional as F  # noqa: N812 - PyTorch's word
from autodiff._core import Tensor
from autodiff.creation import ones, zeros
from autodiff.errors import ArgumentError, ShapeError
from autodiff.nn import init
from autodiff.nn.functional.windows import extents
from autodiff.nn.module import Module, Parameter
from autodiff.shape import chunk, flatten

__all__ = [
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "Identity",
    "LayerNorm",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "ModuleList",
    "Sequential",
]


def _learned(shape: Sequence[int], fan_in: int) -> Any:
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
        self.in_features, self.out_features = in_features, out_features
        self.weight = _learned((out_features, in_features), in_features)
        self.bias = _learned((out_features,), in_features) if bias else None

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
        self.weight = _learned(shape, fan_in)
        self.bias = _learned((out_channels,), fan_in) if bias else None

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
    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def extra_repr(self) -> str:
        """Return the settings."""
        stride = self.kernel_size if self.stride is None else self.stride
        return (
            f"kernel_size={self.kernel_size}, stride={stride}, padding={self.padding}"
        )


class MaxPool1d(_Pool):
    """`functional.max_pool1d`."""

    def forward(self, input: Any) -> Tensor:
        """Return the largest element of each window."""
        return F.max_pool1d(input, self.kernel_size, self.stride, self.padding)


class MaxPool2d(_Pool):
    """`functional.max_pool2d`."""

    def forward(self, input: Any) -> Tensor:
        """Return the largest element of each window."""
        return F.max_pool2d(input, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool):
    """`functional.avg_pool2d`."""

    def forward(self, input: Any) -> Tensor:
        """Return the mean of each window."""
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding)


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


class Sequential(Module):
    """Modules one after the other.

    Examples
    --------
    >>> import autodiff as ad
    >>> net = ad.nn.Sequential(ad.nn.Linear(3, 4), ad.nn.Tanh(), ad.nn.Linear(4, 1))
    >>> net(ad.zeros(2, 3)).shape, len(list(net.parameters()))
    ((2, 1), 4)
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        parts = modules
        if len(modules) == 1 and isinstance(modules[0], dict):
            named = list(modules[0].items())
        else:
            named = [(str(i), module) for i, module in enumerate(parts)]
        for name, module in named:
            if not isinstance(module, Module):
                raise ArgumentError(
                    f"Sequential takes modules, got a {type(module).__name__}"
                )
            setattr(self, name, module)

    def forward(self, input: Any) -> Any:
        """Return what the last module makes of it."""
        for _, module in self.named_children():
            input = module(input)
        return input

    def __len__(self) -> int:
        return len(list(self.named_children()))

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: Any) -> Any:
        parts = list(self.children())[index]
        return Sequential(*parts) if isinstance(index, slice) else parts


class ModuleList(Module):
    """A list of modules whose parameters count."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end."""
        setattr(self, str(len(self)), module)
        return self

    def __len__(self) -> int:
        return len(list(self.named_children()))

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: Any) -> Any:
        return list(self.children())[index]


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

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
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

    def forward(self, input: Any) -> Tensor:
        """Return the input with mean 0 and variance 1, scaled and shifted."""
        if input.ndim not in self.n_axes:
            raise ShapeError(
                f"{type(self).__name__} expects {' or '.join(map(str, self.n_axes))} "
                f"axes, got shape {tuple(input.shape)}"
            )
        mean: Any = self.running_mean
        variance: Any = self.running_var
        training = self.training or mean is None
        return F.batch_norm(
            input,
            mean,
            variance,
            self.weight,
            self.bias,
            training,
            self.momentum,
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
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True
    ) -> None:
        super().__init__()
        one = hasattr(normalized_shape, "__index__")
        self.normalized_shape = (normalized_shape,) if one else tuple(normalized_shape)
        self.eps = eps
        shape = self.normalized_shape
        self.weight = Parameter(ones(*shape)) if elementwise_affine else None
        self.bias = Parameter(zeros(*shape)) if elementwise_affine else None

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

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(f"p must be a probability in [0, 1], got {p!r}")
        self.p = p

    def forward(self, input: Any) -> Tensor:
        """Return the input, with elements dropped while training."""
        return F.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"p={self.p}"


class GRUCell(Module):
    """One step of a gated recurrent unit.

    Parameters
    ----------
    input_size, hidden_size
        Extents of the last axis of the input and of the state.
    bias
        Whether the gates have one.

    Notes
    -----
    ``r = s(W_ir x + W_hr h)``, ``z = s(W_iz x + W_hz h)``, ``n = tanh(W_in x + r (W_hn
    h))``, ``h' = (1 - z) n + z h`` (K. Cho et al., 2014), biases understood.

    Examples
    --------
    >>> import autodiff as ad
    >>> cell = ad.nn.GRUCell(3, 2)
    >>> cell(ad.zeros(5, 3)).shape
    (5, 2)
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        n = 3 * hidden_size
        self.weight_ih = _learned((n, input_size), hidden_size)
        self.weight_hh = _learned((n, hidden_size), hidden_size)
        self.bias_ih = _learned((n,), hidden_size) if bias else None
        self.bias_hh = _learned((n,), hidden_size) if bias else None

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        """Return the next state for an input and the state before, 0 by default."""
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"GRUCell takes inputs of {self.input_size} features, got shape "
                f"{tuple(input.shape)}"
            )
        h = zeros(*input.shape[:-1], self.hidden_size) if hx is None else hx
        if tuple(h.shape) != (*input.shape[:-1], self.hidden_size):
            raise ShapeError(
                f"GRUCell needs a state of shape "
                f"{(*input.shape[:-1], self.hidden_size)}, got {tuple(h.shape)}"
            )
        from_input = F.linear(input, self.weight_ih, self.bias_ih)
        from_state = F.linear(h, self.weight_hh, self.bias_hh)
        i_r, i_z, i_n = chunk(from_input, 3, -1)
        h_r, h_z, h_n = chunk(from_state, 3, -1)
        reset, update = F.sigmoid(i_r + h_r), F.sigmoid(i_z + h_z)
        new = F.tanh(i_n + reset * h_n)
        return new + update * (h - new)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.input_size}, {self.hidden_size}"
