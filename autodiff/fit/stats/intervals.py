"""Intervals of the parameters: Wald's, or of the profile, and which to trust.

Wald's is ``estimate +- quantile * se``: right where the objective is a parabola. Chosen
automatically, each parameter is refitted with itself held at the ends of its Wald
interval: where the root of the profile there is off by more than a tenth, the profile
replaces it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import Note, UsageError, name_list
from autodiff.fit.options import Options
from autodiff.fit.solve.solution import Solution
from autodiff.fit.stats.profile import Profiler

__all__ = [
    "LINEAR",
    "NEAR_ROUNDING",
    "ROUNDED",
    "TOLERATED",
    "Intervals",
    "explain",
    "intervals",
]

Array = npt.NDArray[np.float64]

TOLERATED = 0.1  # of the root at a Wald end, relative
MOST_NUMBERS = 500_000  # rows times parameters that are refitted unasked
MOST_WORK = 20_000_000  # rows times the cube of parameters, alike
NEAR_ROUNDING = 1e-9  # of residuals, beside the response: a profile would be of noise
LINEAR = "Wald, exact for a model linear in its parameters"
ROUNDED = "Wald, since the residuals are near rounding"


class Intervals(NamedTuple):
    """Ends and kind for each free parameter; how they were chosen, in words."""

    ends: list[tuple[float, float]]
    kinds: list[str]
    why: str
    notes: tuple[Note, ...] = ()


def intervals(
    profiler: Profiler | None,
    solution: Solution,
    cov: Array,
    quantile: float,
    options: Options,
) -> Intervals:
    """Return the intervals of the free parameters.

    Parameters
    ----------
    profiler : Profiler or None
        None where there is no profile: an exact fit, no minimum, a robust loss.
    solution : Solution
        The minimum.
    cov : array of shape (p, p)
        Covariance; NaN where it is not defined.
    quantile : float
        Of Student's t or the normal distribution.
    options : Options
        `ci` and `se`.

    Raises
    ------
    UsageError
        If a profile is asked for that means nothing.
    """
    point, errors = solution.point, np.sqrt(np.diagonal(cov))
    p = len(point)
    reach = quantile * errors
    wald = [(float(x - r), float(x + r)) for x, r in zip(point, reach, strict=True)]
    if options.ci == "profile":
        _check_profile(solution, options)
    asked = options.ci == "profile"
    if options.ci == "wald" or profiler is None or not np.isfinite(errors).any():
        return Intervals(wald, ["wald"] * p, "Wald")
    if not asked and (why := _needs_none(solution, options)):
        return Intervals(wald, ["wald"] * p, why)
    ends, kinds, notes, worst = list(wald), ["wald"] * p, [], 0.0
    lost: list[str] = []
    for j in range(p):
        if not (math.isfinite(errors[j]) and errors[j] > 0.0):
            continue
        bent = math.inf if asked else _bend(profiler, j, float(reach[j]), quantile)
        worst = max(worst, 0.0 if asked else bent)
        if bent > TOLERATED:
            low = profiler.end(j, -1, quantile, float(reach[j]))
            high = profiler.end(j, 1, quantile, float(reach[j]))
            ends[j], kinds[j] = (low.value, high.value), "profile"
            name = solution.model.names[j]
            if "open" in (low.kind, high.kind):
                notes.append(_open(name, low.kind, high.kind, options.level))
            if "lost" in (low.kind, high.kind):
                lost.append(name)
    if lost:
        notes.append(_lost(lost))
    why = "profile" if asked else explain("profile" in kinds, worst)
    return Intervals(ends, kinds, why, tuple(notes))


def _check_profile(solution: Solution, options: Options) -> None:
    if solution.model.loss.is_robust or options.standard_errors == "sandwich":
        what = (
            f"the loss {options.loss}"
            if solution.model.loss.is_robust
            else "se sandwich"
        )
        raise UsageError(
            "U157",
            f"ci profile rests on a likelihood, which {what} does not; use ci wald",
        )


def _needs_none(solution: Solution, options: Options) -> str:
    """Say why Wald's intervals are taken without a look at the profile, or ''."""
    model = solution.model
    if model.problem.is_linear and options.loss == "normal":
        return LINEAR
    if options.standard_errors == "sandwich":
        return "Wald, which goes with sandwich errors"
    size = model.observed.largest_standard
    spread = math.sqrt(2.0 * solution.objective / model.n_rows)
    if not model.loss.is_likelihood and spread < NEAR_ROUNDING * size:
        return ROUNDED
    if model.n_rows * model.n_params > MOST_NUMBERS:
        return "Wald, not compared with the profile for so many rows"
    if model.n_rows * model.n_params**3 > MOST_WORK:
        return "Wald, not compared with the profile for so many parameters"
    return ""


def _bend(profiler: Profiler, j: int, reach: float, quantile: float) -> float:
    """Return how far the profile's root is off at the ends of the Wald interval."""
    worst = 0.0
    for direction in (-1, 1):
        value = float(profiler.point[j] + direction * reach)
        if not profiler.lower[j] <= value <= profiler.upper[j]:
            return math.inf
        refit = profiler.refit(j, value, profiler.near(j, value))
        if refit is None:
            return math.inf
        worst = max(worst, abs(profiler.root(refit) / quantile - 1.0))
    return worst


def explain(any_profile: bool, worst: float) -> str:
    """Say how the choice came out; `worst` is how far Wald's ends are off."""
    if any_profile:
        return (
            "profile where Wald's ends are off by more than "
            f"{100 * TOLERATED:.0f} % of their distance"
        )
    return f"Wald, within {100 * worst:.2g} % of the profile"


def _open(name: str, low: str, high: str, level: float) -> Note:
    side = "either way" if low == high else "upwards" if high == "open" else "downwards"
    return Note(
        "W144",
        f"the data set {name} no limit {side} at level {level:g}: its interval is "
        "open; more data where it matters would close it",
    )


def _lost(names: list[str]) -> Note:
    which = f"intervals of {name_list(names)} end"
    if len(names) == 1:
        which = f"interval of {names[0]} ends"
    return Note(
        "W145",
        f"the {which} where the refits fail or jump to another minimum; look at the "
        "profile",
    )
