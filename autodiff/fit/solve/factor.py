"""The QR factor of a column-scaled Jacobian, and the steps taken from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Factor", "column_norms", "factorize", "trust_region_step"]

Array = npt.NDArray[np.float64]

# Smallest singular value of the column-scaled Jacobian, relative to the largest,
# that still counts as determined: a hundred rounding errors above zero.
RANK_TOLERANCE = 2e-14


@dataclass(frozen=True)
class Factor:
    """Jacobian = Q R diag(scale), with the singular values of R.

    Attributes
    ----------
    q : array of shape (n, p)
        Orthonormal columns.
    r : array of shape (p, p)
        Upper triangular, of unit column norms.
    scale : array of shape (p,)
        Column norms of the Jacobian; 1 where a column vanishes.
    u, s, vt : arrays
        Singular value decomposition of `r`.
    vanished : array of bool, shape (p,)
        Columns that are exactly zero.
    """

    q: Array
    r: Array
    scale: Array
    u: Array
    s: Array
    vt: Array
    vanished: npt.NDArray[np.bool_]

    @property
    def rank(self) -> int:
        """Number of directions the data determine."""
        return int(np.count_nonzero(self.s > RANK_TOLERANCE * max(self.s[0], 1e-300)))

    def newton_step(self, residual: Array, curvature: Array | None = None) -> Array:
        """Return the undamped step: Gauss-Newton, or Newton with a curvature.

        `curvature` is the sum of residual times second derivative, shape (p, p).
        Directions below the rank tolerance are left alone.
        """
        k = self.rank
        basis = self.vt[:k].T / self.s[:k]  # turns step coordinates into parameters
        target: Array = -(self.u[:, :k].T @ (self.q.T @ residual))
        if curvature is not None:
            scaled = curvature / np.outer(self.scale, self.scale)
            matrix: Array = np.eye(k) + basis.T @ scaled @ basis
            target = np.linalg.solve(matrix, target).astype(np.float64, copy=False)
        step: Array = (basis @ target) / self.scale
        return step

    def bends_down(self, curvature: Array) -> bool:
        """Whether the sum of squares has a direction of negative curvature."""
        k = self.rank
        basis = self.vt[:k].T / self.s[:k]
        scaled = curvature / np.outer(self.scale, self.scale)
        matrix = np.eye(k) + basis.T @ scaled @ basis
        if not np.isfinite(matrix).all():
            return True
        return bool(np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[0] <= 0.0)

    def unscaled_errors(self) -> Array:
        """Return sqrt(diag((J'J)^-1)), shape (p,)."""
        inverse = np.linalg.inv(self.r)
        errors: Array = np.sqrt((inverse**2).sum(axis=1)) / self.scale
        return errors

    def confounded(self) -> list[list[int]]:
        """Return groups of parameters that only combinations of are determined."""
        if self.vanished.any():
            return [[int(j)] for j in np.flatnonzero(self.vanished)]
        null = self.vt[self.rank :]
        weight = np.sqrt((null**2).sum(axis=0)) if len(null) else np.zeros(0)
        members = np.flatnonzero(weight > 1e-6 * weight.max(initial=1e-300))
        return [[int(j) for j in members]] if len(members) else []


def column_norms(matrix: Array) -> Array:
    """Return Euclidean column norms that neither overflow nor underflow."""
    largest = np.abs(matrix).max(axis=0, initial=0.0)
    safe = np.where(largest > 0.0, largest, 1.0)
    norms: Array = largest * np.sqrt(((matrix / safe) ** 2).sum(axis=0))
    return norms


def factorize(jacobian: Array) -> Factor:
    """Factorize a Jacobian of shape (n, p), n >= p, all entries finite."""
    norms = column_norms(jacobian)
    vanished = norms == 0.0
    scale = np.where(vanished, 1.0, norms)
    q, r = np.linalg.qr(jacobian / scale)
    u, s, vt = np.linalg.svd(r)
    return Factor(q, r, scale, u, s, vt, vanished)


def trust_region_step(
    factor: Factor, residual: Array, metric: Array, radius: float
) -> tuple[Array, float]:
    """Return the Levenberg-Marquardt step of length at most `radius`.

    Parameters
    ----------
    factor : Factor
        Of the Jacobian at the current point.
    residual : array of shape (n,)
        Residuals there.
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
    target = -(u.T @ (factor.q.T @ residual))
    full = s[-1] > 1e-15 * s[0]
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
