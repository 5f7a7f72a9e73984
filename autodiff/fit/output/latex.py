r"""A fitted formula as LaTeX: the equation, and values with their errors.

Only commands of amsmath are used: ``\begin{align*} ... \end{align*}``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from autodiff.fit.formula.functions import functions
from autodiff.fit.formula.parse import Node, parse
from autodiff.fit.output.numbers import together
from autodiff.fit.stats.result import Estimate, FitResult

__all__ = ["latex_report", "to_latex"]

LOOSE, LOGIC, COMPARE, SUM, PRODUCT, SIGN, POWER, ATOM = range(8)

_GREEK = set(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon "
    "Phi Psi Omega".split()
)
_COMMANDS = set("exp log sin cos tan sinh cosh tanh".split())
_COMMANDS_NAMED = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_AROUND = {
    "abs": r"\left|%s\right|",
    "floor": r"\left\lfloor %s\right\rfloor",
    "ceil": r"\left\lceil %s\right\rceil",
    "sqrt": r"\sqrt{%s}",
    "cbrt": r"\sqrt[3]{%s}",
}
_SIGNS = {
    "<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne",
    "and": r"\wedge", "or": r"\vee",
}  # fmt: skip
_ESCAPES = {c: f"\\{c}" for c in "#$%&_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def latex_report(result: FitResult) -> str:
    """Return the formula and its parameters as an ``align*`` of amsmath.

    Parameters
    ----------
    result : FitResult
        A fit that converged.
    """
    formula = parse(result.formula)
    left = to_latex(formula.lhs) if formula.lhs else "y"
    lines = [rf"{left} &= {to_latex(formula.rhs)}"]
    for name, p in {**result.parameters, **result.derived}.items():
        lines.append(rf"{_name(name)} &= {_value(p)}")
    return "\\begin{align*}\n  " + " \\\\\n  ".join(lines) + "\n\\end{align*}"


def to_latex(nodes: Sequence[Node]) -> str:
    """Return the value of the last node in LaTeX.

    Examples
    --------
    >>> print(to_latex(parse("a*exp(-b*x)/2").rhs))
    \\frac{a \\, e^{-b \\, x}}{2}
    """
    pieces: list[tuple[str, int]] = []
    for node in nodes:
        pieces.append(_piece(node, [pieces[index] for index in node.operands]))
    return pieces[-1][0]


def _piece(node: Node, own: list[tuple[str, int]]) -> tuple[str, int]:
    kind = node.kind
    if kind in ("+", "-"):
        return f"{_in(own[0], SUM)} {kind} {_in(own[1], SUM + (kind == '-'))}", SUM
    if kind == "*":
        return rf"{_in(own[0], PRODUCT)} \, {_in(own[1], PRODUCT)}", PRODUCT
    if kind == "/":
        return rf"\frac{{{own[0][0]}}}{{{own[1][0]}}}", ATOM
    if kind == "^":
        return f"{{{_in(own[0], ATOM)}}}^{{{own[1][0]}}}", POWER
    if kind == "neg":
        return f"-{_in(own[0], PRODUCT)}", SUM
    if kind == "call":
        return _call(functions()[node.text].name, [text for text, _ in own])
    if kind == "if":
        condition, yes, no = (text for text, _ in own)
        text = (
            rf"\begin{{cases}} {yes} & \text{{if }} {condition} \\ "
            rf"{no} & \text{{otherwise}} \end{{cases}}"
        )
        return text, ATOM
    if kind == "not":
        return rf"\neg {_in(own[0], ATOM)}", LOGIC
    if kind in _SIGNS:
        level = LOGIC if kind in ("and", "or") else COMPARE
        return (
            f"{_in(own[0], level + 1)} {_SIGNS[kind]} {_in(own[1], level + 1)}",
            level,
        )
    return _leaf(node), ATOM


def _leaf(node: Node) -> str:
    if node.kind == "name":
        return _name(f"{node.text}[{node.level}]" if node.level else node.text)
    if node.kind == "constant":
        return r"\pi" if node.text == "pi" else node.text
    if node.kind == "text":
        return rf"\text{{{_escaped(node.text)}}}"
    return _number(f"{node.value:.15g}")


def _call(name: str, own: list[str]) -> tuple[str, int]:
    if name in _AROUND:
        return _AROUND[name] % own[0], ATOM
    if name == "exp":
        return f"e^{{{own[0]}}}", POWER
    word = rf"\{_COMMANDS_NAMED.get(name, name)}"
    if name not in _COMMANDS and name not in _COMMANDS_NAMED:
        word = rf"\operatorname{{{_escaped(name)}}}"
    return rf"{word}\left({', '.join(own)}\right)", ATOM


def _in(piece: tuple[str, int], binding: int) -> str:
    text, own = piece
    return text if own >= binding else rf"\left({text}\right)"


def _name(name: str) -> str:
    """Return a name: Greek, or a letter with an index, or upright."""
    base, bracket, level = name.partition("[")
    index = [rf"\text{{{_escaped(level[:-1])}}}"] if bracket else []
    match = re.fullmatch(r"([A-Za-z]+?)_?(\d+|(?<=_)\w+)?", base)
    if match and (match[1] in _GREEK or len(match[1]) == 1):
        head = f"\\{match[1]}" if match[1] in _GREEK else match[1]
        if match[2]:
            index.insert(
                0,
                match[2]
                if len(match[2]) == 1 or match[2].isdigit()
                else rf"\text{{{_escaped(match[2])}}}",
            )
    else:
        head = rf"\mathrm{{{_escaped(base)}}}".replace(" ", r"\ ")
    return head + (f"_{{{','.join(index)}}}" if index else "")


def _value(p: Estimate) -> str:
    if p.status == "fixed" or not p.se > 0.0:
        return _number(f"{p.estimate:.12g}")
    error, value = together(p.se, p.estimate)
    return rf"{_number(value)} \pm {_number(error)}"


def _number(text: str) -> str:
    digits, e, power = text.partition("e")
    return rf"{digits} \times 10^{{{int(power)}}}" if e else digits


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(c, c) for c in text)
