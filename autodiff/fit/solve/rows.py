"""The right-hand side of a problem as a function of one row, recorded once.

The one place where a formula meets the engine's programs: rows are lanes, choices in
the formula are guards. Whoever needs values or derivatives of rows asks here, with an
array for each parameter slot that moves and one for each column; nothing is summed.

Invariant: `moving` names the slots that hold parameters; every array of slots has one
entry for each of them, in that order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.formula.evaluate import evaluate
from autodiff.fit.problem import Problem, Slot

__all__ = ["RowFunction"]

Array = npt.NDArray[np.float64]


class RowFunction:
    """Values and derivatives of a formula at many rows at once.

    Parameters
    ----------
    problem : Problem
        Names the slots and the columns; its rows play no part.

    Attributes
    ----------
    moving : tuple of Slot
        The slots that hold free parameters.
    columns : tuple of str
        Names of the columns, in the order in which their arrays are passed.
    """

    def __init__(self, problem: Problem) -> None:
        self.moving: tuple[Slot, ...] = tuple(
            slot for slot in problem.slots if slot.kind in ("free", "indexed")
        )
        self.columns: tuple[str, ...] = tuple(problem.columns)
        self._nodes = problem.formula.rhs
        self._still = tuple(s for s in problem.slots if s not in self.moving)

    def _row(self, *arguments: Any) -> Any:
        """Evaluate the formula at one row: moving slots first, then columns."""
        n_moving = len(self.moving)
        names: dict[str, Any] = dict(
            zip(self.columns, arguments[n_moving:], strict=True)
        )
        for slot, value in zip(self.moving, arguments, strict=False):
            names[slot.name] = value
        for slot in self._still:
            tied = slot.kind == "tied"
            names[slot.name] = evaluate(slot.nodes, names) if tied else slot.value
        return evaluate(self._nodes, names)

    @functools.cached_property
    def _value(self) -> Callable[..., Any]:
        return ad.vmap(self._row, threads=1)  # type: ignore[no-any-return]

    @functools.cached_property
    def _value_and_gradient(self) -> Callable[..., Any]:
        derived = ad.value_and_grad(self._row, argnums=self._argnums)
        return ad.vmap(derived, threads=1)  # type: ignore[no-any-return]

    @functools.cached_property
    def _hessian(self) -> Callable[..., Any]:
        derived = ad.hessian(self._row, argnums=self._argnums)
        return ad.vmap(derived, threads=1)  # type: ignore[no-any-return]

    @property
    def _argnums(self) -> tuple[int, ...]:
        return tuple(range(len(self.moving)))

    def value(self, slots: Sequence[Array], columns: Sequence[Array]) -> Array:
        """Return the value in each row, shape (n,); NaN or infinite outside the domain.

        Parameters
        ----------
        slots : sequence of arrays of shape (n,)
            The moving slots, row by row.
        columns : sequence of arrays of shape (n,)
            The columns, in the order of `columns`.
        """
        with np.errstate(all="ignore"):
            found: Array = self._value(*slots, *columns)
        return found

    def value_and_gradient(
        self, slots: Sequence[Array], columns: Sequence[Array]
    ) -> tuple[Array, tuple[Array, ...]]:
        """Return values, shape (n,), and their derivative by each slot, (n,) each."""
        with np.errstate(all="ignore"):
            value, gradient = self._value_and_gradient(*slots, *columns)
        return value, gradient

    def hessian(
        self, slots: Sequence[Array], columns: Sequence[Array]
    ) -> tuple[tuple[Array, ...], ...]:
        """Return the second derivatives by each pair of slots, (n,) each."""
        with np.errstate(all="ignore"):
            found: tuple[tuple[Array, ...], ...] = self._hessian(*slots, *columns)
        return found
