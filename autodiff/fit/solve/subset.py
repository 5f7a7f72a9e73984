"""A problem on some of its rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from autodiff.fit.problem import Problem, Slot

__all__ = ["subset"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]


def subset(problem: Problem, rows: Index) -> tuple[Problem, Index]:
    """Return a problem with some of the rows, and which parameters it still has.

    Levels that do not occur in these rows have no parameter any more.

    Parameters
    ----------
    problem : Problem
        With n rows.
    rows : array of int
        Which of them, in [0, n).

    Returns
    -------
    Problem
        With these rows; its parameters keep their order.
    array of int
        Which of the parameters of `problem` they are.
    """
    used = [
        np.array([slot.position])
        if slot.positions is None
        else np.unique(slot.positions[rows])
        for slot in problem.slots
        if slot.kind in ("free", "indexed")
    ]
    kept = np.unique(np.concatenate(used)) if used else np.zeros(0, dtype=np.intp)
    place = np.full(len(problem.parameters), -1, dtype=np.intp)
    place[kept] = np.arange(len(kept))
    part = replace(
        problem,
        parameters=tuple(problem.parameters[i] for i in kept),
        slots=tuple(_slot(slot, rows, place) for slot in problem.slots),
        columns={name: column[rows] for name, column in problem.columns.items()},
        response=problem.response[rows],
        index=rows if problem.index is None else problem.index[rows],
        sigma=_some(problem.sigma, rows),
        weight=_some(problem.weight, rows),
        trials=_some(problem.trials, rows),
        n_dropped=0,
    )
    return part, kept


def _some(column: Array | None, rows: Index) -> Array | None:
    return None if column is None else column[rows]


def _slot(slot: Slot, rows: Index, place: Index) -> Slot:
    if slot.positions is not None:
        return replace(slot, positions=place[slot.positions[rows]])
    if slot.kind == "free":
        return replace(slot, position=int(place[slot.position]))
    return slot
