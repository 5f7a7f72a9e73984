"""Decide what the end of a search is worth.

Converged means: every direction is determined, none bends down, and the undamped step
that is left is negligible. Everything else has a code, a reason and a cure. Parameters
at a bound are left out of all that, as if they were fixed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import Note
from autodiff.fit.solve.bounds import Box
from autodiff.fit.solve.determined import undetermined
from autodiff.fit.solve.factor import Factor
from autodiff.fit.solve.model import Linearization, Model
from autodiff.fit.solve.solution import (
    CONVERGED,
    NOT_CONVERGED,
    NOT_DETERMINABLE,
    Solution,
)

__all__ = ["data_square", "deviation", "judge", "worse_than_constant"]

Array = npt.NDArray[np.float64]
Verdict = tuple[str, str, str]

FLAT = 1e-7  # of a column, beside its longest: the formula no longer depends on it
EPSILON = float(np.finfo(np.float64).eps)
ROUNDINGS = 32.0  # errors of the data below which a parameter is zero
ASIDE, JUMP = 1e-7, 100.0  # a step to either side, and a slope that jumps there
REMOTE = 1e-2  # of its size: a column spreads less
ROUNDED_SUM = 1e-10  # relative error of a sum of squares that is no difference
NEAR_EDGE = 1e-7  # of a probability: it has run to 0 or 1


def data_square(model: Model) -> float:
    """Return the sum of squares of the data in standard units: what rounding is of."""
    return model.data_square


def deviation(model: Model, objective: float, n_determined: int) -> float:
    """Return the standard deviation of data in standard units, given or estimated."""
    if model.loss.is_likelihood or model.problem.sigma is not None:
        return 1.0
    return float(np.sqrt(2.0 * objective / max(1, model.n_rows - n_determined)))


def judge(
    model: Model,
    point: Array,
    here: Linearization,
    metric: Array,
    curvature: Array | None = None,
) -> Solution:
    """Return the solution that a point is.

    Parameters
    ----------
    model : Model
        What was minimised.
    point : array of shape (p,)
        Where the search ended.
    here : Linearization
        There.
    metric : array of shape (p,)
        The longest Jacobian columns seen on the way.
    curvature : array of shape (p, p), optional
        What the Hessian has beyond ``J'J``, where it is known.
    """
    held = np.zeros(len(point), dtype=np.int8)
    if here.factor is None:
        verdict = _outside(model, point, here)
        return Solution(model, point, here.objective, here, held, *verdict)
    held = Box(model.problem.parameters).active(point, here.factor.gradient)
    if curvature is None:
        curvature = model.curvature(point)
    verdict = _verdict(model, point, here, metric, curvature, held == 0)
    notes = _notes(model, held)
    return Solution(
        model, point, here.objective, here, held, *verdict, notes, curvature
    )


def _outside(model: Model, point: Array, here: Linearization) -> Verdict:
    fitted = model.fitted(point)
    beyond = ~((fitted > 0.0) & (fitted < model.loss.upper))
    if model.loss.is_likelihood and beyond.any() and np.isfinite(fitted).all():
        row, n = int(np.argmax(beyond)), int(np.count_nonzero(beyond))
        wanted = "above 0" if model.loss.upper > 1.0 else "between 0 and 1"
        what = "mean" if model.loss.upper > 1.0 else "probability"
        return (
            NOT_CONVERGED,
            "C102",
            f"a {what} lies {wanted}, but the formula is {fitted[row]:.3g} in "
            f"{model.problem.place(row)}, and so in {n} of {len(fitted)} rows; write "
            f"one that stays {wanted}, with exp for counts and logistic for "
            "probabilities, or change the start with -p",
        )
    bad = ~np.isfinite(fitted)
    place = (
        f", first in {model.problem.place(int(np.argmax(bad)))}" if bad.any() else ""
    )
    return (
        NOT_CONVERGED,
        "C102",
        f"at the start the formula or its loss has no finite value in "
        f"{here.n_outside or 'sums over'} of {model.n_rows} rows{place}; change the "
        "start with -p, or leave such rows out with --where",
    )


def _notes(model: Model, held: npt.NDArray[np.int8]) -> tuple[Note, ...]:
    notes = []
    if held.any():
        which = ", ".join(
            f"{parameter.name} is at its {'lower' if side < 0 else 'upper'} bound "
            f"{parameter.lower if side < 0 else parameter.upper:g}"
            for parameter, side in zip(model.problem.parameters, held, strict=True)
            if side
        )
        notes.append(Note("W101", f"{which}; errors of the others take it as fixed"))
    return tuple(notes)


def _verdict(
    model: Model,
    point: Array,
    here: Linearization,
    metric: Array,
    curvature: Array,
    free: npt.NDArray[np.bool_],
) -> Verdict:
    assert here.factor is not None
    factor, curvature = here.factor.only(free), curvature[np.ix_(free, free)]
    if not free.any():
        return CONVERGED, "", ""
    if factor.rank < len(factor.scale):
        if _is_separable(model, point):
            return _separable(model)
        error = deviation(model, here.objective, factor.rank)
        return NOT_DETERMINABLE, *undetermined(model, point, factor, free, error)
    bends = factor.bends_down(curvature)
    step = np.abs(factor.newton_step(None if bends else curvature))
    small = _is_noise(model, point[free], here.objective, factor, step, metric[free])
    names = [name for name, is_free in zip(model.names, free, strict=True) if is_free]
    flat = factor.scale < FLAT * metric[free]
    if model.loss.is_likelihood:  # log(mean) of rows without a count has no end
        extinct = model.loss.upper > 1.0 and (model.fitted(point) < EPSILON).any()
        vague = (flat | extinct) & (
            factor.unscaled_errors() > np.abs(point[free]) / FLAT
        )
        if vague.any() and not _is_separable(model, point):
            gone = [(names[j], point[free][j]) for j in np.flatnonzero(vague)]
            return _without_count(model, point, gone) or _ran_off(gone)
    if small.all() and not bends:
        return _beside_zero(model, point, here, free)
    if _is_separable(model, point):
        return _separable(model)
    lost = np.flatnonzero(~small & flat)
    if lost.size:
        return _ran_off([(names[j], point[free][j]) for j in lost])
    if bends:
        reason = "the search ended on a saddle; try other start values with -p"
        return NOT_CONVERGED, "C104", reason
    places = np.flatnonzero(free).tolist()
    corners = [k for k in places if _is_corner(model, point, here, k)]
    if corners:
        return _on_corner([(model.names[k], float(point[k])) for k in corners])
    worst = int(np.argmax(step / np.maximum(np.abs(point[free]), 1e-300)))
    return (
        NOT_CONVERGED,
        "C101",
        f"after {model.n_evaluations} evaluations {names[worst]} = "
        f"{point[free][worst]:.6g} would still move by {step[worst]:.2g}; "
        f"{_remote(model) or 'give better start values with -p'}",
    )


def _remote(model: Model) -> str:
    """Return the cure for a column whose values differ little beside their size."""
    for name, column in model.problem.columns.items():
        low, high = float(column.min()), float(column.max())
        if 0.0 < high - low < REMOTE * min(abs(low), abs(high)):
            return (
                f"{name} goes from {low:.12g} to {high:.12g}: count it from its "
                f"beginning, as {name} - {low:.12g}, in the formula"
            )
    return ""


def _beside_zero(
    model: Model, point: Array, here: Linearization, free: npt.NDArray[np.bool_]
) -> Verdict:
    """Return the verdict on a minimum; converged, unless it hides a singular one.

    A parameter that is zero but for rounding may carry others: in ``a*exp(-b*x) + c``
    fitted to a constant, a is 1e-16 and b whatever it happens to be. At zero itself
    the formula does not depend on b. One that may as well be zero, by its rounding
    error, but is not, as the data are not met there, is lost in rounding: the steepness
    of ``tanh(a*x)`` fitted to a step.
    """
    assert here.factor is not None
    factor = here.factor.only(free)
    rounding = EPSILON * np.sqrt(data_square(model) / model.n_rows)
    none = np.abs(point[free]) <= ROUNDINGS * rounding * factor.unscaled_errors()
    if not none.any():
        return CONVERGED, "", ""
    nearby = point.copy()
    nearby[np.flatnonzero(free)[none]] = 0.0
    around = model.linearize(Box(model.problem.parameters).clip(nearby))
    there, names = (
        around.factor,
        [n for n, f in zip(model.names, free, strict=True) if f],
    )
    noise = (ROUNDINGS * rounding) ** 2 * model.n_rows
    if around.objective > here.objective * (1.0 + 1e-6) + noise:
        return _ran_off([(names[j], point[free][j]) for j in np.flatnonzero(none)])
    if there is None or there.only(free).rank == len(factor.scale):
        return CONVERGED, "", ""
    left = there.only(free)
    lost = [names[j] for j in np.flatnonzero(left.vanished)]
    zero = [name for j, name in enumerate(names) if none[j] and name not in lost]
    if not (lost and zero):
        return NOT_DETERMINABLE, *undetermined(model, nearby, left, free, 0.0)
    return (
        NOT_DETERMINABLE,
        "N103",
        f"{' and '.join(zero)} is 0 but for rounding, and then the formula does not "
        f"depend on {' and '.join(lost)}; take it out of the formula",
    )


def _ran_off(lost: list[tuple[str, float]]) -> Verdict:
    which = ", ".join(f"{name} = {value:.3g}" for name, value in lost)
    return (
        NOT_DETERMINABLE,
        "N104",
        f"the search ran off to {which}, where the formula no longer depends on "
        "it; give a start nearer to the answer with -p, or simplify the formula",
    )


def _is_corner(model: Model, point: Array, here: Linearization, j: int) -> bool:
    """Say whether the objective rises on both sides of a point, without a bend.

    Where a formula chooses, and the row at which it does so changes with a parameter,
    the slope of the objective jumps as the place of choice passes a row.
    """
    assert here.factor is not None
    reach = np.zeros_like(point)
    reach[j] = ASIDE * (abs(point[j]) or 1.0)
    below, above = model.linearize(point - reach), model.linearize(point + reach)
    if below.factor is None or above.factor is None:
        return False
    left, right = float(below.gradient[j]), float(above.gradient[j])
    bend = 2.0 * reach[j] * here.factor.scale[j] ** 2
    return left < 0.0 < right and right - left > JUMP * bend


def _on_corner(corners: list[tuple[str, float]]) -> Verdict:
    which = " and ".join(f"{name} = {value:.6g}" for name, value in corners)
    held = " ".join(f"--fix {name}={value:.12g}" for name, value in corners)
    return (
        NOT_CONVERGED,
        "C108",
        f"the sum of the losses has a corner at {which}, where the formula's choice "
        "passes a row of the data: it rises on both sides, but has no derivative "
        f"there, so no errors; for those of the others hold it with {held}, or "
        "write the formula without a sudden change",
    )


def _without_count(
    model: Model, point: Array, lost: list[tuple[str, float]]
) -> Verdict | None:
    """Return the verdict on a mean that goes to 0, for want of any count."""
    empty = np.flatnonzero(model.fitted(point) < EPSILON)
    if model.loss.upper == 1.0 or not empty.size or model.problem.response[empty].any():
        return None
    names = ", ".join(name for name, _ in lost)
    return (
        NOT_DETERMINABLE,
        "N104",
        f"every count is 0 in {len(empty)} row{'s' * (len(empty) != 1)}, from "
        f"{model.problem.place(int(empty[0]))} on, so their mean goes to 0 and "
        f"{names} without end; leave them out with --where, join them with others, or "
        f"bound the parameter",
    )


def _is_separable(model: Model, point: Array) -> bool:
    """Say whether probabilities have run to 0 or 1, and no outcome says otherwise."""
    if model.loss.upper != 1.0:
        return False
    problem, probability = model.problem, model.fitted(point)
    share = problem.response / (1.0 if problem.trials is None else problem.trials)
    edge = np.minimum(probability, 1.0 - probability) < NEAR_EDGE
    return bool(edge.any() and (np.abs(probability - share)[edge] < 0.5).all())


def _separable(model: Model) -> Verdict:
    return (
        NOT_DETERMINABLE,
        "N105",
        "separable classes: the predictors tell the outcomes of some rows apart "
        "without error, so the fitted probabilities go to 0 or 1 and "
        f"{', '.join(model.names)} have no finite values; take a predictor out, or "
        "bound the parameters",
    )


def _is_noise(
    model: Model,
    point: Array,
    objective: float,
    factor: Factor,
    step: Array,
    metric: Array,
) -> npt.NDArray[np.bool_]:
    """Say for each parameter whether the undamped step left is negligible.

    Against the parameter itself; or against its standard error, where that is not
    out of all proportion (far out on a valley floor it is); or, for a parameter that
    is zero to rounding though the formula depends on it, against the data.
    """
    size = np.abs(point)
    errors = deviation(model, objective, model.n_params) * factor.unscaled_errors()
    data = np.sqrt(data_square(model))
    zero = (factor.scale * size <= 1e-6 * data) & (factor.scale > FLAT * metric)
    zero &= factor.s[-1] > 1e-6 * factor.s[0]
    noise: npt.NDArray[np.bool_] = (
        (step <= 1e-8 * size)
        | ((step <= 1e-9 * errors) & (errors <= 1e3 * size))
        | (zero & (factor.scale * step <= 1e-13 * data))
    )
    return noise


def worse_than_constant(solution: Solution) -> tuple[Note, ...]:
    """Return a note if a constant would fit better."""
    model = solution.model
    if not solution.converged or model.loss.name != "normal":
        return ()
    constant, rounding = 0.5 * model.observed.about_mean, 1e-28 * data_square(model)
    if not solution.objective > constant * (1.0 + ROUNDED_SUM) + rounding:
        return ()
    text = (
        "a constant would fit better: this may be a minimum far from the best one; "
        "try other start values with -p"
    )
    return (Note("W104", text),)
