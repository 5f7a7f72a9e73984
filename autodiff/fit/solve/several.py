"""Solve from several starting points: which are tried, and which minimum is kept.

Where every parameter has a start value that is the one start; only if it leads to no
minimum, or to one that a constant beats, are others searched for, and a note says so.
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
    if not model.problem.given or options.starts != "auto":
        return _lowest(model, starts, options)
    half = max(options.max_evaluations // 2, MAX_HASTY)
    found = _lowest(model, starts, replace(options, max_evaluations=half))
    is_good = found.converged and not worse_than_constant(found)
    if is_good:
        return replace(found, notes=(*found.notes, *_lower_elsewhere(found)))
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


def _lower_elsewhere(found: Solution) -> tuple[Note, ...]:
    """Return a note if a short look around finds a lower minimum than a given start."""
    model = found.model
    rounding = 1e-20 * data_square(model)
    if model.loss.name != "normal" or found.objective <= rounding:
        return ()
    elsewhere = glance(model)
    try:
        if not model.objective(elsewhere) < found.objective * (1 - 1e-6):
            return ()
        lower = minimise(model, elsewhere, patient=False)
    except SpentError:  # the answer stands without this look
        return ()
    if not (lower.converged and lower.objective < found.objective * (1 - 1e-6)):
        return ()
    place = " ".join(
        f"-p {name}={value:.4g}"
        for name, value in zip(model.names, lower.point, strict=True)
    )
    text = (
        f"a lower minimum than that of the start given has rss "
        f"{2.0 * lower.objective:.6g}; start it with {place}"
    )
    return (Note("W131", text),)


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
