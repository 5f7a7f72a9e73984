"""Activations and losses as modules: a function with its options, made from a table."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import autodiff.nn.functional as F  # noqa: N812 - PyTorch's word
from autodiff.errors import ArgumentError
from autodiff.nn.module import Module

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "ELU": F.elu,
    "GELU": F.gelu,
    "Hardtanh": F.hardtanh,
    "LeakyReLU": F.leaky_relu,
    "LogSigmoid": F.logsigmoid,
    "LogSoftmax": F.log_softmax,
    "ReLU": F.relu,
    "ReLU6": F.relu6,
    "SELU": F.selu,
    "SiLU": F.silu,
    "Sigmoid": F.sigmoid,
    "Softmax": F.softmax,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Tanh": F.tanh,
}
LOSSES: dict[str, Callable[..., Any]] = {
    "BCELoss": F.binary_cross_entropy,
    "BCEWithLogitsLoss": F.binary_cross_entropy_with_logits,
    "CosineEmbeddingLoss": F.cosine_embedding_loss,
    "CrossEntropyLoss": F.cross_entropy,
    "HuberLoss": F.huber_loss,
    "KLDivLoss": F.kl_div,
    "L1Loss": F.l1_loss,
    "MSELoss": F.mse_loss,
    "NLLLoss": F.nll_loss,
    "SmoothL1Loss": F.smooth_l1_loss,
}

__all__ = [*ACTIVATIONS, *LOSSES]


class _Function(Module):
    """A function of `functional` with its options set."""

    function: Callable[..., Any]
    n_operands = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        known = list(inspect.signature(self.function).parameters)[self.n_operands :]
        options = dict(zip(known, args, strict=False))
        unknown = sorted(set(kwargs) - set(known))
        if unknown or len(args) > len(known):
            raise ArgumentError(
                f"{type(self).__name__} has no option "
                f"{unknown[0] if unknown else args[len(known)]!r}; known: "
                f"{', '.join(known) or 'none'}"
            )
        self.options = {**options, **kwargs}

    def forward(self, *operands: Any) -> Any:
        """Return the function of the operands."""
        return type(self).function(*operands, **self.options)

    def extra_repr(self) -> str:
        """Return the settings."""
        return ", ".join(f"{k}={v}" for k, v in self.options.items())


def _made(name: str, function: Callable[..., Any], n_operands: int) -> type[Module]:
    first = (inspect.getdoc(function) or "").splitlines()[0]
    body = {
        "function": staticmethod(function),
        "n_operands": n_operands,
        "__doc__": f"`functional.{function.__name__}` as a module. {first}",
        "__module__": "autodiff.nn",
    }
    return type(name, (_Function,), body)


globals().update({name: _made(name, f, 1) for name, f in ACTIVATIONS.items()})
globals().update(
    {
        name: _made(name, f, 3 if name == "CosineEmbeddingLoss" else 2)
        for name, f in LOSSES.items()
    }
)
