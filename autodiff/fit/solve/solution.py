"""What a search found, and what that is worth.

Only here are verdicts named. A verdict other than ``converged`` always has a code and
a reason; notes are for the reader of a success as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import Note
from autodiff.fit.solve.model import Linearization, Model
from autodiff.fit.solve.passes import PIECE

__all__ = ["CONVERGED", "NOT_CONVERGED", "NOT_DETERMINABLE", "Solution"]

Array = npt.NDArray[np.float64]

CONVERGED = "converged"
NOT_CONVERGED = "not converged"
NOT_DETERMINABLE = "not determinable"


@dataclass(frozen=True)
class Solution:
    """Where a search ended.

    Attributes
    ----------
    model : Model
        What was minimised; its scale is the one that was used.
    point : array of shape (p,)
        The parameters.
    objective : float
        Sum of losses there, half a deviance; infinite outside the domain.
    linearization : Linearization
        There.
    active : array of int, shape (p,)
        -1 at its lower bound, 1 at its upper, 0 free.
    verdict, code, reason : str
        What it is worth; code and reason are empty if it converged.
    notes : tuple of Note
        What the reader should know.
    curvature : array of shape (p, p) or None
        What the Hessian has beyond ``J'J``, if it was needed.
    residual : array of shape (n,) or None
        Fitted less observed, where it was found in more than the working precision.
    errors : array of shape (p,) or None
        ``sqrt(diag((J'J)^-1))``, where it was found in more than the working precision.
    """

    model: Model
    point: Array
    objective: float
    linearization: Linearization
    active: npt.NDArray[np.int8]
    verdict: str
    code: str = ""
    reason: str = ""
    notes: tuple[Note, ...] = ()
    curvature: Array | None = None
    residual: Array | None = field(default=None, repr=False)
    errors: Array | None = None

    @property
    def converged(self) -> bool:
        """Whether the point can be relied on."""
        return self.verdict == CONVERGED

    @cached_property
    def residuals(self) -> Array:
        """Fitted less observed, shape (n,), in the unit of the response."""
        kept = self.residual
        return self.model.residual(self.point) if kept is None else kept

    def residual_in(self, rows: slice) -> Array:
        """Return the residuals of some rows; of many, without those of the others."""
        if self.residual is None and self.model.n_rows > PIECE:
            return self.model.residual(self.point, rows)
        return self.residuals[rows]

    @property
    def n_evaluations(self) -> int:
        """Passes over the rows."""
        return self.model.n_evaluations

    @property
    def n_outside(self) -> int:
        """Trial points that left the formula's domain."""
        return self.model.n_outside
