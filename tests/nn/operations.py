"""Cases of the functions of neural networks, as data for the tests.

A case is a call in the words that PyTorch has too: ``F`` is the module of functions and
the arrays are inputs that a gradient is wanted for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["CASES", "Case"]


class Case(NamedTuple):
    """A call: ``call(F, tensor, *inputs)``, with `tensor` for what has no gradient."""

    name: str
    call: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]

    def inputs(self) -> list[np.ndarray]:
        """Numbers for each shape, the same every time."""
        random = np.random.default_rng(sum(map(ord, self.name)))
        return [random.standard_normal(shape) for shape in self.shapes]


CASES: list[Case] = []


def case(name: str, *shapes: tuple[int, ...]) -> Callable[..., Any]:
    def keep(call: Callable[..., Any]) -> Callable[..., Any]:
        CASES.append(Case(name, call, shapes))
        return call

    return keep


def simple(name: str, function: str, *shapes: tuple[int, ...], **options: Any) -> None:
    CASES.append(
        Case(name, lambda F, t, *xs: getattr(F, function)(*xs, **options), shapes)
    )


simple("linear", "linear", (5, 3), (4, 3), (4,))
simple("linear of a vector", "linear", (3,), (4, 3), (4,))
simple("linear without bias in three axes", "linear", (2, 5, 3), (4, 3))
simple("linear of no rows", "linear", (0, 3), (4, 3), (4,))

simple("conv1d", "conv1d", (2, 3, 9), (4, 3, 3), (4,))
simple("conv1d one signal", "conv1d", (3, 9), (4, 3, 3), (4,))
simple("conv1d strided", "conv1d", (2, 4, 11), (6, 2, 3), stride=2, padding=2, groups=2)
simple("conv1d dilated", "conv1d", (2, 3, 11), (4, 3, 3), dilation=3)
simple("conv2d", "conv2d", (2, 3, 6, 7), (4, 3, 3, 2), (4,))
simple("conv2d one image", "conv2d", (3, 6, 7), (4, 3, 3, 2), (4,))
simple("conv2d strided", "conv2d", (2, 3, 7, 8), (4, 3, 3, 2), (4,), stride=(2, 3))
simple("conv2d padded", "conv2d", (2, 3, 5, 4), (4, 3, 3, 2), padding=(2, 1))
simple("conv2d same", "conv2d", (2, 3, 5, 4), (4, 3, 3, 2), padding="same")
simple("conv2d valid", "conv2d", (2, 3, 5, 4), (4, 3, 3, 2), padding="valid")
simple("conv2d dilated", "conv2d", (2, 3, 8, 9), (4, 3, 3, 2), dilation=(2, 3))
simple("conv2d grouped", "conv2d", (2, 6, 5, 5), (4, 3, 3, 3), (4,), groups=2)
simple("conv2d of each channel", "conv2d", (2, 3, 5, 5), (6, 1, 3, 3), groups=3)
simple(
    "conv2d everything", "conv2d", (2, 4, 9, 8), (6, 2, 3, 2), (6,),
    stride=(2, 1), padding=(3, 1), dilation=(2, 2), groups=2,
)  # fmt: skip
simple("conv2d of no images", "conv2d", (0, 3, 6, 7), (4, 3, 3, 2), (4,))
simple("conv2d of one pixel", "conv2d", (1, 2, 1, 1), (3, 2, 1, 1))
simple("conv_transpose1d", "conv_transpose1d", (2, 4, 5), (4, 3, 3), (3,), stride=2)
simple("conv_transpose2d", "conv_transpose2d", (2, 4, 3, 5), (4, 3, 3, 2), (3,))
simple("conv_transpose2d one image", "conv_transpose2d", (4, 3, 5), (4, 3, 3, 2))
simple(
    "conv_transpose2d everything", "conv_transpose2d", (2, 4, 3, 5), (4, 3, 3, 2), (6,),
    stride=(3, 2), padding=(2, 1), output_padding=(1, 0), groups=2, dilation=(2, 1),
)  # fmt: skip
simple(
    "unfold",
    "unfold",
    (2, 3, 6, 7),
    kernel_size=(3, 2),
    padding=1,
    stride=2,
    dilation=1,
)

simple("max_pool1d", "max_pool1d", (2, 3, 8), kernel_size=2)
simple("max_pool2d", "max_pool2d", (2, 3, 6, 8), kernel_size=2)
simple("max_pool2d overlapping", "max_pool2d", (2, 3, 7, 8), kernel_size=3, stride=2)
simple("max_pool2d padded", "max_pool2d", (2, 3, 7, 8), kernel_size=3, padding=1)
simple(
    "max_pool2d dilated", "max_pool2d", (2, 3, 9, 8), kernel_size=(3, 2), dilation=2,
    stride=1,
)  # fmt: skip
simple(
    "max_pool2d ceil", "max_pool2d", (2, 3, 8, 9), kernel_size=3, stride=2,
    ceil_mode=True,
)  # fmt: skip
simple(
    "max_pool2d ceil padded", "max_pool2d", (1, 1, 8, 7), kernel_size=3, stride=3,
    padding=1, ceil_mode=True,
)  # fmt: skip
simple("avg_pool1d", "avg_pool1d", (2, 3, 8), kernel_size=2)
simple("avg_pool2d", "avg_pool2d", (2, 3, 6, 8), kernel_size=2)
simple("avg_pool2d overlapping", "avg_pool2d", (2, 3, 7, 8), kernel_size=3, stride=2)
simple("avg_pool2d padded", "avg_pool2d", (2, 3, 7, 8), kernel_size=3, padding=1)
simple(
    "avg_pool2d padded, counting no zeros", "avg_pool2d", (2, 3, 7, 8), kernel_size=3,
    padding=1, count_include_pad=False,
)  # fmt: skip
simple(
    "avg_pool2d ceil", "avg_pool2d", (2, 3, 8, 9), kernel_size=3, stride=2, padding=1,
    ceil_mode=True,
)  # fmt: skip
simple(
    "avg_pool2d divisor", "avg_pool2d", (2, 3, 8, 9), kernel_size=3, divisor_override=5
)

for activation in (
    "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "logsigmoid",
    "softplus", "softsign", "relu6", "hardtanh", "selu",
):  # fmt: skip
    simple(activation, activation, (4, 5))
simple("softplus, linear from a threshold", "softplus", (4, 5), beta=2.0, threshold=0.5)
simple("leaky_relu steeper", "leaky_relu", (4, 5), negative_slope=0.3)
simple("elu of another alpha", "elu", (4, 5), alpha=0.7)
simple("gelu by tanh", "gelu", (4, 5), approximate="tanh")
simple("softmax", "softmax", (4, 5), dim=1)
simple("log_softmax", "log_softmax", (4, 5), dim=0)

simple("layer_norm", "layer_norm", (4, 5), normalized_shape=(5,))


@case("layer_norm with weights", (4, 2, 5), (2, 5), (2, 5))
def _(F, t, x, w, b):
    return F.layer_norm(x, (2, 5), w, b, 1e-3)


@case("batch_norm in training", (6, 3, 4), (3,), (3,))
def _(F, t, x, w, b):
    return F.batch_norm(x, None, None, w, b, training=True)


@case("batch_norm afterwards", (6, 3), (3,), (3,))
def _(F, t, x, w, b):
    mean, variance = t(np.array([0.1, 0.2, 0.3])), t(np.array([1.0, 2.0, 0.5]))
    return F.batch_norm(x, mean, variance, w, b)


@case("embedding", (7, 3))
def _(F, t, w):
    return F.embedding(t(np.array([[0, 6, 2], [2, 2, 1]])), w)


@case("embedding with padding", (7, 3))
def _(F, t, w):
    return F.embedding(t(np.array([0, 6, 2])), w, padding_idx=2)


simple("normalize", "normalize", (4, 5))
simple("cosine_similarity", "cosine_similarity", (4, 5), (4, 5))
simple(
    "cosine_similarity along another axis", "cosine_similarity", (4, 5), (4, 5), dim=0
)

LABELS = np.array([0, 3, 2, 1, 3, 0])
CLASS_WEIGHTS = np.array([0.5, 1.0, 2.0, 0.3])
for reduction in ("mean", "sum", "none"):
    for loss in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        simple(f"{loss} {reduction}", loss, (3, 4), (3, 4), reduction=reduction)
    for loss in ("cross_entropy", "nll_loss"):

        @case(f"{loss} {reduction}", (6, 4))
        def _(F, t, x, loss=loss, reduction=reduction):
            return getattr(F, loss)(x, t(LABELS), reduction=reduction)

        @case(f"{loss} weighted {reduction}", (6, 4))
        def _(F, t, x, loss=loss, reduction=reduction):
            return getattr(F, loss)(
                x, t(LABELS), t(CLASS_WEIGHTS), ignore_index=3, reduction=reduction
            )

        @case(f"{loss} of images {reduction}", (2, 4, 3, 1))
        def _(F, t, x, loss=loss, reduction=reduction):
            target = t(LABELS.reshape(2, 3, 1))
            return getattr(F, loss)(x, target, reduction=reduction)

    @case(f"cross_entropy smoothed {reduction}", (6, 4))
    def _(F, t, x, reduction=reduction):
        return F.cross_entropy(
            x,
            t(LABELS),
            t(CLASS_WEIGHTS),
            ignore_index=1,
            reduction=reduction,
            label_smoothing=0.2,
        )

    @case(f"cross_entropy of probabilities {reduction}", (6, 4), (6, 4))
    def _(F, t, x, y, reduction=reduction):
        return F.cross_entropy(x, F.softmax(y, 1), reduction=reduction)

    @case(f"binary_cross_entropy {reduction}", (3, 4))
    def _(F, t, x, reduction=reduction):
        target = t(np.linspace(0.0, 1.0, 12).reshape(3, 4))
        return F.binary_cross_entropy(F.sigmoid(x), target, reduction=reduction)

    @case(f"binary_cross_entropy_with_logits {reduction}", (3, 4))
    def _(F, t, x, reduction=reduction):
        target = t(np.linspace(0.0, 1.0, 12).reshape(3, 4))
        return F.binary_cross_entropy_with_logits(
            x, target, pos_weight=t(np.array([1.0, 2.0, 3.0, 0.5])), reduction=reduction
        )

    @case(f"kl_div {reduction}", (3, 4), (3, 4))
    def _(F, t, x, y, reduction=reduction):
        return F.kl_div(F.log_softmax(x, 1), F.softmax(y, 1), reduction=reduction)


@case("kl_div of logarithms, a batch", (3, 4), (3, 4))
def _(F, t, x, y):
    return F.kl_div(
        F.log_softmax(x, 1), F.log_softmax(y, 1), reduction="batchmean", log_target=True
    )


@case("cross_entropy of one row", (4,))
def _(F, t, x):
    return F.cross_entropy(x, t(np.array(2)))
