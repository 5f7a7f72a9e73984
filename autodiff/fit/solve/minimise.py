"""Minimise a sum of squares: descend, then polish until the step is noise.

The descent is a trust-region Levenberg-Marquardt iteration; a trial step that
leaves the formula's domain only shrinks the region. The polish takes undamped
Newton steps and stops when they no longer get shorter. Neither looks at how little
the sum of squares changes to call a fit good: the sum is flat at its minimum, and
such a rule loses half the digits. What decides is the last undamped step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autodiff.fit.solve.descent import descend, is_finite
from autodiff.fit.solve.factor import Factor, factorize
from autodiff.fit.solve.model import Model

__all__ = [
    "CONVERGED",
    "NOT_CONVERGED",
    "NOT_DETERMINABLE",
    "Solution",
    "judge",
    "minimise",
    "undetermined",
]

Array = npt.NDArray[np.float64]

CONVERGED = "converged"
NOT_CONVERGED = "not converged"
NOT_DETERMINABLE = "not determinable"

MAX_EVALUATIONS = 20_000
MAX_HASTY = 500
MAX_POLISH = 60
RADIUS_FACTORS = (1.0, 0.1, 10.0, 0.01, 100.0)


@dataclass(frozen=True)
class Solution:
    """Where the search ended, and what it is worth.

    Attributes
    ----------
    point : array of shape (p,)
        The parameters.
    residual : array of shape (n,)
        ``f - y`` there.
    factor : Factor or None
        Of the Jacobian there; None if it could not be formed.
    verdict : str
        ``converged``, ``not converged`` or ``not determinable``.
    reason : str
        Why not converged or not determinable; empty otherwise.
    """

    point: Array
    residual: Array
    factor: Factor | None
    verdict: str
    reason: str = ""

    @property
    def rss(self) -> float:
        """Residual sum of squares; infinity outside the domain."""
        with np.errstate(all="ignore"):
            total = float(self.residual @ self.residual)
        return total if np.isfinite(total) else float("inf")


def minimise(model: Model, start: Array, *, patient: bool = True) -> Solution:
    """Fit the parameters of a model from one starting point.

    Parameters
    ----------
    model : Model
        Residuals and Jacobian.
    start : array of shape (p,)
        Where to begin.
    patient : bool
        Whether to try again with other trust regions when the first fails, and to
        allow many evaluations.

    Returns
    -------
    Solution
        The first that converged over several initial trust regions; otherwise the
        one with the smallest sum of squares, with its verdict.
    """
    best: Solution | None = None
    share = MAX_EVALUATIONS // len(RADIUS_FACTORS) if patient else MAX_HASTY
    for radius_factor in RADIUS_FACTORS if patient else RADIUS_FACTORS[:1]:
        solution = _attempt(model, start, radius_factor, share)
        if solution.verdict == CONVERGED:
            return solution
        if best is None or solution.rss < best.rss:
            best = solution
        if solution.factor is None:
            break
    assert best is not None
    return best


def _attempt(model: Model, start: Array, radius_factor: float, share: int) -> Solution:
    with np.errstate(all="ignore"):
        try:
            reached, metric = descend(
                model, start, radius_factor=radius_factor, share=share
            )
            return _polish(model, reached, metric)
        except np.linalg.LinAlgError:  # entries near the end of the number range
            reason = "the numbers left the range of a double; rescale data or starts"
            nowhere = np.full(model.n_rows, np.nan)
            return Solution(start, nowhere, None, NOT_CONVERGED, reason)


def _curvature(model: Model, point: Array, residual: Array, factor: Factor) -> Array:
    """Return the sum over rows of residual times second derivative, shape (p, p).

    Central differences of the exact Jacobian: three-quarters of the digits, and no
    digit of the answer depends on it; only the speed of the last steps does.
    """
    size = len(point)
    result = np.zeros((size, size))
    data_size = float(np.linalg.norm(residual) + np.linalg.norm(factor.r))
    for j in range(size):
        width = 1e-5 * max(abs(point[j]), 1e-3 * data_size / factor.scale[j])
        ahead, behind = point.copy(), point.copy()
        ahead[j] += width
        behind[j] -= width
        width = ahead[j] - behind[j]
        jacobian_ahead = model.residual_and_jacobian(ahead)[1]
        jacobian_behind = model.residual_and_jacobian(behind)[1]
        result[:, j] = (jacobian_ahead - jacobian_behind).T @ residual / width
    symmetric: Array = 0.5 * (result + result.T)
    return symmetric if np.isfinite(symmetric).all() else np.zeros((size, size))


def _polish(model: Model, point: Array, metric: Array) -> Solution:
    """Take undamped steps until they are noise; judge the end."""
    residual, jacobian = model.residual_and_jacobian(point)
    if not is_finite(residual, jacobian):
        reason = "the formula has no finite value at the start; change it with -p"
        return Solution(point, residual, None, NOT_CONVERGED, reason)
    shortest, since_shortest = np.inf, 0
    best = (point, residual, jacobian)
    curvature: Array | None = None
    rss = float(residual @ residual)
    for _ in range(MAX_POLISH):
        factor = factorize(jacobian)
        if factor.rank < len(point):
            break
        if curvature is None or shortest > 1e-6:
            curvature = _curvature(model, point, residual, factor)
        bends = factor.bends_down(curvature)
        step = factor.newton_step(residual, None if bends else curvature)
        size = float(np.linalg.norm(factor.scale * step))
        size /= float(np.linalg.norm(factor.scale * point)) or 1.0
        since_shortest = 0 if size < shortest else since_shortest + 1
        if size == 0.0 or since_shortest >= 3:
            break
        trial = point + step
        residual, jacobian = model.residual_and_jacobian(trial)
        if not is_finite(residual, jacobian):
            break
        new_rss = float(residual @ residual)
        if new_rss > rss * (1 + 1e-9) + 1e-28 * _data_square(model):
            break
        point, rss = trial, min(rss, new_rss)
        if size < shortest:
            shortest, best = size, (point, residual, jacobian)
    return judge(model, *best, metric)


def _data_square(model: Model) -> float:
    return float(model.problem.response @ model.problem.response)


def judge(
    model: Model, point: Array, residual: Array, jacobian: Array, metric: Array
) -> Solution:
    """Decide whether a point is a minimum, from the undamped step left there."""
    factor = factorize(jacobian)
    names = model.parameters
    if factor.rank < len(point):
        reason = undetermined(names, point, factor)
        return Solution(point, residual, factor, NOT_DETERMINABLE, reason)
    curvature = _curvature(model, point, residual, factor)
    if factor.bends_down(curvature):
        reason = "the search ended on a saddle; try other start values with -p"
        return Solution(point, residual, factor, NOT_CONVERGED, reason)
    step = np.abs(factor.newton_step(residual, curvature))
    small = _is_noise(model, point, residual, factor, step)
    if small.all():
        return Solution(point, residual, factor, CONVERGED)
    lost = [j for j in np.flatnonzero(~small) if factor.scale[j] < 1e-7 * metric[j]]
    if lost:
        which = ", ".join(f"{names[j]} = {point[j]:.3g}" for j in lost)
        reason = (
            f"the search ran off to {which}, where the formula no longer depends on "
            "it; give a start nearer to the answer with -p, or simplify the formula"
        )
        return Solution(point, residual, factor, NOT_DETERMINABLE, reason)
    worst = int(np.argmax(step / np.maximum(np.abs(point), 1e-300)))
    reason = (
        f"after {model.n_evaluations} evaluations {names[worst]} = "
        f"{point[worst]:.6g} would still move by {step[worst]:.2g}; "
        "give better start values with -p"
    )
    return Solution(point, residual, factor, NOT_CONVERGED, reason)


def _is_noise(
    model: Model, point: Array, residual: Array, factor: Factor, step: Array
) -> npt.NDArray[np.bool_]:
    """Say for each parameter whether the undamped step left is negligible.

    Against the parameter itself; or against its standard error, where that is not
    out of all proportion (far out on a valley floor it is); or, for a parameter that
    is zero to rounding, against the data.
    """
    size = np.abs(point)
    degrees = max(1, len(residual) - len(point))
    deviation = np.sqrt(float(residual @ residual) / degrees)
    errors = deviation * factor.unscaled_errors()
    data = np.sqrt(_data_square(model))
    zero = (factor.scale * size <= 1e-6 * data) & (factor.s[-1] > 1e-6 * factor.s[0])
    noise: npt.NDArray[np.bool_] = (
        (step <= 1e-8 * size)
        | ((step <= 1e-9 * errors) & (errors <= 1e3 * size))
        | (zero & (factor.scale * step <= 1e-13 * data))
    )
    return noise


def undetermined(names: tuple[str, ...], point: Array, factor: Factor) -> str:
    """Say which parameters a rank-deficient Jacobian cannot tell apart."""
    if factor.vanished.any():
        lost = np.flatnonzero(factor.vanished)
        place = ", ".join(f"{names[j]} = {point[j]:.3g}" for j in lost)
        return (
            f"near {place} the formula does not depend on it; "
            "start elsewhere with -p, or take it out of the formula"
        )
    groups = factor.confounded()
    which = [names[j] for j in groups[0]] if groups else list(names)
    return (
        f"{' and '.join(which)} cannot be told apart from these data; "
        "fix one by writing a number in its place"
    )
