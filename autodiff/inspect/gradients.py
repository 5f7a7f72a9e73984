"""Gradients of all layers at a glance: which are dead, vanishing or exploding."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.errors import ArgumentError

__all__ = ["GradientReport", "LayerReport", "gradient_report"]


@dataclass(frozen=True)
class LayerReport:
    """The gradient of one parameter.

    Attributes
    ----------
    name
        The parameter's, or its number.
    shape
        The parameter's.
    norm
        Root of the sum of squares of the gradient; NaN if it has none, as below.
    min, max
        Its least and largest element.
    zeros
        Share of elements that are exactly 0.
    n_nan, n_inf
        Elements that are NaN, and infinite.
    ratio
        Norm of the update over that of the parameter.
    flags
        Some of "no gradient", "dead", "vanishing", "exploding", "nan", "inf".
    """

    name: str
    shape: tuple[int, ...]
    norm: float = math.nan
    min: float = math.nan
    max: float = math.nan
    zeros: float = math.nan
    n_nan: int = 0
    n_inf: int = 0
    ratio: float = math.nan
    flags: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class GradientReport:
    """What `gradient_report` found; prints as a table.

    Attributes
    ----------
    layers
        A `LayerReport` for each parameter, in order.
    norm
        Of all gradients as one vector.
    """

    layers: tuple[LayerReport, ...]
    norm: float

    @property
    def flagged(self) -> tuple[LayerReport, ...]:
        """The layers with a flag."""
        return tuple(layer for layer in self.layers if layer.flags)

    def __str__(self) -> str:
        head = ["parameter", "shape", "norm", "min", "max", "zeros", "ratio", ""]
        rows = [head]
        for at in self.layers:
            numbers = [f"{v:.3g}" for v in (at.norm, at.min, at.max)]
            shares = [f"{at.zeros:.0%}" if at.zeros == at.zeros else "nan"]
            counts = [f"{at.n_nan} nan"] * (at.n_nan > 0) + [f"{at.n_inf} inf"] * (
                at.n_inf > 0
            )
            flags = ", ".join([f for f in at.flags if f not in ("nan", "inf")] + counts)
            ratio = f"{at.ratio:.3g}"
            rows.append([at.name, str(at.shape), *numbers, *shares, ratio, flags])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(w) for cell, w in zip(row, widths, strict=True)
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, f"norm of all gradients: {self.norm:.3g}"])


def gradient_report(
    model_or_params: Any,
    *,
    optimizer: Any = None,
    lr: float = 1.0,
    vanishing: float = 1e-4,
    exploding: float = 1e3,
) -> GradientReport:
    """Report on the gradients of a module's parameters, after `backward`.

    Parameters
    ----------
    model_or_params
        A module; or tensors: one, several, or a dict by name.
    optimizer
        Whose step the ratio of update to weight is of: the one that it would take now,
        found with copies; nothing moves. Without one, and for parameters that are not
        its own, an update is `lr` times the gradient.
    lr
        The rate that an update multiplies the gradient with, if there is no optimiser.
    vanishing
        A gradient whose root mean square is below this share of the largest among the
        layers, or below 1e-12, is flagged "vanishing".
    exploding
        One whose norm is above this is flagged "exploding"; so is infinity. NaN is
        "nan".

    Returns
    -------
    GradientReport
        Norm, least and largest element, share of zeros, counts of NaN and infinity,
        ratio of update to weight, and flags for each parameter. A gradient that is zero
        throughout is "dead".

    Raises
    ------
    ArgumentError
        If there is no parameter, or something that is no tensor; if `lr` is not a
        finite number; if the optimiser's step needs a closure, as that of LBFGS.

    Examples
    --------
    >>> import autodiff as ad
    >>> w = ad.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * ad.tensor([1.0, 0.0])).sum().backward()
    >>> print(ad.inspect.gradient_report({"w": w}, lr=0.5))
    parameter  shape  norm  min  max  zeros  ratio
    w          (2,)   1     0    1    50%    0.1
    norm of all gradients: 1
    """
    if not math.isfinite(lr):
        raise ArgumentError(f"gradient_report: lr must be a finite number, got {lr!r}")
    named = _named(model_or_params)
    updates = {} if optimizer is None else _updates(named, optimizer)
    gradients = {name: _numbers(p.grad) for name, p in named.items()}
    sizes = [_rms(g) for g in gradients.values() if g is not None]
    largest = max((s for s in sizes if math.isfinite(s)), default=0.0)
    layers = []
    for name, p in named.items():
        g = gradients[name]
        if g is None:
            layers.append(LayerReport(name, tuple(p.shape), flags=("no gradient",)))
            continue
        flags = _flags(g, max(vanishing * largest, 1e-12), exploding)
        update = updates.get(name, abs(lr) * float(np.linalg.norm(g)))
        layers.append(_layer(name, p, g, update, flags))
    total = math.hypot(*(layer.norm for layer in layers if layer.norm == layer.norm))
    has_nan = any(layer.n_nan for layer in layers)
    return GradientReport(tuple(layers), math.nan if has_nan else total)


def _layer(
    name: str, p: Tensor, g: Any, update: float, flags: tuple[str, ...]
) -> LayerReport:
    weight = float(np.linalg.norm(np.ravel(_core.values_of(p))))
    norm = float(np.linalg.norm(g))
    ratio = update / weight if weight else (math.inf if update else math.nan)
    return LayerReport(
        name,
        tuple(p.shape),
        norm,
        float(g.min()) if g.size else math.nan,
        float(g.max()) if g.size else math.nan,
        float(np.mean(g == 0.0)) if g.size else math.nan,
        int(np.isnan(g).sum()),
        int(np.isinf(g).sum()),
        ratio,
        flags,
    )


def _updates(named: Mapping[str, Tensor], optimizer: Any) -> dict[str, float]:
    """Return by how much a step of the optimiser would move its parameters."""
    copies, stepper = copy.deepcopy((list(named.values()), optimizer))
    try:
        stepper.step()
    except (TypeError, ArgumentError) as error:
        raise ArgumentError(
            f"gradient_report: {type(optimizer).__name__} cannot say its step from the "
            f"gradients alone ({error}); leave it out"
        ) from None
    moved = {id(p) for group in stepper.param_groups for p in group["params"]}
    return {
        name: float(np.linalg.norm(np.ravel(_core.values_of(new) - _core.values_of(p))))
        for (name, p), new in zip(named.items(), copies, strict=True)
        if id(new) in moved
    }


def _named(given: Any) -> dict[str, Tensor]:
    if hasattr(given, "named_parameters"):
        named = dict(given.named_parameters())
    elif isinstance(given, Mapping):
        named = {str(name): p for name, p in given.items()}
    elif isinstance(given, Tensor):
        named = {"0": given}
    elif isinstance(given, Iterable):
        named = {str(i): p for i, p in enumerate(given)}
    else:
        raise ArgumentError(
            f"gradient_report takes a module or tensors, got a '{type(given).__name__}'"
        )
    if not named:
        raise ArgumentError("gradient_report got no parameters")
    for name, p in named.items():
        if not isinstance(p, Tensor):
            raise ArgumentError(
                f"gradient_report: {name} is a '{type(p).__name__}'; expected a tensor"
            )
    return named


def _numbers(gradient: Any) -> Any:
    return None if gradient is None else np.ravel(_core.values_of(gradient))


def _rms(g: Any) -> float:
    return float(np.linalg.norm(g)) / math.sqrt(g.size) if g.size else 0.0


def _flags(g: Any, least: float, exploding: float) -> tuple[str, ...]:
    flags = []
    if g.size and not g.any():
        flags.append("dead")
    elif g.size and _rms(g) < least:
        flags.append("vanishing")
    if float(np.linalg.norm(g)) > exploding or np.isinf(g).any():
        flags.append("exploding")
    flags += ["nan"] * bool(np.isnan(g).any()) + ["inf"] * bool(np.isinf(g).any())
    return tuple(flags)
