"""How many passes over the rows a search may take: counted before each, never exceeded.

Models of one search share a budget, and it remembers the lowest point that any pass has
met, so that a search that is cut short anywhere has something to show.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["Budget", "SpentError"]

Array = npt.NDArray[np.float64]


class SpentError(Exception):
    """A pass was asked for and none is left."""


class Budget:
    """A count with a limit.

    Attributes
    ----------
    limit : float
        The most passes; infinite for a search that ends by itself.
    spent : int
        Passes so far.
    point : array of shape (p,) or None
        Where the objective was lowest.
    """

    def __init__(self) -> None:
        self.limit = math.inf
        self.spent = 0
        self.point: Array | None = None
        self.lowest = math.inf

    def take(self) -> None:
        """Count a pass.

        Raises
        ------
        SpentError
            If there is none left.
        """
        if self.spent >= self.limit:
            raise SpentError
        self.spent += 1

    def reached(self, point: Array, objective: float) -> None:
        """Remember a point if it is the lowest."""
        if objective < self.lowest:
            self.point, self.lowest = point.copy(), objective

    def measure_anew(self) -> None:
        """Say that objectives from here on are another measure."""
        self.lowest = math.inf
