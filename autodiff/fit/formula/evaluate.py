"""Walk the nodes of a formula over rows of data.

Columns are arrays or scalars, parameters are the engine's tensors; the value is
whatever the engine makes of them. The walk is a loop, so no formula is too deep.

A choice (``a if c else b``) whose condition is a single value is made by its truth and
only the chosen side is evaluated: while a program is recorded for a row, that is a
guard. Where the condition is an array both sides are evaluated and combined by element.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import autodiff as ad
from autodiff.fit.formula.functions import Function, functions
from autodiff.fit.formula.parse import COMPARISONS, Node

__all__ = ["degree_in", "evaluate", "levels_in", "names_in"]

_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "neg": operator.neg,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_LOGIC = ("and", "or", "not", "if")

Call = Callable[[Function, list[Any]], Any]
Choose = Callable[[Any, Any, Any], Any]


def _call(function: Function, operands: list[Any]) -> Any:
    return function.call(*operands)


def evaluate(
    nodes: Sequence[Node],
    names: Mapping[str, Any],
    *,
    call: Call = _call,
    choose: Choose = ad.where,
) -> Any:
    """Return the value of the last node.

    Parameters
    ----------
    nodes : sequence of Node
        One side of a formula.
    names : mapping
        The value of every name: a float, an array, a tensor, or anything else with
        arithmetic operators.
    call : callable, optional
        How to apply a function to its operands, for values the engine's own
        functions do not take.
    choose : callable, optional
        How to take from two values by an array of truths, likewise.

    Returns
    -------
    float, array or tensor
        NaN or infinity where a row leaves the formula's domain; never raises
        for that. A comparison is 1 or 0, or what its operands make of it.
    """
    walk = _Walk(nodes, names, call, choose)
    if any(node.kind in _LOGIC for node in nodes):
        return walk.on_demand()
    return walk.in_order()


class _Walk:
    """The values of nodes, as they become known."""

    def __init__(
        self,
        nodes: Sequence[Node],
        names: Mapping[str, Any],
        call: Call,
        choose: Choose,
    ) -> None:
        self.nodes = nodes
        self.names = names
        self.call = call
        self.choose = choose
        self.values: dict[int, Any] = {}
        self.truths: dict[int, bool | None] = {}
        self.functions = functions()

    def in_order(self) -> Any:
        """Evaluate every node."""
        for index, node in enumerate(self.nodes):
            self.values[index] = self.apply(node)
        return self.values[len(self.nodes) - 1]

    def on_demand(self) -> Any:
        """Evaluate the nodes that the last one needs, and no side not chosen."""
        last = len(self.nodes) - 1
        waiting = [last]
        while waiting:
            index = waiting[-1]
            if index not in self.values:
                missing = self.missing(self.nodes[index])
                if missing is not None:
                    waiting.append(missing)
                    continue
                self.values[index] = self.apply(self.nodes[index])
            waiting.pop()
        return self.values[last]

    def missing(self, node: Node) -> int | None:
        """Return an operand that `node` needs and that has no value yet."""
        operands = node.operands
        if node.kind in ("if", "and", "or"):
            first = operands[0]
            if first not in self.values:
                return first
            truth = self.truth(first)
            if truth is not None:
                chosen = {"if": 1 if truth else 2, "and": int(truth), "or": 1 - truth}
                operands = (operands[chosen[node.kind]],)
        return next((i for i in operands if i not in self.values), None)

    def truth(self, index: int) -> bool | None:
        """Return the truth of a single value, asked for once; None for an array."""
        if index not in self.truths:
            value = self.values[index]
            whole = getattr(value, "ndim", 0) == 0 and not hasattr(value, "high")
            self.truths[index] = bool(value) if whole else None
        return self.truths[index]

    def apply(self, node: Node) -> Any:
        """Return the value of a node whose operands have theirs."""
        kind = node.kind
        if kind == "name":
            return self.names[node.text]
        if kind == "text":
            return node.text
        if kind in _LOGIC:
            return self.decide(node)
        operands = [self.values[index] for index in node.operands]
        if kind == "call":
            return self.call(self.functions[node.text], operands)
        if kind in COMPARISONS:
            return _OPERATORS[kind](*operands)
        if kind in _OPERATORS:
            return _arithmetic(kind, operands)
        return node.value

    def decide(self, node: Node) -> Any:
        """Return the value of a choice or of logic."""
        first = node.operands[0]
        truth = self.truth(first)
        if node.kind == "not":
            return self.values[first] == 0 if truth is None else not truth
        if truth is None:
            operands = [self.values[index] for index in node.operands]
            if node.kind == "if":
                return self.choose(*operands)
            logic = np.logical_and if node.kind == "and" else np.logical_or
            return logic(*(operand != 0 for operand in operands))
        if node.kind == "if":
            return self.values[node.operands[1 if truth else 2]]
        if truth == (node.kind == "or"):
            return truth
        return self.values[node.operands[1]] != 0


def _arithmetic(kind: str, operands: list[Any]) -> Any:
    """Apply an operator; plain numbers follow IEEE, not Python's exceptions."""
    if all(isinstance(operand, (float, int)) for operand in operands):
        with np.errstate(all="ignore"):
            return float(_OPERATORS[kind](*map(np.float64, operands)))
    return _OPERATORS[kind](*operands)


def names_in(nodes: Sequence[Node]) -> dict[str, Node]:
    """Return the names of a side in order of first use, each with its node.

    Columns that stand in brackets, as levels, are not among them.
    """
    found: dict[str, Node] = {}
    for node in nodes:
        if node.kind == "name":
            found.setdefault(node.text, node)
    return found


def levels_in(nodes: Sequence[Node]) -> dict[str, Node]:
    """Return the indexed names of a side, each with its first node."""
    return {name: node for name, node in names_in(nodes).items() if node.level}


def degree_in(
    nodes: Sequence[Node], parameters: Iterable[str] | Mapping[str, int]
) -> int:
    """Return 0, 1 or 2: free of, linear in, or not known linear in `parameters`.

    Parameters
    ----------
    nodes : sequence of Node
        One side of a formula.
    parameters : iterable of str, or mapping of str to int
        Names, or names with a degree of their own, as those of tied parameters have.
    """
    given = (
        parameters if isinstance(parameters, Mapping) else dict.fromkeys(parameters, 1)
    )
    degrees: list[int] = []
    for node in nodes:
        own = [degrees[index] for index in node.operands]
        if not own:
            degree = given.get(node.text, 0) if node.kind == "name" else 0
        elif max(own) == 0:
            degree = 0
        elif node.kind in ("+", "-", "neg"):
            degree = max(own)
        elif node.kind == "*":
            degree = min(2, sum(own))
        elif node.kind == "/":
            degree = own[0] if own[1] == 0 else 2
        elif node.kind == "if":
            degree = max(own[1:]) if own[0] == 0 else 2
        else:
            degree = 2
        degrees.append(degree)
    return degrees[-1]
