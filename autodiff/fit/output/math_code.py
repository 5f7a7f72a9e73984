"""Write the nodes of a formula as Python with the module `math` alone.

What `math` lacks is a helper, written in front of the function: of one line, or one of
`special_code`. The helpers hold their digits where the plain formula would not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autodiff.fit.errors import UsageError
from autodiff.fit.formula.functions import functions
from autodiff.fit.formula.parse import Node
from autodiff.fit.formula.printing import (
    AND,
    ATOM,
    IF,
    NOT,
    OR,
    Dialect,
    Piece,
    identifier,
    plain_name,
    within,
    write,
)
from autodiff.fit.formula.special_code import SPECIAL, specials

__all__ = ["math_helpers", "to_math"]

_SAME = frozenset(
    "sqrt exp expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh "
    "tanh asinh acosh atanh erf erfc lgamma hypot fmod copysign".split()
)
_OTHER = {"abs": "abs", "deg2rad": "math.radians", "rad2deg": "math.degrees"}
_BODIES = {
    "reciprocal": ("x", "1.0 / x"),
    "square": ("x", "x * x"),
    "fma": ("x, y, z", "x * y + z"),
    "remainder": ("x, y", "x - y * math.floor(x / y)"),
    "rsqrt": ("x", "1.0 / math.sqrt(x)"),
    "cbrt": ("x", "math.copysign(abs(x) ** (1.0 / 3.0), x)"),
    "exp2": ("x", "math.pow(2.0, x)"),
    "logaddexp": ("x, y", "max(x, y) + math.log1p(math.exp(-abs(x - y)))"),
    "xlogy": ("x, y", "x * math.log(y) if x else 0.0"),
    "xlog1py": ("x, y", "x * math.log1p(y) if x else 0.0"),
    "sinc": ("x", "math.sin(math.pi * x) / (math.pi * x) if x else 1.0"),
    "sigmoid": (
        "x",
        "1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))",
    ),
    "softplus": ("x", "max(x, 0.0) + math.log1p(math.exp(-abs(x)))"),
    "relu": ("x", "x if x > 0 else 0.0"),
    "logit": ("x", "math.log(x / (1.0 - x))"),
    "ndtr": ("x", "0.5 * math.erfc(-0.7071067811865476 * x)"),
    "sign": ("x", "float((x > 0) - (x < 0))"),
    "floor": ("x", "float(math.floor(x))"),
    "ceil": ("x", "float(math.ceil(x))"),
    "trunc": ("x", "float(math.trunc(x))"),
    "round": ("x", "float(round(x))"),
    "maximum": ("x, y", "x if x > y else y"),
    "minimum": ("x, y", "x if x < y else y"),
    "fmax": ("x, y", "max(x, y)"),
    "fmin": ("x, y", "min(x, y)"),
    "clip": ("x, low, high", "min(max(x, low), high)"),
}


class _Math(Dialect):
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def constant(self, node: Node) -> str:
        return f"math.{node.text}"

    def name(self, node: Node) -> str:
        name = plain_name(node)
        return self.names.get(name, identifier(name))

    def text(self, node: Node) -> str:
        return repr(node.text)

    def call(self, name: str, arguments: list[str]) -> Piece:
        if name in _SAME:
            return super().call(f"math.{name}", arguments)
        if name in _OTHER:
            return super().call(_OTHER[name], arguments)
        if name not in _BODIES and name not in SPECIAL:
            raise UsageError(
                "U177",
                f"export: Python's math has no {name}; write the formula without it, "
                "or predict from the saved model",
            )
        return super().call(f"fit_{name}", arguments)

    def raised(self, base: Piece, exponent: Piece) -> Piece:
        return f"math.pow({base[0]}, {exponent[0]})", ATOM

    def logic(self, kind: str, operands: list[Piece]) -> Piece:
        if kind == "if":
            condition, yes, no = operands
            text = f"{within(yes, OR)} if {within(condition, OR)} else {no[0]}"
            return text, IF
        # Truths, not operands, are the values of a combination.
        texts = [f"bool({text})" for text, _ in operands]
        if kind == "not":
            return f"not {texts[0]}", NOT
        return f" {kind} ".join(texts), OR if kind == "or" else AND


def to_math(nodes: Sequence[Node], names: Mapping[str, str]) -> str:
    """Return a side as a Python expression.

    Parameters
    ----------
    nodes : sequence of Node
        One side of a formula.
    names : mapping of str to str
        What names are called there.

    Examples
    --------
    >>> from autodiff.fit.formula.parse import parse
    >>> to_math(parse("a*x^2 if x < x0 else ln(b)").rhs, {})
    'a*math.pow(x, 2) if x < x0 else math.log(b)'
    """
    return write(nodes, _Math(names))


def math_helpers(nodes: Sequence[Node]) -> list[str]:
    """Return the definitions of the functions a side uses that `math` lacks."""
    used = {functions()[node.text].name for node in nodes if node.kind == "call"}
    return [
        f"def fit_{name}({arguments}):\n    return {value}\n"
        for name, (arguments, value) in _BODIES.items()
        if name in used
    ] + [special.python for special in specials(used)]
