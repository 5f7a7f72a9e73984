"""Read the engine's derivative rules as formulas.

The op table states a partial as a C expression of the operands ``x y w`` and the
result ``z``. Here it becomes nodes, so that a new row of the table is differentiated
without an edit. What the table writes for the sake of the last digit or of the edge of
a domain is written plainly: a formula is to be read.
"""

from __future__ import annotations

import re

from autodiff.fit.errors import FormulaError
from autodiff.fit.formula.build import Builder
from autodiff.fit.formula.functions import Function, functions
from autodiff.fit.formula.parse import parse_expression

__all__ = ["partial"]

# Rules as a textbook has them, where the table's own guard digits or domains.
_TEXTBOOK: dict[str, tuple[str, ...]] = {
    "pow": ("y*x^(y - 1)", "z*log(x)"),
    "atan": ("1/(1 + x^2)",),
    "asin": ("1/sqrt(1 - x^2)",),
    "acos": ("-1/sqrt(1 - x^2)",),
    "acosh": ("1/sqrt(x^2 - 1)",),
    "asinh": ("1/sqrt(1 + x^2)",),
    "atanh": ("1/(1 - x^2)",),
    "tan": ("1 + z^2",),
    "tanh": ("1 - z^2",),
    "exp2": ("log(2)*z",),
    "log2": ("1/(log(2)*x)",),
    "log10": ("1/(log(10)*x)",),
    "xlogy": ("log(y)", "x/y"),
    "xlog1py": ("log1p(y)", "x/(1 + y)"),
    "fmod": ("1", "-trunc(x/y)"),
    "remainder": ("1", "-floor(x/y)"),
}

# The table's helpers, which no formula may call.
_HELPERS: dict[str, tuple[str, str]] = {
    "_hypot_d": ("x y", "x/hypot(x, y)"),
    "_logaddexp_d": ("x y", "sigmoid(x - y)"),
    "_atan2_d": ("x y", "y/(x^2 + y^2)"),
    "_sinc_d": ("w x", "(cos(pi*x) - sinc(x))/x if x != 0 else 0"),
    "_sigmoid_d": ("x", "sigmoid(x)*sigmoid(-x)"),
    "_exp_neg_square": ("x", "exp(-x^2)"),
    "_normal_pdf": ("x", "exp(-x^2/2)/sqrt(2*pi)"),
    "_log_ndtr_d": ("w x", "exp(-x^2/2 - log_ndtr(x))/sqrt(2*pi)"),
    "_cbrt": ("x", "cbrt(x)"),
    "_erfc": ("x", "erfc(x)"),
}

# Numbers of the table that have a name.
_NAMED = {
    "1.1283791670955126": "2/sqrt(pi)",
    "0.017453292519943295": "pi/180",
    "57.29577951308232": "180/pi",
}

_TOKEN = re.compile(
    r"\s*(\d+\.?\d*(?:[eE][+-]?\d+)?|\w+|&&|\|\||[<>=!]=|[-+*/()<>?:!,])"
)


def partial(
    builder: Builder, function: Function, which: int, operands: list[int], result: int
) -> int:
    """Return the derivative of a function by one of its operands.

    Parameters
    ----------
    builder : Builder
        Where nodes are made.
    function : Function
        One row of the engine's table.
    which : int
        The operand, from 0.
    operands : list of int
        The nodes it is applied to.
    result : int
        The node of its value.
    """
    names = dict(zip("xyw", operands, strict=False)) | {"z": result}
    plain = _TEXTBOOK.get(function.name)
    if plain is not None:
        return builder.copy(parse_expression(plain[which], "a rule"), names)
    try:
        return _Reader(builder, function.partials[which], names).read()
    except _Unreadable:
        message = f"the derivative of {function.name} is no formula"
        raise FormulaError("F121", message, function.name, 0, 1) from None


class _Unreadable(Exception):
    """A rule that this reader does not know how to write as a formula."""


_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), "+-", "*/")
_KINDS = {"||": "or", "&&": "and"}


class _Reader:
    """Recursive descent over one rule; rules are a line long."""

    def __init__(self, builder: Builder, text: str, names: dict[str, int]) -> None:
        self.builder = builder
        self.names = names
        self.tokens: list[str] = [*_TOKEN.findall(text), ""]
        self.at = 0

    def read(self) -> int:
        value = self.choice()
        if self.tokens[self.at]:
            raise _Unreadable
        return value

    def accept(self, *texts: str) -> str:
        token = self.tokens[self.at]
        if token and token in texts:
            self.at += 1
            return token
        return ""

    def choice(self) -> int:
        condition = self.binary(0)
        if not self.accept("?"):
            return condition
        yes = self.choice()
        if not self.accept(":"):
            raise _Unreadable
        no = self.choice()
        if yes == self.names["z"]:  # the NaN of a point outside the domain
            return no
        if no == self.names["z"]:
            return yes
        return self.builder.choice(condition, yes, no)

    def binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while token := self.accept(*_LEVELS[level]):
            kind = _KINDS.get(token, token)
            left = self.builder.apply(kind, [left, self.binary(level + 1)])
        return left

    def unary(self) -> int:
        if self.accept("-"):
            return self.builder.neg(self.unary())
        if self.accept("!"):
            return self.builder.make("not", self.unary())
        token = self.tokens[self.at]
        self.at += 1
        if token == "(":
            inner = self.choice()
            if not self.accept(")"):
                raise _Unreadable
            return inner
        if token in _NAMED:
            return self.builder.copy(parse_expression(_NAMED[token], "a rule"))
        if token[:1].isdigit():
            return self.builder.number(float(token))
        if self.accept("("):
            return self.call(token)
        if token not in self.names:
            raise _Unreadable
        return self.names[token]

    def call(self, name: str) -> int:
        arguments = [self.choice()]
        while self.accept(","):
            arguments.append(self.choice())
        if not self.accept(")"):
            raise _Unreadable
        if name in _HELPERS:
            parameters, text = _HELPERS[name]
            names = dict(zip(parameters.split(), arguments, strict=True))
            return self.builder.copy(parse_expression(text, "a rule"), names)
        if name == "fma":
            x, y, w = arguments
            return self.builder.add(self.builder.mul(x, y), w)
        if name not in functions():
            raise _Unreadable
        return self.builder.apply("call", arguments, name)
