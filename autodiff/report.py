"""Where a NaN or an infinity came from: nan_report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor


@dataclass(frozen=True)
class Finding:
    """One operation that made a NaN or an infinity.

    Attributes
    ----------
    operation
        Its name; "input" for a tensor that had the value from the start.
    operands
        Values of its operands, floats or arrays; None for one that is not known.
    result
        What it made: its value, or the adjoint it sent to an operand; NaN or infinite.
    element
        Index of the first bad element of an array result; () of a scalar.
    operand
        For adjoints, which operand it was sent to, counted from 0; else None.
    adjoint
        For adjoints, the adjoint it was made of; NaN when that is not one element.
    value
        For adjoints, what the operation had given, if that is known.
    line
        File and line that recorded it, if that was under `detect_anomaly`.
    """

    operation: str
    operands: tuple[Any, ...]
    result: float
    element: tuple[int, ...]
    operand: int | None = None
    adjoint: float | None = None
    value: Any = None
    line: str | None = None

    def __str__(self) -> str:
        where = f" at element {self.element}" if self.element else ""
        if self.operand is None:
            made = f"{self.operation} gave {self.result!r}{where}"
        else:
            made = (
                f"{self.operation} sent {self.result!r} to its operand "
                f"{self.operand + 1}{where}, given the adjoint {self.adjoint!r}"
            )
        shown = ", ".join(self._show(k, x) for k, x in enumerate(self.operands))
        lacks = any(x is None for x in self.operands) and self.value is not None
        return (
            made
            + (f"; operands: {shown}" if shown else "")
            + (f"; it had given {_at(self.value, self.element)}" if lacks else "")
            + (f"; recorded at {self.line}" if self.line else "")
        )

    def _show(self, k: int, x: Any) -> str:
        """Return operand k as text: the element concerned, where there is one."""
        is_met = k == self.operand or self.operation in _ELEMENTWISE
        return _at(x, self.element if is_met else ())


@dataclass(frozen=True)
class NanReport:
    """What `nan_report` found; false if nothing.

    Attributes
    ----------
    value
        The first operation that gave a NaN or an infinity for finite operands.
    nan
        The first that gave a NaN for operands without one, if that is another.
    adjoint
        The first that did so in the sweep, to the adjoint of an operand.
    n_unknown
        Number of array results that are not known: they were not kept, and neither
        were their operands.
    """

    value: Finding | None
    nan: Finding | None
    adjoint: Finding | None
    n_unknown: int

    def __bool__(self) -> bool:
        return any((self.value, self.nan, self.adjoint))

    def __str__(self) -> str:
        lines = [
            f"{what}: {finding}"
            for what, finding in (
                ("values", self.value),
                ("values, first nan", self.nan),
                ("adjoints", self.adjoint),
            )
            if finding
        ]
        if not lines:
            lines = ["no operation made a NaN or an infinity"]
        if self.n_unknown:
            lines.append(
                f"array results that are not known: {self.n_unknown} (they were not "
                "kept; hold on to the tensors to have them looked at)"
            )
        return "\n".join(lines)


def nan_report(
    tensor: Tensor, gradient: Any = None, *, strict_nan: bool = False
) -> NanReport:
    """Find the first operation that made a NaN or an infinity.

    Looks through the graph of a tensor, first at the values from below, then at the
    adjoints of a sweep. The graph is kept and no ``.grad`` is touched; hooks are not
    called.

    Parameters
    ----------
    tensor
        A tensor with a graph that was not swept, or swept with retain_graph=True.
    gradient
        Seed of the sweep, as for `backward`.
    strict_nan
        Sweep with IEEE products.

    Returns
    -------
    A report that prints as text: the operations, their operands' values, and the
    user's lines if recorded under `detect_anomaly`.

    Raises
    ------
    GraphError
        When the graph was swept and given back: call this before backward(), or call
        backward(retain_graph=True).

    Notes
    -----
    Costs about one evaluation and one sweep; recording costs nothing. Where an
    operand was changed in place after it was used it is not known, nor is the result
    of a `Function` that nobody holds.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.tensor(0.0, requires_grad=True)
    >>> print(ad.nan_report(ad.sqrt(x) * 2.0))
    adjoints: sqrt sent inf to its operand 1, given the adjoint 2.0; operands: 0.0
    """
    trace = _core.Trace(tensor)
    value, nan, n_unknown = _scan_values(trace)
    found = _core.sweep_checked(tensor, gradient, strict_nan)
    adjoint = None if found is None else _adjoint_finding(trace, *found)
    return NanReport(value, nan, adjoint, n_unknown)


def _scan_values(trace: _core.Trace) -> tuple[Finding | None, Finding | None, int]:
    """Return the first maker of a bad value, the first of a NaN, what is unknown."""
    first: Finding | None = None
    n_unknown, i = 0, trace.next_suspect(-1)
    while i >= 0:
        value = trace.value(i)
        n_unknown += value is None
        found = _value_finding(trace, i, value, is_first=first is None)
        if found and math.isnan(found.result):
            return first or found, found if first else None, n_unknown
        first = first or found
        i = trace.next_suspect(i)
    return first, None, n_unknown


def _badness(value: Any) -> int:
    """Return 2 for a NaN, 1 for an infinity, 0 for what is finite or not known."""
    if value is None or np.isfinite(value).all():
        return 0
    return 2 if np.isnan(value).any() else 1


def _value_finding(
    trace: _core.Trace, i: int, value: Any, *, is_first: bool
) -> Finding | None:
    """Return what entry i did, if it made a bad value or was given one from outside."""
    bad = _badness(value)
    if not bad:
        return None
    operands = trace.operands(i)
    worst = max(map(_badness, operands), default=0)
    name = trace.name(i)
    if bad <= worst:
        if not is_first:
            return None
        constants = [
            x
            for k, x in enumerate(operands)
            if _badness(x) == worst and trace.is_constant(i, k)
        ]
        if not constants:
            return None
        name, value, operands = f"a constant operand of {name}", constants[0], ()
    values = np.asarray(value)
    is_bad = np.isnan(values) if _badness(value) == 2 else np.isinf(values)
    at = tuple(int(n) for n in np.argwhere(is_bad)[0])
    return Finding(name, operands, float(values[at]), at, line=trace.line(i))


def _adjoint_finding(
    trace: _core.Trace, i: int, operand: int, element: int, adjoint: float, made: float
) -> Finding:
    shape = trace.adjoint_shape(i, operand)
    at = tuple(int(n) for n in np.unravel_index(element, shape)) if shape else ()
    name, operands, value = trace.name(i), trace.operands(i), trace.value(i)
    return Finding(name, operands, made, at, operand, adjoint, value, trace.line(i))


_ELEMENTWISE = frozenset(row.name for row in _core.ops(internal=True))


def _at(x: Any, element: tuple[int, ...]) -> str:
    """Return as text the element of an array that meets an element of a result."""
    if x is None:
        return "unknown"
    values = np.asarray(x)
    if values.ndim == 0:
        return repr(float(values))
    at = element[len(element) - values.ndim :]
    if len(at) != values.ndim or any(
        i >= n > 1 for i, n in zip(at, values.shape, strict=True)
    ):
        return f"an array of shape {values.shape}"
    at = tuple(min(i, n - 1) for i, n in zip(at, values.shape, strict=True))
    return f"{float(values[at])!r} at {at if len(at) != 1 else at[0]} of {values.shape}"
