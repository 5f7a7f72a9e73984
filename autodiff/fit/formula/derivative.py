"""Differentiate a formula by a name, as a formula."""

from __future__ import annotations

from collections.abc import Sequence

from autodiff.fit.errors import FormulaError
from autodiff.fit.formula.build import Builder
from autodiff.fit.formula.functions import functions
from autodiff.fit.formula.parse import Node
from autodiff.fit.formula.partials import partial

__all__ = ["differentiate", "simplify"]


def simplify(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Return a side in the shortest form that plain rules give."""
    builder = Builder()
    return builder.result(builder.copy(nodes))


def differentiate(nodes: Sequence[Node], name: str) -> tuple[Node, ...]:
    """Return the derivative of a side by a name.

    Parameters
    ----------
    nodes : sequence of Node
        One side of a formula.
    name : str
        A column or parameter; one that does not occur has derivative 0.

    Returns
    -------
    tuple of Node
        Nodes may be shared: this is a graph, not always a tree. Where a formula jumps,
        or at the edge of a choice, it is the derivative beside.

    Raises
    ------
    FormulaError
        If the engine's rule for a function is no formula.

    Examples
    --------
    >>> from autodiff.fit.formula.parse import parse
    >>> from autodiff.fit.formula.printing import to_text
    >>> to_text(differentiate(parse("a*exp(-b*x)").rhs, "b"))
    '-a*exp(-b*x)*x'
    """
    try:
        return _differentiate(nodes, name)
    except RecursionError:
        message = "a product this long is not differentiated on paper"
        raise FormulaError("F121", message, name, 0, 1) from None


def _differentiate(nodes: Sequence[Node], name: str) -> tuple[Node, ...]:
    builder = Builder()
    zero, one = builder.number(0.0), builder.number(1.0)
    values: list[int] = []
    slopes: list[int] = []
    for node in nodes:
        operands = [values[index] for index in node.operands]
        if not operands:
            value = builder.copy([node])
            slope = one if node.kind == "name" and node.text == name else zero
        else:
            value = builder.apply(node.kind, operands, node.text)
            inner = [slopes[index] for index in node.operands]
            slope = zero
            if any(index != zero for index in inner):
                slope = _slope(builder, node, operands, inner, value)
        values.append(value)
        slopes.append(slope)
    return builder.result(slopes[-1])


def _slope(b: Builder, node: Node, x: list[int], dx: list[int], value: int) -> int:
    """Return the derivative of one node; `dx` are those of its operands."""
    kind = node.kind
    if kind == "neg":
        return b.neg(dx[0])
    if kind == "+":
        return b.add(dx[0], dx[1])
    if kind == "-":
        return b.sub(dx[0], dx[1])
    if kind == "*":
        return b.add(b.mul(dx[0], x[1]), b.mul(x[0], dx[1]))
    if kind == "/":
        return b.div(b.sub(dx[0], b.div(b.mul(x[0], dx[1]), x[1])), x[1])
    if kind == "if":
        return b.choice(x[0], dx[1], dx[2])
    if kind not in ("^", "call"):
        return b.number(0.0)  # comparisons and logic are piecewise constant
    function = functions()["pow" if kind == "^" else node.text]
    total = b.number(0.0)
    for which, inner in enumerate(dx):
        if b.value(inner) != 0.0:
            slope = partial(b, function, which, x, value)
            total = b.add(total, b.mul(slope, inner))
    return total
