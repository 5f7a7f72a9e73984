r"""Write a formula as LaTeX, for papers: fractions, roots, cases, Greek letters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from autodiff.fit.formula.parse import COMPARISONS, Node
from autodiff.fit.formula.printing import (
    AND,
    ATOM,
    COMPARE,
    NOT,
    OR,
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    Dialect,
    Piece,
    write,
)

__all__ = ["latex_name", "to_latex"]

_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon "
    "Phi Psi Omega".split()
)
_COMMANDS = frozenset("exp log sin cos tan sinh cosh tanh".split())
_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_SIGNS = {"<=": r"\le", ">=": r"\ge", "==": "=", "!=": r"\ne"}
_LOGIC = {"and": r"\wedge", "or": r"\vee"}
_ESCAPED = re.compile(r"[&%$#_{}]")


def _escaped(text: str) -> str:
    text = text.replace("\\", r"\backslash ").replace("~", r"\sim ")
    return _ESCAPED.sub(lambda match: "\\" + match.group(), text)


def latex_name(name: str, level: str = "") -> str:
    r"""Return a name with subscripts and Greek letters.

    Examples
    --------
    >>> latex_name("b1"), latex_name("Vm", "treated"), latex_name("tau_0")
    ('b_{1}', '\\mathrm{Vm}_{\\mathrm{treated}}', '\\tau_{0}')
    """
    if not level and name.endswith("]") and "[" in name:
        name, _, level = name[:-1].partition("[")
    match = re.fullmatch(r"([A-Za-z]+)_?([0-9]+|(?<=_)\w+)?", name)
    stem, below = (match[1], match[2] or "") if match else (name, "")
    if stem in _GREEK:
        text = f"\\{stem}"
    else:
        text = stem if len(stem) == 1 else f"\\mathrm{{{_escaped(stem)}}}"
    parts = [
        b if b.isdigit() else f"\\mathrm{{{_escaped(b)}}}" for b in (below, level) if b
    ]
    return f"{text}_{{{','.join(parts)}}}" if parts else text


def _wrap(piece: Piece, level: int) -> str:
    text, own = piece
    return text if own >= level else f"\\left({text}\\right)"


class _Latex(Dialect):
    def piece(self, node: Node, operands: list[Piece]) -> Piece:
        kind = node.kind
        if kind == "*":
            left, right = _wrap(operands[0], PRODUCT), _wrap(operands[1], SIGN)
            if right.startswith("-"):
                right = f"\\left({right}\\right)"
            dot = r" \cdot " if right[:1].isdigit() else r" \, "
            return left + dot + right, PRODUCT
        if kind == "/":
            return f"\\frac{{{operands[0][0]}}}{{{operands[1][0]}}}", SIGN
        if kind in ("+", "-"):
            right = _wrap(operands[1], SUM if kind == "+" else PRODUCT)
            if right.startswith("-"):
                right = f"\\left({right}\\right)"
            return f"{_wrap(operands[0], SUM)} {kind} {right}", SUM
        if kind in COMPARISONS:
            sign = _SIGNS.get(kind, kind)
            left, right = (_wrap(operand, SUM) for operand in operands)
            return f"{left} {sign} {right}", COMPARE
        return super().piece(node, operands)

    def number(self, value: float) -> str:
        mantissa, _, exponent = super().number(value).partition("e")
        if not exponent:
            return mantissa
        return f"{{{mantissa} \\cdot 10^{{{int(exponent)}}}}}"

    def constant(self, node: Node) -> str:
        return r"\pi" if node.text == "pi" else r"\mathrm{e}"

    def name(self, node: Node) -> str:
        return latex_name(node.text, node.level)

    def text(self, node: Node) -> str:
        return f"\\text{{{_escaped(node.text)}}}"

    def call(self, name: str, arguments: list[str]) -> Piece:
        if name == "sqrt":
            return f"\\sqrt{{{arguments[0]}}}", ATOM
        if name == "cbrt":
            return f"\\sqrt[3]{{{arguments[0]}}}", ATOM
        if name == "abs":
            return f"\\left|{arguments[0]}\\right|", ATOM
        name = _NAMES.get(name, name)
        known = name in _COMMANDS or name.startswith("arc")
        head = f"\\{name}" if known else f"\\operatorname{{{_escaped(name)}}}"
        return f"{head}\\left({', '.join(arguments)}\\right)", SIGN

    def negative(self, operand: Piece) -> Piece:
        text = _wrap(operand, PRODUCT)
        if text.startswith("-"):
            text = f"\\left({text}\\right)"
        return f"-{text}", PRODUCT

    def raised(self, base: Piece, exponent: Piece) -> Piece:
        return f"{_wrap(base, ATOM)}^{{{exponent[0]}}}", POWER

    def logic(self, kind: str, operands: list[Piece]) -> Piece:
        if kind == "if":
            condition, yes, no = (text for text, _ in operands)
            rows = f"{yes} & {condition} \\\\ {no} & \\text{{otherwise}}"
            return f"\\begin{{cases}} {rows} \\end{{cases}}", SIGN
        if kind == "not":
            return f"\\neg {_wrap(operands[0], ATOM)}", NOT
        level = OR if kind == "or" else AND
        left, right = _wrap(operands[0], level), _wrap(operands[1], level + 1)
        return f"{left} {_LOGIC[kind]} {right}", level


def to_latex(nodes: Sequence[Node]) -> str:
    r"""Return a side as LaTeX, for mathematics mode.

    Examples
    --------
    >>> from autodiff.fit.formula.parse import parse
    >>> to_latex(parse("a*exp(-(x/tau)) + b1").rhs)
    'a \\, \\exp\\left(-\\frac{x}{\\tau}\\right) + b_{1}'
    """
    return write(nodes, _Latex())
