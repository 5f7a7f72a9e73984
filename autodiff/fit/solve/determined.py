"""Name what a singular problem leaves undetermined, and what it does determine.

The null space of the Jacobian is what the data say nothing on. Where moving along it
by a finite amount changes no fitted value, sums of parameters are determined (``b +
c``); where that holds in logarithms, products are (``a*b``); else only a direction is,
near the point. Coefficients are shown as small whole numbers where they are such.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from autodiff.fit.solve.factor import Factor
from autodiff.fit.solve.model import Model

__all__ = ["undetermined"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MOST_SHOWN = 4  # combinations
LARGEST_WHOLE = 100  # denominators of coefficients


def undetermined(
    model: Model, point: Array, factor: Factor, free: Mask, deviation: float
) -> tuple[str, str]:
    """Return code and reason for a Jacobian without full rank.

    Parameters
    ----------
    model : Model
        What was minimised.
    point : array of shape (p,)
        Where the search ended.
    factor : Factor
        There, of the free parameters.
    free : array of bool, shape (p,)
        Which are not at a bound.
    deviation : float
        Of the data in standard units.
    """
    names = [name for name, is_free in zip(model.names, free, strict=True) if is_free]
    values = point[free]
    if factor.vanished.any():
        lost = np.flatnonzero(factor.vanished)
        place = ", ".join(f"{names[j]} = {values[j]:.3g}" for j in lost)
        return "N103", (
            f"near {place} the formula does not depend on it; "
            "start elsewhere with -p, or take it out of the formula"
        )
    null = factor.null_space() / factor.scale
    size = np.abs(null * factor.scale).max(axis=0)
    members = np.flatnonzero(size > 1e-6 * size.max(initial=1e-300))
    reason = (
        f"{' and '.join(names[j] for j in members)} cannot be told apart from these "
        "data"
    )
    shown = _combinations(model, point, factor, free, members, deviation)
    if shown:
        verb = "is" if len(shown) == 1 else "are"
        determined = "; ".join(shown[:MOST_SHOWN]).replace(
            ":", f" {verb} determined:", 1
        )
        reason += f"; only {determined}"
    return "N102", f"{reason}; fix one by writing a number in its place"


def _combinations(
    model: Model,
    point: Array,
    factor: Factor,
    free: Mask,
    members: npt.NDArray[np.intp],
    deviation: float,
) -> list[str]:
    """Return ``b + c: 3.03 +- 0.08`` for each combination that is determined."""
    names = [name for name, is_free in zip(model.names, free, strict=True) if is_free]
    null, values = factor.null_space() / factor.scale, point[free]
    names, inner = [names[j] for j in members], values[members]
    is_sum = _leaves_alone(model, point, free, null, in_logs=False)
    is_product = not is_sum and _leaves_alone(model, point, free, null, in_logs=True)
    unit = inner if is_product else np.ones(len(members))
    rows = _complement(null[:, members] / unit)
    shown = []
    for row in rows:
        whole = _whole(row)
        row = row if whole is None else whole
        full = np.zeros((1, len(values)))
        full[0, members] = row / unit
        error = deviation * float(factor.errors_of(full)[0])
        if is_product and whole is not None:
            value = float(np.prod(inner**row))
            text, error = _product_text(names, row), abs(value) * error
        else:
            value = float(full[0, members] @ inner)
            text = _sum_text(names, full[0, members])
            text += "" if is_sum else " (near this point)"
        shown.append(f"{text}: {value:.6g} +- {error:.2g}")
    return shown


def _leaves_alone(
    model: Model, point: Array, free: Mask, null: Array, *, in_logs: bool
) -> bool:
    """Say whether moving far along the null space changes no fitted value."""
    if in_logs and not point[free].all():
        return False
    here = model.fitted(point)
    for direction in null:
        other, values = point.copy(), point[free]
        with np.errstate(all="ignore"):
            relative = direction / (values if in_logs else 1.0)
            longest = np.abs(relative).max()
            reach = 0.3 if in_logs else 0.3 * max(np.abs(values).max(), 1e-300)
            move = relative * (reach / longest)
            other[free] = values * np.exp(move) if in_logs else values + move
            change = np.abs(model.fitted(other) - here).max()
        if not change <= 1e-9 * np.abs(here).max():
            return False
    return True


def _complement(null: Array) -> Array:
    """Return rows orthogonal to those of `null`, reduced to leading ones."""
    members = null.shape[1]
    rows = np.linalg.svd(null / np.abs(null).max())[2][len(null) :].copy()
    lead = 0
    for column in range(members):
        if lead == len(rows):
            break
        best = lead + int(np.argmax(np.abs(rows[lead:, column])))
        if abs(rows[best, column]) < 1e-9:
            continue
        rows[[lead, best]] = rows[[best, lead]]
        rows[lead] /= rows[lead, column]
        others = np.arange(len(rows)) != lead
        rows[others] -= np.outer(rows[others, column], rows[lead])
        lead += 1
    rows[np.abs(rows) < 1e-9] = 0.0
    return rows


def _whole(row: Array) -> Array | None:
    """Return a row times the whole number that makes it whole, if a small one does."""
    parts = [Fraction(float(v)).limit_denominator(LARGEST_WHOLE) for v in row]
    if any(abs(float(q) - v) > 1e-7 * abs(v) for q, v in zip(parts, row, strict=True)):
        return None
    factor = int(np.lcm.reduce([q.denominator for q in parts]))
    whole = np.array([float(q * factor) for q in parts])
    return whole if np.abs(whole).max() <= LARGEST_WHOLE else None


def _sum_text(names: list[str], row: Array) -> str:
    text = ""
    for name, value in zip(names, row, strict=True):
        if value == 0.0:
            continue
        size = "" if abs(value) == 1.0 else f"{abs(value):.6g}*"
        sign = ("- " if value < 0 else "+ ") if text else ("-" if value < 0 else "")
        text += f"{' ' if text else ''}{sign}{size}{name}"
    return text


def _product_text(names: list[str], row: Array) -> str:
    above = [(n, v) for n, v in zip(names, row, strict=True) if v > 0]
    below = [(n, -v) for n, v in zip(names, row, strict=True) if v < 0]

    def power(name: str, exponent: float) -> str:
        return name if exponent == 1.0 else f"{name}^{exponent:g}"

    text = "*".join(power(*pair) for pair in above) or "1"
    return text + "".join(f"/{power(*pair)}" for pair in below)
