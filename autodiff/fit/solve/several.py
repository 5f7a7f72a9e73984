"""Solve from several starting points: which are tried, and which minimum is kept.

Where every parameter has a start value that is the one start. If it leads to no
minimum, or to one that a constant beats, others are searched for; and if a short look
around finds a lower minimum, that is the answer: a note says so. Who wants the start
alone asks for it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import Note
from autodiff.fit.options import Options
from autodiff.fit.solve.budget import SpentError
from autodiff.fit.solve.judge import data_square, worse_than_constant
from autodiff.fit.solve.minimise import MAX_HASTY, minimise
from autodiff.fit.solve.model import Model
from autodiff.fit.solve.solution import Solution
from autodiff.fit.solve.starts import glance, starting_points, wide_search

__all__ = ["RIVAL", "from_starts"]

Array = npt.NDArray[np.float64]

SHARES = (0.5, 0.2, 0.05, 0.0)
RIVAL = 3.0  # times the lowest: objectives of starts that are still tried


def from_starts(model: Model, options: Options) -> Solution:
    """Solve from the starts given, or from those that are found.

    Parameters
    ----------
    model : Model
        Its problem holds the start values that were given.
    options : Options
        `starts`, `max_evaluations`.
    """
    starts = starting_points(model, options.starts)
    if len(model.problem.given) < model.n_params:
        starts = [_into_domain(model, start) for start in starts]
    if not model.problem.given or options.starts != "auto":
        return _lowest(model, starts, options)
    half = max(options.max_evaluations // 2, MAX_HASTY)
    found = _lowest(model, starts, replace(options, max_evaluations=half))
    is_good = found.converged and not worse_than_constant(found)
    if is_good:
        return _lower_elsewhere(found) or found
    anywhere = np.full(model.n_params, np.nan)
    wide = _lowest(model, wide_search(model, anywhere), options)
    if not wide.converged or (
        found.converged and wide.objective >= found.objective * (1 - 1e-9)
    ):
        return found
    what = f"rss {2.0 * found.objective:.6g}" if found.converged else found.reason
    note = Note(
        "W130",
        f"the start values given lead elsewhere ({what}); this minimum was found from "
        "other points",
    )
    return replace(wide, notes=(note, *wide.notes))


def _into_domain(model: Model, start: Array) -> Array:
    """Return a start at which a likelihood is finite: on the way to a constant mean.

    A line through counts may be negative where counts are few; their mean is not.
    """
    if not model.loss.is_likelihood or np.isfinite(model.objective(start)):
        return start
    problem = model.problem
    trials = 1.0 if problem.trials is None else problem.trials
    mean = np.full(model.n_rows, float(np.mean(problem.response / trials)))
    flat = starting_points(Model(replace(problem, response=mean)))[0]
    for share in SHARES:
        between: Array = flat + share * (start - flat)
        if np.isfinite(model.objective(between)):
            return between
    return start


def _lower_elsewhere(found: Solution) -> Solution | None:
    """Return a lower minimum than that of a given start, if a short look finds one."""
    model = found.model
    rounding = 1e-20 * data_square(model)
    if model.loss.is_robust or found.objective <= rounding:
        return None
    elsewhere = glance(model)
    try:
        if not model.objective(elsewhere) < found.objective * (1 - 1e-6):
            return None
        lower = minimise(model, elsewhere, patient=False)
    except SpentError:  # the answer stands without this look
        return None
    if not (lower.converged and lower.objective < found.objective * (1 - 1e-6)):
        return None
    what = "deviance" if model.loss.is_likelihood else "rss"
    place = ", ".join(
        f"{name} = {value:.4g}"
        for name, value in zip(model.names, found.point, strict=True)
    )
    note = Note(
        "W131",
        f"the start values given lead to a minimum of {what} "
        f"{2.0 * found.objective:.6g} at {place}; this lower one was found from other "
        "points; for that of the start alone give --starts 1",
    )
    return replace(lower, notes=(note, *lower.notes))


def _lowest(model: Model, starts: list[Array], options: Options) -> Solution:
    """Fit from the starting points, the most promising first; keep the lowest minimum.

    Once one has converged, points that begin far above it are left out.
    """
    most, is_one = options.max_evaluations, len(starts) == 1
    solutions: list[Solution] = []
    best: Solution | None = None
    for start in starts:
        if best is not None and model.objective(start) > RIVAL * best.objective:
            continue
        solution = minimise(model, start, patient=is_one, max_evaluations=most)
        solutions.append(solution)
        if solution.converged and not (best and best.objective <= solution.objective):
            best = solution
    if best is None and not is_one:
        nearest = min(range(len(starts)), key=lambda i: solutions[i].objective)
        best = minimise(model, starts[nearest], max_evaluations=most)
    best = best or solutions[0]
    return _with_rivals(best, solutions)


def _with_rivals(best: Solution, solutions: list[Solution]) -> Solution:
    """Return the best with a note on other minima that are not much higher."""
    height = best.objective * (1 + 1e-6) + 1e-200
    higher = [s.objective for s in solutions if s.converged and s.objective > height]
    if not (higher and best.converged):
        return best
    others = ", ".join(f"{2.0 * each:.6g}" for each in sorted(higher))
    note = Note(
        "W105",
        "more than one minimum: this is the lowest found; rss of others nearby: "
        f"{others}; give start values with -p to choose",
    )
    return replace(best, notes=(*best.notes, note))
