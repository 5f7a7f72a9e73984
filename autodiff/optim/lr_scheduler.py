"""Learning rates that change from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from autodiff.errors import ArgumentError
from autodiff.optim.optimizer import Optimizer, check_number

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "StepLR",
]


class _Schedule:
    """Rates that are a function of the epoch; `step()` goes to the next one."""

    last_epoch: int

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(
                f"a scheduler takes an optimiser, got a {type(optimizer).__name__}"
            )
        groups = optimizer.param_groups
        if last_epoch != -1 and not all("initial_lr" in group for group in groups):
            raise ArgumentError(
                f"last_epoch = {last_epoch} goes on with a schedule: the optimiser "
                "must have its first rates ('initial_lr'), from load_state_dict"
            )
        self.optimizer = optimizer
        self.base_lrs = [group.get("initial_lr", group["lr"]) for group in groups]
        self._set(last_epoch + 1)
        for group, base in zip(groups, self.base_lrs, strict=True):
            group["initial_lr"] = base

    def factor(self, base: float, epoch: int, k: int) -> float:
        """Return the rate of group k, whose first was `base`, in an epoch."""
        raise NotImplementedError

    def _set(self, epoch: int) -> None:
        """Set the rates of an epoch; nothing has changed if one makes no sense."""
        name = f"{type(self).__name__}: the rate of epoch {epoch}"
        rates = [
            check_number(name, self.factor(base, epoch, k))
            for k, base in enumerate(self.base_lrs)
        ]
        groups = self.optimizer.param_groups
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        self.last_epoch = epoch

    def step(self) -> None:
        """Go to the next epoch."""
        self._set(self.last_epoch + 1)

    def get_last_lr(self) -> list[float]:
        """Return the rates of the groups."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return where the schedule is."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go where another schedule was."""
        before, self.base_lrs = self.base_lrs, list(state_dict["base_lrs"])
        try:
            self._set(int(state_dict["last_epoch"]))
        except ArgumentError:
            self.base_lrs = before
            raise


class StepLR(_Schedule):
    """The rate times `gamma` every `step_size` epochs."""

    def __init__(
        self,
        optimizer: Optimizer,
        step_size: int,
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        if not (isinstance(step_size, int) and step_size >= 1):
            raise ArgumentError(
                f"step_size must be a whole number from 1, got {step_size!r}"
            )
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, base: float, epoch: int, k: int) -> float:
        """Return the rate of an epoch."""
        return float(base * self.gamma ** (epoch // self.step_size))


class MultiStepLR(_Schedule):
    """The rate times `gamma` at each of the epochs `milestones`."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Sequence[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, base: float, epoch: int, k: int) -> float:
        """Return the rate of an epoch."""
        passed = sum(epoch >= milestone for milestone in self.milestones)
        return float(base * self.gamma**passed)


class ExponentialLR(_Schedule):
    """The rate times `gamma` every epoch."""

    def __init__(
        self, optimizer: Optimizer, gamma: float, last_epoch: int = -1
    ) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, base: float, epoch: int, k: int) -> float:
        """Return the rate of an epoch."""
        return float(base * self.gamma**epoch)


class LambdaLR(_Schedule):
    """The first rate times a function of the epoch, one or one for each group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        n = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * n if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != n:
            raise ArgumentError(
                f"lr_lambda must be one function or one for each of {n} groups"
            )
        super().__init__(optimizer, last_epoch)

    def factor(self, base: float, epoch: int, k: int) -> float:
        """Return the rate of an epoch."""
        return float(base * self.lr_lambdas[k](epoch))


class CosineAnnealingLR(_Schedule):
    """The rate along half a cosine, from the first to `eta_min` in `T_max` epochs.

    Notes
    -----
    I. Loshchilov and F. Hutter, "SGDR", 2017.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803 - PyTorch's word
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if not (isinstance(T_max, int) and T_max >= 1):
            raise ArgumentError(f"T_max must be a whole number from 1, got {T_max!r}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def factor(self, base: float, epoch: int, k: int) -> float:
        """Return the rate of an epoch."""
        share = (1.0 + math.cos(math.pi * epoch / self.T_max)) / 2.0
        return self.eta_min + (base - self.eta_min) * share


class LinearLR(_Schedule):
    """The rate times a factor that goes from one to another in `total_iters` epochs."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3.0,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not (0.0 < start_factor <= 1.0 and 0.0 <= end_factor <= 1.0):
            raise ArgumentError(
                "start_factor must be above 0 and end_factor from 0, both to 1, got "
                f"{start_factor!r} and {end_factor!r}"
            )
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, base: float, epoch: int, k: int) -> float:
        """Return the rate of an epoch."""
        n = self.total_iters
        share = epoch / n if epoch < n else 1.0
        return base * (
            self.start_factor + (self.end_factor - self.start_factor) * share
        )


class ConstantLR(_Schedule):
    """The rate times `factor` for `total_iters` epochs, then the rate."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 <= factor <= 1.0:
            raise ArgumentError(f"factor must be from 0 to 1, got {factor!r}")
        self.first_factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, base: float, epoch: int, k: int) -> float:
        """Return the rate of an epoch."""
        return base * self.first_factor if epoch < self.total_iters else base


class PolynomialLR(_Schedule):
    """The rate times a power of the share of `total_iters` epochs that is left."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor(self, base: float, epoch: int, k: int) -> float:
        """Return the rate of an epoch."""
        n = self.total_iters
        left = 1.0 - epoch / n if epoch < n else 0.0
        return float(base * left**self.power)


class ReduceLROnPlateau:
    """The rate times `factor` when a metric has not improved for `patience` epochs.

    Parameters
    ----------
    optimizer
        Whose rates are reduced.
    mode
        ``'min'`` or ``'max'``: what is better.
    factor
        Below 1.
    patience
        Epochs without improvement that are borne.
    threshold, threshold_mode
        By how much a metric must be better to count: ``'rel'`` to the best, or
        ``'abs'``.
    cooldown
        Epochs after a reduction that do not count.
    min_lr
        The least rate.
    eps
        A reduction by less is left out.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not 0.0 <= factor < 1.0:
            raise ArgumentError(f"factor must be from 0 to below 1, got {factor!r}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ArgumentError(
                "mode must be 'min' or 'max' and threshold_mode 'rel' or 'abs', got "
                f"{mode!r}, {threshold_mode!r}"
            )
        self.optimizer, self.mode, self.factor = optimizer, mode, factor
        self.patience, self.cooldown = patience, cooldown
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.min_lr, self.eps = min_lr, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def step(self, metrics: Any) -> None:
        """Take note of an epoch's metric, and reduce the rates if it is time."""
        value = float(
            metrics.detach().item() if hasattr(metrics, "detach") else metrics
        )
        self.last_epoch += 1
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group in self.optimizer.param_groups:
                lr = max(group["lr"] * self.factor, self.min_lr)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def _is_better(self, value: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        if self.threshold_mode == "abs":
            return sign * value < sign * self.best - self.threshold
        return sign * value < sign * self.best * (1.0 - sign * self.threshold)

    def get_last_lr(self) -> list[float]:
        """Return the rates of the groups."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return where the schedule is, and its settings."""
        return {k: v for k, v in vars(self).items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go where another schedule was."""
        known = self.state_dict()
        unknown = sorted(set(state_dict) - set(known))
        if unknown:
            raise ArgumentError(f"ReduceLROnPlateau has no {unknown[0]!r}")
        vars(self).update(state_dict)
