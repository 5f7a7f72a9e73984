"""Parameters and slots: what a name of a formula can be, once it is decided."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autodiff.fit.formula.parse import Node

__all__ = ["Parameter", "Slot", "level_parameter"]


@dataclass(frozen=True)
class Parameter:
    """A free parameter: what the solver may move.

    Attributes
    ----------
    name : str
        As in the formula; ``Vm[treated]`` for one level of an indexed parameter.
    start : float or None
        The start value that was given.
    lower, upper : float
        Bounds; infinite where there is none. ``lower < upper``.
    """

    name: str
    start: float | None = None
    lower: float = -math.inf
    upper: float = math.inf


@dataclass(frozen=True)
class Slot:
    """A name of the formula that is no column, and where its value comes from.

    Attributes
    ----------
    name : str
        As the formula has it: ``Vm``, also where it stands as ``Vm[state]``; and
        ``Vm[treated]`` for one level that is fixed or tied by itself.
    kind : {'free', 'indexed', 'fixed', 'tied', 'apart'}
        One of `Problem.parameters`; one of them for each level of a column; a number;
        an expression in other slots; nothing, where each level has a slot of its own.
    position : int
        Of a free slot: which of `Problem.parameters`.
    positions : array of int, shape (n,), or None
        Of an indexed slot: which of `Problem.parameters` in each row.
    level_column : str
        Of an indexed slot, and of one that is apart: the column of levels.
    value : float
        Of a fixed slot; 0 of one that is apart, which no row looks at.
    nodes : tuple of Node
        Of a tied slot; they name slots that stand earlier.
    """

    name: str
    kind: str
    position: int = -1
    positions: npt.NDArray[np.intp] | None = None
    level_column: str = ""
    value: float = math.nan
    nodes: tuple[Node, ...] = ()


def level_parameter(name: str, level: str) -> str:
    """Return what one level of an indexed parameter is called."""
    return f"{name}[{level}]"
