"""Robust losses: the scale at which they bend, and the chain of fits that finds it.

A robust loss counts a residual less and less beyond its scale. That is given, or
follows from given standard deviations, or is the loss's tuning times the robust
standard deviation of the residuals (`mad_scale`), found together with the parameters:
fit, estimate, and again until it stays. Least squares is the start, Huber's loss,
which has no further minima of its own, the step between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from autodiff.fit.errors import Note
from autodiff.fit.options import Options
from autodiff.fit.solve.judge import data_square
from autodiff.fit.solve.losses import LOSSES, mad_scale
from autodiff.fit.solve.minimise import minimise
from autodiff.fit.solve.model import Model
from autodiff.fit.solve.solution import NOT_CONVERGED, Solution

__all__ = ["solve"]

MAX_ROUNDS = 100
STEADY = 1e-11  # relative change of the scale that ends the rounds


def solve(
    model: Model, options: Options, search: Callable[[Model, Options], Solution]
) -> Solution:
    """Fit a robust loss.

    Parameters
    ----------
    model : Model
        Of the loss; its scale is found here.
    options : Options
        `loss_scale` is the scale, if given.
    search : callable
        How to fit by least squares.
    """
    least = search(model.like("normal"), options)
    if least.linearization.factor is None or least.code in ("N102", "N103"):
        return least
    if 2.0 * least.objective <= 1e-28 * data_square(least.model):
        return least  # exact: there is nothing to be robust against
    found = least
    for name in dict.fromkeys(("huber", model.loss.name)):
        found = _with_scale(model.like(name), found, options)
        if not found.converged and found.code == "C106":
            return found
    return found


def _with_scale(model: Model, start: Solution, options: Options) -> Solution:
    """Fit from a solution for another loss, with the scale that this one takes."""
    tuning = LOSSES[model.loss.name].tuning
    if options.loss_scale is not None or model.problem.sigma is not None:
        model.scale = tuning if options.loss_scale is None else options.loss_scale
        return minimise(model, start.point, max_evaluations=options.max_evaluations)
    floor = 1e-13 * np.sqrt(data_square(model) / model.n_rows)
    point, previous = start.point, np.inf
    found = start
    for _ in range(MAX_ROUNDS):
        model.scale = tuning * mad_scale(model.root * model.residual(point))
        model.budget.measure_anew()
        if not model.scale > floor:
            reason = (
                "more than half of the residuals are 0, which leaves no scale for the "
                "loss; give one with --loss-scale"
            )
            model.scale = 1.0
            return replace(start, verdict=NOT_CONVERGED, code="C106", reason=reason)
        found = minimise(model, point, max_evaluations=options.max_evaluations)
        point = found.point
        if not found.converged:
            return found
        if abs(model.scale - previous) <= STEADY * model.scale:
            return found
        previous = model.scale
    note = Note("W106", "the scale of the loss goes to and fro; its last value is used")
    return replace(found, notes=(*found.notes, note))
