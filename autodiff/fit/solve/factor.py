"""The triangular factor of a column-scaled Jacobian, and the steps taken from it.

Everything a search needs of n rows is here p by p: ``J = Q R diag(scale)`` and
``qtr = Q' z`` with the weighted residuals z. Q is never kept, so rows may stream
through (`stack`, `merge`), and no condition number is squared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = [
    "Factor",
    "column_norms",
    "factorize",
    "merge",
    "stack",
    "trust_region_step",
]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Smallest singular value of the column-scaled Jacobian, relative to the largest,
# that still counts as determined: a hundred rounding errors above zero.
RANK_TOLERANCE = 2e-14


@dataclass(frozen=True)
class Factor:
    """What a Jacobian and residuals leave when Q is forgotten.

    Attributes
    ----------
    r : array of shape (p, p)
        Upper triangular, of unit column norms.
    scale : array of shape (p,)
        Column norms of the Jacobian; 1 where a column vanishes.
    qtr : array of shape (p,)
        ``Q' z``.
    vanished : array of bool, shape (p,)
        Columns that are exactly zero.
    """

    r: Array
    scale: Array
    qtr: Array
    vanished: Mask

    @staticmethod
    def of(triangle: Array) -> Factor:
        """Return the factor for the triangle of ``[J z]``, of p + 1 columns."""
        p = triangle.shape[1] - 1
        full = np.zeros((p, p + 1))
        full[: len(triangle)] = triangle[:p]
        norms = column_norms(full[:, :p])
        vanished = norms == 0.0
        scale = np.where(vanished, 1.0, norms)
        return Factor(full[:, :p] / scale, scale, full[:, p], vanished)

    @cached_property
    def svd(self) -> tuple[Array, Array, Array]:
        """U, s and V' of `r`."""
        u, s, vt = np.linalg.svd(self.r)
        return u, s, vt

    @property
    def s(self) -> Array:
        """Singular values of `r`, largest first."""
        return self.svd[1]

    @property
    def rank(self) -> int:
        """Number of directions the data determine."""
        s = self.s
        if len(s) == 0:
            return 0
        return int(np.count_nonzero(s > RANK_TOLERANCE * max(s[0], 1e-300)))

    @property
    def gradient(self) -> Array:
        """``J' z``, shape (p,)."""
        gradient: Array = self.scale * (self.r.T @ self.qtr)
        return gradient

    def only(self, free: Mask, moved: Array | None = None) -> Factor:
        """Return the factor of some columns, after the others `moved` so far."""
        if free.all():
            return self
        qtr = self.qtr
        if moved is not None:
            qtr = qtr + self.r[:, ~free] @ (self.scale * moved)[~free]
        kept = np.column_stack([(self.r * self.scale)[:, free], qtr])
        return Factor.of(_triangle(kept))

    def _basis(self) -> tuple[Array, Array]:
        """Return what turns step coordinates into scaled steps; the target there."""
        k = self.rank
        u, s, vt = self.svd
        return vt[:k].T / s[:k], -(u[:, :k].T @ self.qtr)

    def _bent(self, curvature: Array, basis: Array) -> Array:
        """Return the Hessian in step coordinates, where R'R is the identity."""
        scaled = curvature / np.outer(self.scale, self.scale)
        bent: Array = np.eye(basis.shape[1]) + basis.T @ scaled @ basis
        return bent

    def newton_step(self, curvature: Array | None = None) -> Array:
        """Return the undamped step: Gauss-Newton, or Newton with a curvature.

        `curvature` is what the Hessian has beyond ``J'J``, shape (p, p). Directions
        below the rank tolerance are left alone.
        """
        basis, target = self._basis()
        if curvature is not None:
            bent = self._bent(curvature, basis)
            target = np.asarray(np.linalg.solve(bent, target), dtype=np.float64)
        step: Array = (basis @ target) / self.scale
        return step

    def bends_down(self, curvature: Array) -> bool:
        """Whether the objective has a direction of negative curvature."""
        matrix = self._bent(curvature, self._basis()[0])
        if not np.isfinite(matrix).all():
            return True
        if len(matrix) == 0:
            return False
        return bool(np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[0] <= 0.0)

    def decrease(self, step: Array) -> float:
        """Return by how much the linearized objective falls over a step."""
        along = self.r @ (self.scale * step)
        return -float(self.qtr @ along + 0.5 * (along @ along))

    def unscaled_errors(self) -> Array:
        """Return sqrt(diag((J'J)^-1)), shape (p,)."""
        inverse = np.linalg.inv(self.r)
        errors: Array = np.sqrt((inverse**2).sum(axis=1)) / self.scale
        return errors

    def errors_of(self, combinations: Array) -> Array:
        """Return sqrt(diag(C (J'J)^+ C')) for combinations C of shape (m, p)."""
        errors: Array = column_norms(((combinations / self.scale) @ self._basis()[0]).T)
        return errors

    def null_space(self) -> Array:
        """Return scaled directions that the data say nothing on, shape (p - k, p)."""
        return self.svd[2][self.rank :]


def column_norms(matrix: Array) -> Array:
    """Return Euclidean column norms that neither overflow nor underflow."""
    largest = np.abs(matrix).max(axis=0, initial=0.0)
    safe = np.where(largest > 0.0, largest, 1.0)
    norms: Array = largest * np.sqrt(((matrix / safe) ** 2).sum(axis=0))
    return norms


def stack(jacobian: Array, residual: Array) -> Array:
    """Return the triangle of ``[J z]``."""
    return _triangle(np.column_stack([jacobian, residual]))


def merge(triangle: Array | None, others: Sequence[Array]) -> Array | None:
    """Return the triangle of the rows of several; None if there are none."""
    parts = [*([] if triangle is None else [triangle]), *others]
    if len(parts) < 2:
        return parts[0] if parts else None
    return _triangle(np.vstack(parts))


def _triangle(matrix: Array) -> Array:
    triangle: Array = np.asarray(np.linalg.qr(matrix, mode="r"), dtype=np.float64)
    return triangle


def factorize(jacobian: Array, residual: Array) -> Factor:
    """Factorize a Jacobian of shape (n, p) and residuals (n,), all finite."""
    return Factor.of(stack(jacobian, residual))


def trust_region_step(
    factor: Factor, metric: Array, radius: float
) -> tuple[Array, float]:
    """Return the Levenberg-Marquardt step of length at most `radius`.

    Parameters
    ----------
    factor : Factor
        Of Jacobian and residuals at the current point.
    metric : array of shape (p,)
        Moré's scaling: lengths are measured as ``norm(metric * step)``.
    radius : float
        Radius of the trust region.

    Returns
    -------
    step : array of shape (p,)
        Parameter change.
    damping : float
        The Levenberg-Marquardt parameter, 0 for a full Gauss-Newton step.

    Notes
    -----
    Hebden's iteration on the reciprocal length; J. J. Moré, "The Levenberg-Marquardt
    algorithm: implementation and theory", 1978.
    """
    u, s, vt = np.linalg.svd(factor.r * (factor.scale / metric))
    target = -(u.T @ factor.qtr)
    full = s[-1] > RANK_TOLERANCE * s[0]
    if full and np.linalg.norm(target / s) <= 1.1 * radius:
        return (vt.T @ (target / s)) / metric, 0.0
    damping = _damping(s, target, radius)
    return (vt.T @ (s * target / (s * s + damping))) / metric, damping


def _damping(s: Array, target: Array, radius: float) -> float:
    """Solve norm(s * target / (s^2 + damping)) = radius within ten percent."""
    upper = float(np.linalg.norm(s * target)) / radius
    lower, damping = 0.0, 1e-3 * upper
    for _ in range(60):
        weighted = s * target / (s * s + damping)
        length = float(np.linalg.norm(weighted))
        if abs(length - radius) <= 0.1 * radius:
            break
        if length > radius:
            lower = max(lower, damping)
        else:
            upper = min(upper, damping)
        slope = float((weighted**2 / (s * s + damping)).sum()) / max(length, 1e-300)
        damping += (length - radius) / radius * length / max(slope, 1e-300)
        if not lower < damping < upper:
            damping = max(1e-3 * upper, float(np.sqrt(lower * upper)))
    return damping
