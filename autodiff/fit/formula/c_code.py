"""Write a formula as a C expression, with the functions C lacks as definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autodiff.fit.errors import FormulaError
from autodiff.fit.formula.functions import CONSTANTS, functions
from autodiff.fit.formula.parse import COMPARISONS, Node
from autodiff.fit.formula.printing import (
    ATOM,
    SIGN,
    Dialect,
    Piece,
    identifier,
    plain_name,
    within,
    write,
)
from autodiff.fit.formula.special_code import SPECIAL, specials

__all__ = ["c_definitions", "to_c"]

# In math.h under our name, and under another.
_SAME = frozenset(
    "fmod sqrt cbrt hypot exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos "
    "atan atan2 sinh cosh tanh asinh acosh atanh erf erfc lgamma floor ceil trunc "
    "copysign fmax fmin fma".split()
)
_OTHER = {"abs": "fabs", "round": "rint"}

# Bodies in x, y, w; a function may use those above it.
_BODIES = {
    "sign": "(x > 0.0) - (x < 0.0)",
    "square": "x * x",
    "reciprocal": "1.0 / x",
    "rsqrt": "1.0 / sqrt(x)",
    "maximum": "x != x || x > y ? x : y",
    "minimum": "x != x || x < y ? x : y",
    "clip": "x < y ? (y < w ? y : w) : x > w ? w : x",
    "relu": "x <= 0.0 ? 0.0 : x",
    "sigmoid": "x < 0.0 ? exp(x) / (1.0 + exp(x)) : 1.0 / (1.0 + exp(-x))",
    "softplus": "x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x))",
    "logit": "log(x / (1.0 - x))",
    "logaddexp": "x == y ? x + log(2.0) : "
    "x > y ? x + log1p(exp(y - x)) : y + log1p(exp(x - y))",
    "xlogy": "x == 0.0 && y == y ? 0.0 : x * log(y)",
    "xlog1py": "x == 0.0 && y == y ? 0.0 : x * log1p(y)",
    "remainder": "x - y * floor(x / y)",
    "sinc": "x == 0.0 ? 1.0 : sin(3.141592653589793 * x) / (3.141592653589793 * x)",
    "deg2rad": "0.017453292519943295 * x",
    "rad2deg": "57.29577951308232 * x",
    "ndtr": "0.5 * erfc(-0.7071067811865476 * x)",
}


class _C(Dialect):
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def number(self, value: float) -> str:
        return repr(float(value))

    def constant(self, node: Node) -> str:
        return repr(CONSTANTS[node.text])

    def name(self, node: Node) -> str:
        name = plain_name(node)
        return self.names.get(name, identifier(name))

    def text(self, node: Node) -> str:
        message = "a comparison with a word has no form in C"
        raise FormulaError("F121", message, node.text, 0, 1)

    def call(self, name: str, arguments: list[str]) -> Piece:
        if name in _BODIES or name in SPECIAL:
            return super().call(f"fit_{name}", arguments)
        if name not in _SAME and name not in _OTHER:
            message = f"{name} has no form in C"
            raise FormulaError("F121", message, name, 0, 1)
        return super().call(_OTHER.get(name, name), arguments)

    def negative(self, operand: Piece) -> Piece:
        return f"-{within(operand, ATOM)}", SIGN

    def raised(self, base: Piece, exponent: Piece) -> Piece:
        return f"pow({base[0]}, {exponent[0]})", ATOM

    def logic(self, kind: str, operands: list[Piece]) -> Piece:
        texts = [within(operand, SIGN) for operand in operands]
        if kind == "if":
            return f"({texts[0]} ? {texts[1]} : {texts[2]})", ATOM
        if kind == "not":
            return f"(!{texts[0]})", ATOM
        sign = "&&" if kind == "and" else "||"
        return f"({texts[0]} {sign} {texts[1]})", ATOM

    def piece(self, node: Node, operands: list[Piece]) -> Piece:
        text, level = super().piece(node, operands)
        if node.kind in COMPARISONS:  # used as numbers too
            return f"({text})", ATOM
        return text, level


def to_c(nodes: Sequence[Node], names: Mapping[str, str] | None = None) -> str:
    """Return a side as a C expression of doubles.

    Parameters
    ----------
    nodes : sequence of Node
        One side of a formula.
    names : mapping of str to str, optional
        What names are called there; by default what `identifier` makes of them.

    Notes
    -----
    It needs ``math.h`` and what `c_definitions` returns for the same nodes.

    Examples
    --------
    >>> from autodiff.fit.formula.parse import parse
    >>> to_c(parse("a*x^2 + abs(b)").rhs)
    'a*pow(x, 2.0) + fabs(b)'
    """
    return write(nodes, _C(names or {}))


def c_definitions(nodes: Sequence[Node]) -> str:
    """Return the C definitions of the functions a side uses that C lacks."""
    used = [functions()[node.text] for node in nodes if node.kind == "call"]
    arguments = {f.name: f.n_args for f in used if f.name in _BODIES}
    lines = []
    for name, body in _BODIES.items():
        if name in arguments:
            operands = ", ".join(f"double {x}" for x in "xyw"[: arguments[name]])
            lines.append(f"static double fit_{name}({operands}) {{ return {body}; }}\n")
    lines += [special.c for special in specials(f.name for f in used)]
    return "".join(lines)
