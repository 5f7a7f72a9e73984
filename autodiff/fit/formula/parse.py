"""Parse a formula: ``[lhs ~] rhs``.

Grammar, loosest binding first::

    formula := [sum '~'] sum
    sum     := product (('+' | '-') product)*
    product := signed (('*' | '/') signed)*
    signed  := ('+' | '-')* power
    power   := atom [('^' | '**') signed]          right-associative
    atom    := number | name | name '(' sum (',' sum)* ')' | '(' sum ')'

So ``-x^2`` is ``-(x^2)`` and ``2^3^2`` is ``2^9``. Nothing is ever evaluated as
Python. The result is a list of nodes in the order of evaluation, each naming its
operands by index: whoever walks it needs no recursion, however long the formula.
"""

from __future__ import annotations

from typing import NamedTuple

from autodiff.fit.errors import FormulaError, excerpt, suggestion
from autodiff.fit.formula.functions import CONSTANTS, functions
from autodiff.fit.formula.tokens import Token, tokenize

__all__ = ["Formula", "Node", "parse"]

MAX_DEPTH = 100


class Node(NamedTuple):
    """One step of a formula.

    `kind` is ``number``, ``constant``, ``name``, ``call`` or one of the operators
    ``+ - * / ^`` (two operands) and ``neg`` (one). `operands` are indices of
    earlier nodes. `start` and `stop` say where it stands in the text.
    """

    kind: str
    text: str
    value: float
    operands: tuple[int, ...]
    start: int
    stop: int


class Formula(NamedTuple):
    """A parsed formula: its text and the nodes of its two sides.

    `lhs` is empty when the formula has no ``~``. The last node of a side is its
    value.
    """

    text: str
    lhs: tuple[Node, ...]
    rhs: tuple[Node, ...]


def parse(text: str) -> Formula:
    """Parse a formula.

    Parameters
    ----------
    text : str
        For example ``'y ~ a*exp(-b*x)'``; the part up to ``~`` may be left out.

    Returns
    -------
    Formula
        The text and the nodes of both sides.

    Raises
    ------
    FormulaError
        If the text is no formula; it knows the place.

    Examples
    --------
    >>> [node.kind for node in parse("y ~ w*x + b").rhs]
    ['name', 'name', '*', 'name', '+']
    """
    parser = _Parser(text)
    first = parser.side()
    if parser.accept("~") is None:
        parser.expect_end()
        return Formula(text, (), first)
    second = parser.side()
    parser.expect_end()
    return Formula(text, first, second)


class _Parser:
    """Recursive descent over the tokens; `depth` bounds the recursion."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.at = 0
        self.depth = 0
        self.nodes: list[Node] = []

    def side(self) -> tuple[Node, ...]:
        self.nodes = []
        self.sum()
        return tuple(self.nodes)

    def accept(self, *operators: str) -> Token | None:
        token = self.tokens[self.at]
        if token.kind == "op" and token.text in operators:
            self.at += 1
            return token
        return None

    def fail(self, code: str, message: str, token: Token) -> FormulaError:
        return FormulaError(code, message, self.text, token.start, token.stop)

    def expect_end(self) -> None:
        token = self.tokens[self.at]
        if token.kind == "end":
            return
        if token.text == ")":
            raise self.fail("F104", "this ')' closes nothing; remove it", token)
        if token.text == "~":
            raise self.fail("F110", "a second '~'; a formula has one at most", token)
        if token.text == ",":
            raise self.fail("F110", "a ',' outside a function call", token)
        message = f"{excerpt(token.text)} where an operator was expected; "
        raise self.fail("F106", message + "write a product with '*'", token)

    def emit(self, kind: str, token: Token, *operands: int, value: float = 0.0) -> int:
        node = Node(kind, token.text, value, operands, token.start, token.stop)
        self.nodes.append(node)
        return len(self.nodes) - 1

    def sum(self) -> int:
        left = self.product()
        while (token := self.accept("+", "-")) is not None:
            left = self.emit(token.text, token, left, self.product())
        return left

    def product(self) -> int:
        left = self.signed()
        while (token := self.accept("*", "/")) is not None:
            left = self.emit(token.text, token, left, self.signed())
        return left

    def signed(self) -> int:
        minus: Token | None = None
        negative = False
        while (token := self.accept("+", "-")) is not None:
            if token.text == "-":
                minus, negative = minus or token, not negative
        operand = self.power()
        if minus is not None and negative:
            return self.emit("neg", minus, operand)
        return operand

    def power(self) -> int:
        base = self.atom()
        token = self.accept("^", "**")
        if token is None:
            return base
        self.enter(token)
        exponent = self.signed()
        self.depth -= 1
        return self.emit("^", token, base, exponent)

    def atom(self) -> int:
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "number":
            return self.emit("number", token, value=float(token.text))
        if token.kind == "name":
            opening = self.accept("(")
            if opening is not None:
                return self.call(token, opening)
            return self.name(token)
        if token.text == "(":
            self.enter(token)
            inner = self.sum()
            self.close(token)
            return inner
        if token.kind == "end":
            raise self.fail(
                "F105", "the formula ends where a value was expected", token
            )
        message = f"{token.text!r} where a number, a name or '(' was expected"
        raise self.fail("F105", message, token)

    def enter(self, token: Token) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels; simplify the formula"
            raise self.fail("F103", message, token)

    def close(self, opening: Token) -> None:
        if self.accept(")") is None:
            if self.tokens[self.at].kind == "end":
                raise self.fail("F104", "this '(' is never closed; add a ')'", opening)
            self.expect_end()
        self.depth -= 1

    def name(self, token: Token) -> int:
        quoted = self.text[token.start] == "`"
        if token.text in CONSTANTS and not quoted:
            return self.emit("constant", token, value=CONSTANTS[token.text])
        if token.text in functions() and not quoted:
            message = (
                f"{token.text!r} is a function: call it as {token.text}(...), "
                f"or write `{token.text}` for a name of your own"
            )
            raise self.fail("F109", message, token)
        return self.emit("name", token)

    def call(self, name: Token, opening: Token) -> int:
        function = functions().get(name.text)
        if function is None:
            close = suggestion(name.text, functions())
            cure = close or f"; write a product as {excerpt(name.text)[1:-1]}*(...)"
            message = f"there is no function {excerpt(name.text)}{cure}"
            raise self.fail("F107", message, name)
        self.enter(name)
        arguments = [self.sum()] if self.tokens[self.at].text != ")" else []
        while arguments and self.accept(",") is not None:
            arguments.append(self.sum())
        self.close(opening)
        if len(arguments) != function.n_args:
            message = (
                f"{name.text} takes {function.n_args} argument"
                f"{'s' * (function.n_args != 1)}, got {len(arguments)}"
            )
            raise self.fail("F108", message, name)
        return self.emit("call", name, *arguments)
