"""Where a parameter of a formula is worth looking for, read off the formula and data.

A parameter beside a column lies within the column; one that multiplies it, in an
exponential, is of the order of one over its range; an exponent is small. Going down
the nodes from the value, each operand learns what size it should have, or between
which values it should lie, until that reaches a parameter. The result is a guess, and
only how many points must be tried depends on it, never an answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autodiff.fit.formula.evaluate import evaluate, names_in
from autodiff.fit.formula.parse import Node

__all__ = ["Reach", "reaches"]

Array = npt.NDArray[np.float64]

OSCILLATING = ("sin", "cos", "tan")
ROOTLIKE = ("log", "log2", "log10", "log1p", "sqrt", "cbrt", "abs")


class Reach(NamedTuple):
    """What a node is expected to be.

    `lo` and `hi` bound the magnitude, in either sign; or, where `is_place`, the value.
    """

    lo: float
    hi: float
    is_place: bool = False

    def times(self, smallest: float, largest: float) -> Reach:
        """Return the reach of something this large times what it was."""
        size = max(abs(self.lo), abs(self.hi))
        lo = 0.01 * size if self.is_place else self.lo
        return Reach(_bounded(lo * smallest), _bounded(size * largest))

    @property
    def size(self) -> Reach:
        """The same as a magnitude."""
        return self.times(1.0, 1.0) if self.is_place else self

    def sample(self, u: Array) -> Array:
        """Map numbers in [0, 1), shape (s,), to values.

        A place: three quarters within it, the rest up to ten times as far beyond. A
        magnitude: evenly by logarithm, two thirds positive.
        """
        if not self.is_place:
            positive = u < 2.0 / 3.0
            v = np.where(positive, 1.5 * u, 3.0 * (u - 2.0 / 3.0))
            size = self.lo * (self.hi / self.lo) ** v
            return np.where(positive, size, -size)
        width = max(self.hi - self.lo, 1e-6 * max(abs(self.lo), abs(self.hi), 1e-300))
        inside = u < 0.75
        within = self.lo + (u / 0.75 * 1.1 - 0.05) * width
        v = (u - 0.75) * 8.0  # in [0, 2): beyond, above or below
        far = 0.05 * width * 200.0 ** np.mod(v, 1.0)
        beyond = np.where(v < 1.0, self.hi + far, self.lo - far)
        return np.where(inside, within, beyond)

    def scan(self, count: int) -> Array:
        """Return `count` values, evenly over the reach."""
        return self.sample((np.arange(count) + 0.5) / count)


ORDER_ONE = Reach(0.05, 30.0)


def _bounded(size: float) -> float:
    return min(max(size, 1e-140), 1e140) if size == size else 1.0


class _Data(NamedTuple):
    """A node as far as data alone say: largest magnitude, range of values.

    `known` if the node has no parameter in it.
    """

    size: float
    lo: float
    hi: float
    known: bool
    n_values: int = 1

    @property
    def spread(self) -> float:
        width = self.hi - self.lo
        return width if width > 1e-9 * self.size else self.size


def reaches(
    nodes: Sequence[Node],
    columns: Mapping[str, Array],
    parameters: frozenset[str],
    response: Array,
) -> dict[str, Reach]:
    """Return where to look for each parameter.

    Parameters
    ----------
    nodes : sequence of Node
        The right-hand side.
    columns : mapping of str to array of shape (n,)
        Data, and slots that are fixed or given.
    parameters : frozenset of str
        Names to find; all names of the nodes that are not in `columns`.
    response : array of shape (n,)
        What is fitted.
    """
    data = _upwards(nodes, columns)
    size = float(np.abs(response).max(initial=0.0)) or 1.0
    wanted: list[list[Reach]] = [[] for _ in nodes]
    wanted[-1].append(Reach(0.01 * size, 10.0 * size))
    found: dict[str, list[Reach]] = {}
    for index in reversed(range(len(nodes))):
        node = nodes[index]
        if data[index].known or not wanted[index]:
            continue
        reach = _joined(wanted[index])
        if node.kind == "name":
            found.setdefault(node.text, []).append(reach)
        for operand, share in _downwards(node, reach, data):
            wanted[operand].append(share)
    every = {name: _joined(each) for name, each in found.items()}
    return {name: every.get(name, ORDER_ONE) for name in parameters}


def _joined(each: list[Reach]) -> Reach:
    """Return one reach for all: a place if one is known, else all magnitudes."""
    places = [reach for reach in each if reach.is_place] or each
    lo, hi = min(r.lo for r in places), max(r.hi for r in places)
    return Reach(lo, hi, places[0].is_place)


def _upwards(nodes: Sequence[Node], columns: Mapping[str, Array]) -> list[_Data]:
    """Say of each node what data say of it."""
    data: list[_Data] = []
    known: list[bool] = []
    for index, node in enumerate(nodes):
        own = [data[operand] for operand in node.operands]
        is_known = all(each.known for each in own) and (
            node.kind != "name" or node.text in columns
        )
        known.append(is_known)
        data.append(
            _values(nodes[: index + 1], columns) if is_known else _guess(node, own)
        )
    return data


def _values(nodes: Sequence[Node], columns: Mapping[str, Array]) -> _Data:
    """Evaluate a node without parameters; only what it needs of those before it."""
    needed = {len(nodes) - 1}
    for index in reversed(range(len(nodes))):
        if index in needed:
            needed.update(nodes[index].operands)
    order = {old: new for new, old in enumerate(sorted(needed))}
    part = [
        nodes[old]._replace(operands=tuple(order[i] for i in nodes[old].operands))
        for old in sorted(needed)
    ]
    names = {name: columns[name] for name in names_in(part)}
    with np.errstate(all="ignore"):
        try:
            value = evaluate(part, names)
        except (ArithmeticError, ValueError, TypeError):
            value = 1.0
    numbers = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    numbers = numbers[np.isfinite(numbers)].astype(np.float64)
    if not numbers.size:
        return _Data(1.0, 1.0, 1.0, True)
    size = float(np.abs(numbers).max()) or 1.0
    n_values = len(np.unique(numbers))
    return _Data(size, float(numbers.min()), float(numbers.max()), True, n_values)


def _guess(node: Node, own: list[_Data]) -> _Data:
    """Guess the size of a node that holds parameters."""
    if node.kind in ("+", "-") and len(own) == 2:
        told = [each for each in own if each.known or each.size != 1.0] or own
        best = max(told, key=lambda each: each.size)
        return _Data(best.size, best.lo, best.hi, False, best.n_values)
    if node.kind == "neg":
        return own[0]._replace(known=False)
    if node.kind in ("*", "/") and len(own) == 2:
        size = own[0].size * own[1].size
        size = size if node.kind == "*" else own[0].size / own[1].size
        size = _bounded(size)
        n_values = max(each.n_values for each in own)
        return _Data(size, -size, size, False, n_values)
    return _Data(1.0, 0.0, 1.0, False, max([e.n_values for e in own], default=1))


def _downwards(node: Node, reach: Reach, data: list[_Data]) -> list[tuple[int, Reach]]:
    """Say what the operands of a node should be, for the node to be in its reach."""
    operands = node.operands
    if node.kind == "neg":
        turned = Reach(-reach.hi, -reach.lo, True) if reach.is_place else reach
        return [(operands[0], turned)]
    if node.kind in ("+", "-", "*", "/", "^") and len(operands) == 2:
        return [
            (
                operand,
                _operand(
                    node.kind, side, reach, data[operands[1 - side]], data[operand]
                ),
            )
            for side, operand in enumerate(operands)
            if not data[operand].known
        ]
    if node.kind == "call" and len(operands) == 1:
        return [(operands[0], _argument(node.text, reach, data[operands[0]]))]
    return [
        (operand, _beside(node, reach, operand, data))
        for operand in operands
        if not data[operand].known
    ]


def _operand(kind: str, side: int, reach: Reach, other: _Data, own: _Data) -> Reach:
    """Say what one of two operands should be, given the other."""
    if kind in ("+", "-"):
        if not other.known:
            return reach
        if other.lo == other.hi:
            return Reach(_bounded(0.01 * other.size), _bounded(10.0 * other.size))
        if kind == "-":
            return Reach(other.lo, other.hi, True)
        return Reach(-other.hi, -other.lo, True)
    if kind == "*":
        if not other.known:
            return reach.size
        return reach.times(1.0 / other.size, 1.0 / other.spread)
    if kind == "/":
        if side == 0:
            return reach.times(0.1 if not other.known else 1.0, 1.0).times(
                other.size, other.size
            )
        size = reach.size
        top = other.spread if other.known or other.n_values > 1 else 1.0
        return Reach(_bounded(top / size.hi), _bounded(top / size.lo))
    if side == 1:
        return Reach(0.1, 6.0)
    return Reach(_bounded(0.05 * own.size), _bounded(20.0 * own.size))


def _argument(name: str, reach: Reach, own: _Data) -> Reach:
    if name in OSCILLATING:
        most = max(2, own.n_values)
        return Reach(0.5 * math.pi, math.pi * most)
    if name in ROOTLIKE:
        return Reach(_bounded(0.05 * own.size), _bounded(20.0 * own.size))
    return ORDER_ONE


def _beside(node: Node, reach: Reach, operand: int, data: list[_Data]) -> Reach:
    """Say what an operand of anything else should be: near the data beside it."""
    others = [data[i] for i in node.operands if i != operand and data[i].known]
    wide = [other for other in others if other.lo < other.hi]
    if wide and node.kind not in ("if", "conditional"):
        return Reach(wide[0].lo, wide[0].hi, True)
    return reach
