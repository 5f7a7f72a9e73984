"""Name what a singular problem leaves undetermined, and what it does determine.

The null space of the Jacobian is what the data say nothing on. Where moving along it
by a finite amount changes no fitted value, sums of parameters are determined (``b +
c``); where that holds in logarithms, products are (``a*b``); else only a direction is,
near the point. Mixtures, as ``log(a) + c``, are tried too. Coefficients are shown as
small whole numbers where they are such.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from autodiff.fit.solve.factor import Factor
from autodiff.fit.solve.model import Model

__all__ = ["NO_EFFECT", "undetermined"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NO_EFFECT = (
    "the formula does not depend on it; start elsewhere with -p, or take it out of the "
    "formula"
)
MOST_SHOWN = 4  # combinations
MOST_MIXED = 4  # parameters
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
        return "N103", f"near {place} {NO_EFFECT}"
    null = factor.null_space() / factor.scale
    size = np.abs(null * factor.scale).max(axis=0)
    members = np.flatnonzero(size > 1e-6 * size.max(initial=1e-300))
    reason = (
        f"{' and '.join(names[j] for j in members)} cannot be told apart from these "
        "data"
    )
    shown = _combinations(model, point, factor, free, members, deviation)
    if len(shown) == 1:
        reason += f"; only {shown[0].replace(':', ' is determined:', 1)}"
    elif shown:
        reason += f"; only these are determined: {'; '.join(shown[:MOST_SHOWN])}"
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
    flat = np.zeros(len(members), dtype=bool)
    choices = list(_coordinates(model, point, free, null, members))
    is_global = bool(choices)

    def rows_in(logs: Mask) -> Array:
        return _complement(null[:, members] / np.where(logs, inner, 1.0))

    logs = next(
        (c for c in choices if all(_whole(row) is not None for row in rows_in(c))),
        choices[0] if choices else flat,
    )
    unit = np.where(logs, inner, 1.0)
    shown = []
    for row in rows_in(logs):
        whole = _whole(row)
        row = row if whole is None else whole
        full = np.zeros((1, len(values)))
        full[0, members] = row / unit
        error = deviation * float(factor.errors_of(full)[0])
        if logs.all() and whole is not None:
            value = float(np.prod(inner**row))
            text, error = _product_text(names, row), abs(value) * error
        else:
            terms = np.where(logs, np.log(np.abs(inner)), inner)
            value = float(row @ terms)
            text = _sum_text(names, inner, row, logs)
            text += "" if is_global else " (near this point)"
        shown.append(f"{text}: {value:.6g} +- {error:.2g}")
    return shown


def _coordinates(
    model: Model,
    point: Array,
    free: Mask,
    null: Array,
    members: npt.NDArray[np.intp],
) -> Iterator[Mask]:
    """Yield which parameters to take logarithms of, so that the null space is flat.

    In these coordinates moving far along it leaves all fitted values alone.
    """
    count = len(members)
    codes = range(2**count) if count <= MOST_MIXED else (0, 2**count - 1)
    here = model.fitted(point)
    for code in sorted(codes, key=lambda code: (bin(code).count("1") % count, code)):
        logs = np.array([bool(code >> k & 1) for k in range(count)])
        if not point[free][members][logs].all():
            continue
        full = np.zeros(len(null[0]), dtype=bool)
        full[members] = logs
        if all(_leaves_alone(model, point, free, row, full, here) for row in null):
            yield logs


def _leaves_alone(
    model: Model,
    point: Array,
    free: Mask,
    direction: Array,
    logs: Mask,
    here: Array,
) -> bool:
    """Say whether moving far along a direction changes no fitted value."""
    other, values = point.copy(), point[free]
    relative = direction / np.where(logs, values, 1.0)
    size = np.where(logs, 1.0, np.maximum(np.abs(values), np.abs(values).max() * 1e-3))
    move = relative * (0.3 / np.abs(relative / size).max())
    other[free] = np.where(logs, values * np.exp(move), values + move)
    change = np.abs(model.fitted(other) - here).max()
    return bool(change <= 1e-9 * np.abs(here).max())


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
    from fractions import Fraction  # loads a lot, for few

    parts = [Fraction(float(v)).limit_denominator(LARGEST_WHOLE) for v in row]
    if any(abs(float(q) - v) > 1e-7 * abs(v) for q, v in zip(parts, row, strict=True)):
        return None
    factor = int(np.lcm.reduce([q.denominator for q in parts]))
    whole = np.array([float(q * factor) for q in parts])
    return whole if np.abs(whole).max() <= LARGEST_WHOLE else None


def _sum_text(names: list[str], values: Array, row: Array, logs: Mask) -> str:
    text = ""
    for name, value, factor, in_log in zip(names, values, row, logs, strict=True):
        if factor == 0.0:
            continue
        if in_log:
            name = f"log({'-' if value < 0 else ''}{name})"
        size = "" if abs(factor) == 1.0 else f"{abs(factor):.6g}*"
        sign = ("- " if factor < 0 else "+ ") if text else ("-" if factor < 0 else "")
        text += f"{' ' if text else ''}{sign}{size}{name}"
    return text


def _product_text(names: list[str], row: Array) -> str:
    above = [(n, v) for n, v in zip(names, row, strict=True) if v > 0]
    below = [(n, -v) for n, v in zip(names, row, strict=True) if v < 0]

    def power(name: str, exponent: float) -> str:
        return name if exponent == 1.0 else f"{name}^{exponent:g}"

    text = "*".join(power(*pair) for pair in above) or "1"
    return text + "".join(f"/{power(*pair)}" for pair in below)
