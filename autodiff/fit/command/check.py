"""``autodiff check``: how a formula is understood, without a fit."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from autodiff.fit.command.reading import table
from autodiff.fit.command.values import column_names
from autodiff.fit.errors import FitError
from autodiff.fit.formula.derivative import differentiate
from autodiff.fit.formula.evaluate import degree_in, names_in
from autodiff.fit.formula.functions import CONSTANTS, functions
from autodiff.fit.formula.parse import Formula, Node, parse
from autodiff.fit.formula.printing import to_text

__all__ = ["run_check"]

SCHEMA = "autodiff-check/1"


def run_check(options: Namespace) -> int:
    """Print what a formula means; return 0."""
    formula = parse(options.formula)
    columns = _columns(options)
    found = describe(formula, columns)
    if options.json:
        import json

        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(formula, found)))
    return 0


def _columns(options: Namespace) -> list[str] | None:
    """Return the names of columns; None where nothing says which names are data.

    With a table the formula is bound to it, so that what a fit would refuse is told.
    """
    if options.file is None:
        return column_names(options.columns)
    from autodiff.fit.problem import pose

    data = table(options.file, options)
    pose(options.formula, data)
    return list(data.names)


def describe(formula: Formula, columns: list[str] | None) -> dict[str, Any]:
    """Return what can be said of a formula, as plain data.

    Parameters
    ----------
    formula : Formula
        What was parsed.
    columns : list of str or None
        Names of data; None where they are not known.
    """
    left, right = names_in(formula.lhs), names_in(formula.rhs)
    levels = {node.level for node in right.values() if node.level}
    if columns is None:
        data = [*left, *levels]
        parameters = []
    else:
        data = [name for name in (*left, *right) if name in columns]
        data += sorted(levels)
        parameters = [name for name in right if name not in columns]
    wanted = list(right) if columns is None else parameters
    linear = [name for name in wanted if degree_in(formula.rhs, frozenset([name])) <= 1]
    together = bool(wanted) and degree_in(formula.rhs, frozenset(wanted)) <= 1
    response = to_text(formula.lhs) if formula.lhs else None
    if response is None and columns is not None:
        spare = [name for name in columns if name not in right and name not in levels]
        response = spare[0] if len(spare) == 1 else None
    return {
        "schema": SCHEMA,
        "formula": formula.text,
        "response": response,
        "right_side": to_text(formula.rhs),
        "columns_known": columns is not None,
        "data": list(dict.fromkeys(data)),
        "parameters": parameters,
        "constants": sorted({n.text for n in formula.rhs if n.kind == "constant"}),
        "functions": sorted(
            {functions()[n.text].name for n in formula.rhs if n.kind == "call"}
        ),
        "linear": together and columns is not None,
        "linear_in": linear,
        "derivatives": {name: _derivative(formula, name) for name in wanted},
        "cost": _cost(formula),
    }


def _derivative(formula: Formula, name: str) -> str | None:
    try:
        return to_text(differentiate(formula.rhs, name))
    except FitError:
        return None


def _cost(formula: Formula) -> dict[str, int]:
    leaves = ("number", "constant", "name", "text")
    inner = [node for node in formula.rhs if node.kind not in leaves]
    calls = sum(node.kind in ("call", "^") for node in inner)
    return {"operations": len(inner), "function_calls": calls}


def _lines(formula: Formula, found: dict[str, Any]) -> list[str]:
    known = found["columns_known"]
    listed = {
        "response": found["response"] or "the one column that is not used",
        "data": ", ".join(found["data"]),
        "parameters": ", ".join(found["parameters"]),
        "constants": ", ".join(f"{n} = {CONSTANTS[n]:.6g}" for n in found["constants"]),
        "functions": ", ".join(found["functions"]),
    }
    if not known:
        listed["parameters"] = "all names that are no columns; --columns x,y says which"
    listed["linear in"] = (
        "all parameters: solved directly"
        if found["linear"]
        else (", ".join(found["linear_in"]) or "none")
    )
    cost = found["cost"]
    listed["cost per row"] = (
        f"{cost['operations']} operations, {cost['function_calls']} of them functions "
        "or powers"
    )
    width = max(map(len, listed))
    lines = [f"{name:<{width}}  {text or 'none'}" for name, text in listed.items()]
    lines += ["", "derivatives"]
    width = max((len(name) for name in found["derivatives"]), default=0)
    for name, text in found["derivatives"].items():
        lines.append(
            f"  d/d{name:<{width}}  {text or 'not a formula; computed exactly'}"
        )
    return [*lines, "", "parse", *_tree(formula.rhs)]


def _tree(nodes: tuple[Node, ...]) -> list[str]:
    """Return the tree, an operand a line below its operator, without recursion."""
    lines = []
    waiting = [(len(nodes) - 1, 1)]
    while waiting:
        index, depth = waiting.pop()
        node = nodes[index]
        lines.append(f"{'  ' * depth}{_label(node)}")
        waiting += [(i, depth + 1) for i in reversed(node.operands)]
    return lines


def _label(node: Node) -> str:
    if node.kind == "number":
        return f"{node.value:g}"
    if node.kind == "neg":
        return "- (negative)"
    if node.kind in ("constant", "name", "text", "call"):
        return f"{node.text}[{node.level}]" if node.level else node.text
    return node.kind
