"""Optimisers that take one step for one gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from autodiff.errors import ArgumentError
from autodiff.optim.optimizer import Optimizer, check_number

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "RMSprop"]

Array = npt.NDArray[np.float64]


class SGD(Optimizer):
    """Gradient descent, with momentum.

    Parameters
    ----------
    params
        Tensors, or groups of them.
    lr
        Step per unit of gradient.
    momentum
        Share of the velocity that stays: v = momentum v + (1 - dampening) g, the first
        time v = g, and x falls by lr v.
    dampening
        See there.
    weight_decay
        Added to the gradient, times x.
    nesterov
        Whether x falls by lr (g + momentum v) instead.
    maximize
        Whether the objective is to grow.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.tensor(1.0, requires_grad=True)
    >>> optimizer = ad.optim.SGD([x], lr=0.1)
    >>> (x * x).backward()
    >>> optimizer.step()
    >>> x
    tensor(0.8000, requires_grad=True)
    """

    kind = "sgd"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Mapping[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            check_number(name, group[name])
        check_number("dampening", group["dampening"], -np.inf)
        if group["nesterov"] and not (
            group["momentum"] > 0 and group["dampening"] == 0
        ):
            raise ArgumentError(
                "nesterov needs a momentum above 0 and no dampening, got momentum "
                f"{group['momentum']!r}, dampening {group['dampening']!r}"
            )

    def _new_states(self, group: Mapping[str, Any], size: int) -> list[Array]:
        return [np.zeros(size)]

    def _how(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "rate": group["lr"],
            "momentum": group["momentum"],
            "dampening": group["dampening"],
            "decay": group["weight_decay"],
            "is_nesterov": group["nesterov"],
            "is_maximizing": group["maximize"],
        }


class Adam(Optimizer):
    """Steps of about `lr`, by moving averages of the gradient and its square.

    Parameters
    ----------
    params
        Tensors, or groups of them.
    lr
        About the length of a step in each element.
    betas
        How much of each average stays.
    eps
        Added to the root of the mean square.
    weight_decay
        Added to the gradient, times x.
    amsgrad
        Whether the largest mean square so far is used.
    maximize
        Whether the objective is to grow.

    Notes
    -----
    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015.
    """

    kind = "adam"
    is_decoupled = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Mapping[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_number(name, group[name])
        if np.shape(group["betas"]) != (2,):
            raise ArgumentError(f"betas must be two numbers, got {group['betas']!r}")
        for beta in group["betas"]:
            if not check_number("betas", beta, 0.0, 1.0) < 1.0:
                raise ArgumentError(f"betas must be below 1, got {group['betas']!r}")

    def _new_states(self, group: Mapping[str, Any], size: int) -> list[Array]:
        return [np.zeros(size) for _ in range(3 if group["amsgrad"] else 2)]

    def _how(self, group: Mapping[str, Any]) -> dict[str, Any]:
        beta1, beta2 = group["betas"]
        return {
            "rate": group["lr"],
            "beta1": beta1,
            "beta2": beta2,
            "tiny": group["eps"],
            "decay": group["weight_decay"],
            "is_decoupled": self.is_decoupled,
            "is_amsgrad": group["amsgrad"],
            "is_maximizing": group["maximize"],
        }


class AdamW(Adam):
    """`Adam`, with a weight decay of x itself that bypasses the averages.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize
        As for `Adam`.
    weight_decay
        x falls by lr weight_decay x.

    Notes
    -----
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019.
    """

    is_decoupled = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize
        )


class RMSprop(Optimizer):
    """Steps over the root of a moving mean square of the gradient.

    Parameters
    ----------
    params
        Tensors, or groups of them.
    lr
        About the length of a step in each element.
    alpha
        How much of the mean square stays.
    eps
        Added to its root.
    weight_decay
        Added to the gradient, times x.
    momentum
        Share of the velocity that stays.
    centered
        Whether the square of the mean is taken off: the variance is used.
    maximize
        Whether the objective is to grow.

    Notes
    -----
    G. Hinton, "Neural networks for machine learning", lecture 6, 2012.
    """

    kind = "rmsprop"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Mapping[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay", "momentum"):
            check_number(name, group[name])
        check_number("alpha", group["alpha"], 0.0, 1.0)

    def _new_states(self, group: Mapping[str, Any], size: int) -> list[Array]:
        return [np.zeros(size) for _ in range(3)]

    def _how(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "rate": group["lr"],
            "alpha": group["alpha"],
            "tiny": group["eps"],
            "decay": group["weight_decay"],
            "momentum": group["momentum"],
            "is_centered": group["centered"],
            "is_maximizing": group["maximize"],
        }


class Adagrad(Optimizer):
    """Steps over the root of the sum of squares of all gradients so far.

    Parameters
    ----------
    params
        Tensors, or groups of them.
    lr
        Length of the first step in each element.
    lr_decay
        Step number t has the rate lr / (1 + (t - 1) lr_decay).
    weight_decay
        Added to the gradient, times x.
    initial_accumulator_value
        Where the sum begins.
    eps
        Added to its root.
    maximize
        Whether the objective is to grow.

    Notes
    -----
    J. Duchi et al., "Adaptive subgradient methods", 2011.
    """

    kind = "adagrad"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Mapping[str, Any]) -> None:
        for name in (
            "lr",
            "lr_decay",
            "weight_decay",
            "initial_accumulator_value",
            "eps",
        ):
            check_number(name, group[name])

    def _new_states(self, group: Mapping[str, Any], size: int) -> list[Array]:
        return [np.full(size, float(group["initial_accumulator_value"]))]

    def _how(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "rate": group["lr"],
            "rate_decay": group["lr_decay"],
            "decay": group["weight_decay"],
            "tiny": group["eps"],
            "is_maximizing": group["maximize"],
        }
