"""Walk the nodes of a formula over rows of data.

Columns are arrays or scalars, parameters are the engine's tensors; the value is
whatever the engine makes of them. The walk is a loop, so no formula is too deep.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autodiff.fit.formula.functions import Function, functions
from autodiff.fit.formula.parse import Node

__all__ = ["degree_in", "evaluate", "names_in"]

_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "neg": operator.neg,
}


def _call(function: Function, operands: list[Any]) -> Any:
    return function.call(*operands)


def evaluate(
    nodes: Sequence[Node],
    names: Mapping[str, Any],
    *,
    call: Callable[[Function, list[Any]], Any] = _call,
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

    Returns
    -------
    float, array or tensor
        NaN or infinity where a row leaves the formula's domain; never raises
        for that.
    """
    values: list[Any] = []
    table = functions()
    for node in nodes:
        operands = [values[index] for index in node.operands]
        if node.kind == "name":
            values.append(names[node.text])
        elif node.kind == "call":
            values.append(call(table[node.text], operands))
        elif node.kind in _OPERATORS:
            values.append(_apply(node.kind, operands))
        else:
            values.append(node.value)
    return values[-1]


def _apply(kind: str, operands: list[Any]) -> Any:
    """Apply an operator; two plain floats follow IEEE, not Python's exceptions."""
    if all(type(operand) is float for operand in operands):
        with np.errstate(all="ignore"):
            return float(_OPERATORS[kind](*map(np.float64, operands)))
    return _OPERATORS[kind](*operands)


def names_in(nodes: Sequence[Node]) -> dict[str, Node]:
    """Return the names of a side in order of first use, each with its node."""
    found: dict[str, Node] = {}
    for node in nodes:
        if node.kind == "name":
            found.setdefault(node.text, node)
    return found


def degree_in(nodes: Sequence[Node], parameters: frozenset[str]) -> int:
    """Return 0, 1 or 2: free of, linear in, or not known linear in `parameters`."""
    degrees: list[int] = []
    for node in nodes:
        own = [degrees[index] for index in node.operands]
        if not own:
            degree = int(node.kind == "name" and node.text in parameters)
        elif max(own) == 0:
            degree = 0
        elif node.kind in ("+", "-", "neg"):
            degree = max(own)
        elif node.kind == "*":
            degree = min(2, sum(own))
        elif node.kind == "/":
            degree = own[0] if own[1] == 0 else 2
        else:
            degree = 2
        degrees.append(degree)
    return degrees[-1]
