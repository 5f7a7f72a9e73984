"""Gradient descent a sample at a time, as in the classroom.

For each row in turn: predict, take ``(f - y)^2``, sweep back, step down the gradient.
Nothing is stored, scaled or adapted, so that one can watch it happen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.problem import Problem, Slot
from autodiff.fit.solve.model import evaluate_at

__all__ = ["descend"]

Array = npt.NDArray[np.float64]


def descend(
    problem: Problem,
    start: Array,
    *,
    rate: float,
    epochs: int,
    watch: Callable[[int, int, float], None] | None = None,
) -> tuple[Array, str]:
    """Run stochastic gradient descent over the rows in order.

    Parameters
    ----------
    problem : Problem
        Formula and rows.
    start : array of shape (p,)
        Where to begin.
    rate : float
        Step per unit of gradient.
    epochs : int
        Passes over the rows.
    watch : callable, optional
        Told epoch and row, counted from 1, and the loss before the step.

    Returns
    -------
    point : array of shape (p,)
        The parameters after the last step.
    trouble : str
        Where and why it stopped early; empty if it did not.
    """
    columns = {name: column.tolist() for name, column in problem.columns.items()}
    targets = problem.response.tolist()
    values = [float(p) for p in start]
    for epoch in range(1, epochs + 1):
        for row, target in enumerate(targets, 1):
            leaves = [ad.tensor(p, requires_grad=True) for p in values]
            cells = {name: column[row - 1] for name, column in columns.items()}
            value = evaluate_at(problem, cells, partial(_value, leaves, row - 1))
            loss = (value - target) ** 2
            loss.backward()
            height = loss.item()
            if watch is not None:
                watch(epoch, row, height)
            slopes = [0.0 if p.grad is None else p.grad.item() for p in leaves]
            values = [p - rate * g for p, g in zip(values, slopes, strict=True)]
            if not np.isfinite([height, *values]).all():
                trouble = f"diverged in epoch {epoch}, row {row}; take a smaller --lr"
                return np.array(values), trouble
    return np.array(values), ""


def _value(leaves: Sequence[Any], row: int, slot: Slot) -> Any:
    position = slot.position if slot.positions is None else int(slot.positions[row])
    return leaves[position]
