"""Parse a formula: ``[lhs ~] rhs``.

Grammar, loosest binding first::

    formula    := [choice '~'] choice
    choice     := either ['if' either 'else' choice]
    either     := both ('or' both)*
    both       := negation ('and' negation)*
    negation   := 'not' negation | comparison
    comparison := sum (('<' | '<=' | '>' | '>=' | '==' | '!=') sum)*
    sum        := product (('+' | '-') product)*
    product    := signed (('*' | '/') signed)*
    signed     := ('+' | '-')* power
    power      := atom [('^' | '**') signed]          right-associative
    atom       := number | word | name ['[' level ']']
                | name '(' choice (',' choice)* ')' | '(' choice ')'

So ``-x^2`` is ``-(x^2)``, ``2^3^2`` is ``2^9`` and ``0 < x < 1`` is both at once, as
in Python. Nothing is ever evaluated as Python. The result is a list of nodes in the
order of evaluation, each naming its operands by index: whoever walks it needs no
recursion, however long the formula.
"""

from __future__ import annotations

from typing import NamedTuple

from autodiff.fit.errors import FormulaError, excerpt, suggestion
from autodiff.fit.formula.functions import (
    CONSTANTS,
    KEYWORDS,
    OPERATOR_FUNCTIONS,
    functions,
)
from autodiff.fit.formula.tokens import Token, skeleton, tokenize

__all__ = ["COMPARISONS", "Formula", "Node", "parse", "parse_expression"]

MAX_DEPTH = 100

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")

# How tightly an operator binds. One function reads them all: a level of parentheses
# should not cost a stack frame for each line of the grammar.
_LEVELS = {"or": 0, "and": 1, "not": 2, "+": 4, "-": 4, "*": 5, "/": 5}
_LEVELS |= dict.fromkeys(COMPARISONS, 3)


class Node(NamedTuple):
    """One step of a formula.

    `kind` is one of

    - ``number``, ``constant``: `value`;
    - ``name``: `text`, a column or parameter; with brackets also `level`, the column
      of levels (``Vm[state]``) or, in expressions over parameters, one level;
    - ``text``: `text`, a word that a column of words is compared with;
    - ``call``: the function `text` of its operands;
    - ``+ - * / ^ < <= > >= == != and or`` of two operands, ``neg`` and ``not`` of one;
    - ``if``: condition, value where it holds, value where not.

    `operands` are indices of earlier nodes. `start` and `stop` say where it stands in
    the text.
    """

    kind: str
    text: str
    value: float
    operands: tuple[int, ...]
    start: int
    stop: int
    level: str = ""


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


def parse_expression(text: str, source: str) -> tuple[Node, ...]:
    """Parse an expression, as those of ``--where``, ``--tie`` or ``--sigma``.

    Parameters
    ----------
    text : str
        One side of a formula, without ``~``.
    source : str
        What messages call it, as ``--where``.

    Returns
    -------
    tuple of Node
        In the order of evaluation.

    Raises
    ------
    FormulaError
        If it is no expression; it knows the place.
    """
    parser = _Parser(text, source)
    nodes = parser.side()
    parser.expect_end()
    return nodes


class _Parser:
    """Recursive descent over the tokens; `depth` bounds the recursion."""

    def __init__(self, text: str, source: str = "formula") -> None:
        self.text = text
        self.source = source
        self.tokens = tokenize(text, source)
        self.at = 0
        self.depth = 0
        self.nodes: list[Node] = []

    def side(self) -> tuple[Node, ...]:
        self.nodes = []
        last = self.choice()
        if self.nodes[last].kind == "text":
            raise self.misplaced_word(self.nodes[last])
        _check_lookalikes(self.nodes, self.text, self.source)
        return tuple(self.nodes)

    def accept(self, *operators: str) -> Token | None:
        token = self.tokens[self.at]
        if token.kind == "op" and token.text in operators:
            self.at += 1
            return token
        return None

    def fail(self, code: str, message: str, token: Token | Node) -> FormulaError:
        place = (self.text, token.start, token.stop)
        return FormulaError(code, message, *place, self.source)

    def misplaced_word(self, node: Node) -> FormulaError:
        message = (
            f"a word in quotes ({excerpt(node.text)}) can only be compared with a "
            "column, as in state == 'treated'; a column's name goes into `backquotes`"
        )
        return self.fail("F113", message, node)

    def expect_end(self) -> None:
        token = self.tokens[self.at]
        if token.kind == "end":
            return
        if token.kind == "level":
            message = "brackets hold the levels of a parameter, as in Vm[state]"
            raise self.fail("F114", message, token)
        if token.text == ")":
            raise self.fail("F104", "this ')' closes nothing; remove it", token)
        if token.text == "~":
            what = "a second '~'; a formula has one at most"
            what = what if self.source == "formula" else "an expression has no '~'"
            raise self.fail("F110", what, token)
        if token.text == ",":
            raise self.fail("F110", "a ',' outside a function call", token)
        if token.text in KEYWORDS:
            message = f"{token.text!r} out of place; a choice is: a if x < x0 else b"
            raise self.fail("F120", message, token)
        message = f"{excerpt(token.text)} where an operator was expected; "
        raise self.fail("F106", message + "write a product with '*'", token)

    def emit(self, kind: str, token: Token, *operands: int, value: float = 0.0) -> int:
        for index in operands:
            if self.nodes[index].kind == "text" and kind not in ("==", "!="):
                raise self.misplaced_word(self.nodes[index])
        node = Node(kind, token.text, value, operands, token.start, token.stop)
        self.nodes.append(node)
        return len(self.nodes) - 1

    def choice(self) -> int:
        value = self.binary(_LEVELS["or"])
        token = self.accept("if")
        if token is None:
            return value
        self.enter(token)
        condition = self.binary(_LEVELS["or"])
        if self.accept("else") is None:
            message = "an 'if' without 'else'; a choice is: a if x < x0 else b"
            raise self.fail("F120", message, token)
        other = self.choice()
        self.depth -= 1
        return self.emit("if", token, condition, value, other)

    def binary(self, lowest: int) -> int:
        """Read operators that bind at least as tightly as `lowest`."""
        left = self.negation() if lowest <= _LEVELS["not"] else self.signed()
        while True:
            token = self.tokens[self.at]
            level = _LEVELS.get(token.text, -1) if token.kind == "op" else -1
            if level < lowest or token.text == "not":
                return left
            if level == _LEVELS["<"]:
                left = self.comparison(left)
            else:
                self.at += 1
                left = self.emit(token.text, token, left, self.binary(level + 1))

    def negation(self) -> int:
        token = self.accept("not")
        if token is None:
            return self.signed()
        self.enter(token)
        operand = self.binary(_LEVELS["not"])
        self.depth -= 1
        return self.emit("not", token, operand)

    def comparison(self, left: int) -> int:
        whole: int | None = None
        while (token := self.accept(*COMPARISONS)) is not None:
            right = self.binary(_LEVELS["<"] + 1)
            self.check_words(left, right)
            one = self.emit(token.text, token, left, right)
            whole = one if whole is None else self.emit("and", token, whole, one)
            left = right
        return left if whole is None else whole

    def check_words(self, *operands: int) -> None:
        """See that a word is compared with a name."""
        nodes = [self.nodes[index] for index in operands]
        words = [node for node in nodes if node.kind == "text"]
        if words and not any(node.kind == "name" for node in nodes):
            raise self.misplaced_word(words[0])

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
        if token.kind == "text":
            return self.emit("text", token)
        if token.kind in ("name", "quoted"):
            opening = self.accept("(")
            if opening is not None:
                return self.call(token, opening)
            return self.name(token)
        if token.text == "(":
            self.enter(token)
            inner = self.choice()
            self.close(token)
            return inner
        if token.kind == "end":
            what = "the formula" if self.source == "formula" else "the expression"
            message = f"{what} ends where a value was expected"
            raise self.fail("F105", message, token)
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
                message = "this '(' is never closed; add a ')'"
                raise self.fail("F104", message, opening)
            self.expect_end()
        self.depth -= 1

    def name(self, token: Token) -> int:
        if token.kind == "name":
            if token.text in CONSTANTS:
                return self.emit("constant", token, value=CONSTANTS[token.text])
            if token.text in functions():
                message = (
                    f"{token.text!r} is a function: call it as {token.text}(...), "
                    f"or write `{token.text}` for a name of your own"
                )
                raise self.fail("F109", message, token)
        index = self.emit("name", token)
        bracket = self.tokens[self.at]
        if bracket.kind == "level":
            self.at += 1
            level = bracket.text
            if len(level) > 1 and level[0] == level[-1] == "`":
                level = level[1:-1].strip()
            self.nodes[index] = self.nodes[index]._replace(
                level=level, stop=bracket.stop
            )
        return index

    def call(self, name: Token, opening: Token) -> int:
        function = functions().get(name.text) if name.kind == "name" else None
        if function is None:
            raise self.fail("F107", _no_function(name.text), name)
        self.enter(name)
        arguments = [self.choice()] if self.tokens[self.at].text != ")" else []
        while arguments and self.accept(",") is not None:
            arguments.append(self.choice())
        self.close(opening)
        n = len(arguments)
        if n != function.n_args and not (function.takes_more and n > function.n_args):
            message = (
                f"{name.text} takes {function.n_args} argument"
                f"{'s' * (function.n_args != 1)}, got {n}"
            )
            if function.name == "log" and n == 2:
                message += "; a logarithm to base b is log(x)/log(b)"
            raise self.fail("F108", message, name)
        kind = OPERATOR_FUNCTIONS.get(function.name, "call")
        value = self.emit(kind, name, *arguments[: function.n_args])
        for further in arguments[function.n_args :]:
            value = self.emit(kind, name, value, further)
        return value


_ROW_BY_ROW = "a formula is computed row by row"
_BY_LEVEL = "one value for each level of a column is written as Vm[column]"
_ELSEWHERE = {  # what other formula languages have
    "I": "powers stand for themselves, as in x^2",
    "C": _BY_LEVEL,
    "factor": _BY_LEVEL,
    "sum": _ROW_BY_ROW,
    "mean": _ROW_BY_ROW,
    "lag": _ROW_BY_ROW,
    "diff": _ROW_BY_ROW,
}


def _no_function(name: str) -> str:
    known = functions()
    if skeleton(name) in known:
        return f"{_looks_like(name, skeleton(name))}; type {skeleton(name)}(...)"
    if name in ("gamma", "tgamma", "factorial"):
        return f"there is no function {name!r}; gamma(x) is exp(lgamma(x))"
    if name in _ELSEWHERE:
        return f"there is no function {name!r}; {_ELSEWHERE[name]}"
    close = suggestion(name, known)
    cure = close or "; a formula calls elementary functions only"
    if not close and len(name) <= 3:
        cure = f"; write a product as {name}*(...)"
    return f"there is no function {excerpt(name)}{cure}"


def _looks_like(name: str, other: str) -> str:
    import unicodedata

    odd = next(a for a, b in zip(name, skeleton(name), strict=True) if a != b)
    title = unicodedata.name(odd).lower()
    return f"{name!r} only looks like {other!r}: it holds a {title}"


def _check_lookalikes(nodes: list[Node], text: str, source: str) -> None:
    """Refuse two names, or a name and a constant, that only look the same."""
    names = {node.text for node in nodes if node.kind in ("name", "constant")}
    known = {*names, *CONSTANTS}
    for node in nodes:
        plain = skeleton(node.text) if node.kind == "name" else node.text
        if plain != node.text and plain in known:
            message = f"{_looks_like(node.text, plain)}; type one of them only"
            raise FormulaError("F119", message, text, node.start, node.stop, source)
