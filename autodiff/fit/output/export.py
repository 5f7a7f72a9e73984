"""A fitted formula as code: a function of C, or of Python with `math` alone.

Parameters are constants with all 17 digits, columns are arguments; columns of words are
strings. What the language lacks is written as a helper in front of the function.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from autodiff.fit.errors import UsageError, suggestion
from autodiff.fit.formula.functions import functions
from autodiff.fit.formula.parse import Node, parse
from autodiff.fit.output.code_helpers import C, PYTHON, Language
from autodiff.fit.stats.result import FitResult

__all__ = ["LANGUAGES", "export"]

LANGUAGES = ("c", "python", "latex")

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
# How tightly an operator binds; a looser operand goes between parentheses.
LOOSE, CHOICE, OR, AND, NOT, COMPARE, SUM, PRODUCT, SIGN, ATOM = range(10)
BINDING = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT}

# Words that a name must not be, in either language.
TAKEN = {
    *keyword.kwlist,
    *"auto break case char const continue default do double else enum extern float "
    "for goto if inline int long main math model register restrict return short "
    "signed sizeof static strcmp struct switch typedef union unsigned void volatile "
    "while NAN INFINITY y0 y1 yn j0 j1 jn gamma signgam".split(),
}


class Piece(NamedTuple):
    """An expression, and how tightly its outermost operator binds."""

    text: str
    binding: int
    is_truth: bool = False


def export(result: FitResult, language: str) -> str:
    """Return a fitted formula as code or as LaTeX.

    Parameters
    ----------
    result : FitResult
        A fit that converged.
    language : {'c', 'python', 'latex'}
        C99, Python 3 with the module `math`, or LaTeX with amsmath.

    Raises
    ------
    UsageError
        If the fit did not converge, or the language has no word for a function.

    Examples
    --------
    >>> import autodiff as ad
    >>> line = ad.fit("y ~ w*x + b", {"x": [0, 1, 2, 3], "y": [3, 8, 13, 18]})
    >>> print(export(line, "python"))
    # The right-hand side of y ~ w*x + b, fitted to 4 rows.
    import math
    <BLANKLINE>
    <BLANKLINE>
    def model(x):
        w = 5.0
        b = 3.0
        return w*x + b
    """
    if language not in LANGUAGES:
        close = suggestion(language, LANGUAGES)
        raise UsageError(
            "U175", f"export {language!r}: expected {', '.join(LANGUAGES)}{close}"
        )
    if not result.converged:
        raise UsageError("U176", f"nothing to export: the fit is {result.verdict}")
    if language == "latex":
        from autodiff.fit.output.latex import latex_report

        return latex_report(result)
    return _Function(result, C if language == "c" else PYTHON).text()


class _Function:
    """One function under construction."""

    def __init__(self, result: FitResult, language: Language) -> None:
        self.result = result
        self.language = language
        self.nodes = parse(result.formula).rhs
        self.helpers: dict[str, str] = {}
        self.names = _identifiers(self._all_names())
        self.words = self._columns_of_words()

    def text(self) -> str:
        """Return the whole file."""
        value = self.expression(self.nodes)
        body = [*self._constants(), *self._indexed()]
        title = (
            f"The right-hand side of {self.result.formula}, "
            f"fitted to {self.result.n} rows."
        )
        arguments = [
            (self.names[name], name in self.words) for name in self._arguments()
        ]
        return self.language.file(
            " ".join(title.split()), list(self.helpers.values()), arguments, body, value
        )

    def expression(self, nodes: Sequence[Node]) -> str:
        """Return the value of the last node as an expression."""
        pieces: list[Piece] = []
        for node in nodes:
            pieces.append(self._piece(node, [pieces[i] for i in node.operands], nodes))
        return pieces[-1].text

    def _piece(self, node: Node, own: list[Piece], nodes: Sequence[Node]) -> Piece:
        kind = node.kind
        if kind in ("number", "constant"):
            return Piece(repr(float(node.value)), ATOM)
        if kind == "name":
            return Piece(self.names[_written(node)], ATOM)
        if kind == "text":
            return Piece(self.language.string(node.text), ATOM)
        if kind == "call":
            return self._call(functions()[node.text].name, own)
        if kind == "neg":
            return Piece(f"-{_inside(own[0], ATOM)}", SIGN)
        if kind == "^":
            return self._call("pow", own)
        if kind in COMPARISONS:
            texts = [nodes[i].kind == "text" for i in node.operands]
            compare = self.language.compare_words if any(texts) else _compare
            sides = [_inside(piece, SUM) for piece in own]
            return Piece(compare(kind, *sides), COMPARE, True)
        if kind in ("and", "or", "not", "if"):
            return self._logic(kind, own)
        level = BINDING[kind]
        right = level + (kind in "-/*")
        blank = " " if level == SUM else ""
        text = f"{_inside(own[0], level)}{blank}{kind}{blank}{_inside(own[1], right)}"
        return Piece(text, level)

    def _logic(self, kind: str, own: list[Piece]) -> Piece:
        truths = [
            p if p.is_truth else Piece(f"{_inside(p, SUM)} != 0", COMPARE, True)
            for p in own
        ]
        if kind == "if":
            text = self.language.choice(
                _inside(truths[0], OR), _inside(own[1], OR), _inside(own[2], CHOICE)
            )
            return Piece(text, CHOICE, own[1].is_truth and own[2].is_truth)
        sides = [_inside(piece, ATOM) for piece in truths]
        level = {"and": AND, "or": OR, "not": NOT}[kind]
        return Piece(self.language.logic(kind, sides), level, True)

    def _call(self, name: str, own: list[Piece]) -> Piece:
        """Return a call; functions of many operands are nested."""
        word, helper = self.language.function(name)
        if word is None:
            raise UsageError(
                "U177",
                f"export: {self.language.name} has no function for {name}; "
                "write the formula without it, or predict from the saved model",
            )
        if helper:
            self.helpers[name] = helper
        arguments = [_inside(piece, CHOICE) for piece in own]
        text = arguments[0]
        if len(arguments) == 1:
            return Piece(f"{word}({text})", ATOM)
        if name in ("maximum", "minimum"):
            for other in arguments[1:]:
                text = f"{word}({text}, {other})"
            return Piece(text, ATOM)
        return Piece(f"{word}({', '.join(arguments)})", ATOM)

    # ---- names ------------------------------------------------------------

    def _all_names(self) -> list[str]:
        found: dict[str, None] = {}
        for node in self.nodes:
            if node.kind == "name":
                found[_written(node)] = None
                if node.level:
                    found[node.level] = None
        return list(found)

    def _slots(self) -> Mapping[str, float]:
        return {name: p.estimate for name, p in self.result.parameters.items()}

    def _levels(self) -> dict[str, tuple[str, dict[str, float]]]:
        """Return, by indexed name, its column and the value of each level."""
        found = {}
        for node in self.nodes:
            if node.kind == "name" and node.level:
                head = f"{node.text}["
                values = {
                    name[len(head) : -1]: value
                    for name, value in self._slots().items()
                    if name.startswith(head)
                }
                found[_written(node)] = (node.level, values)
        return found

    def _columns_of_words(self) -> set[str]:
        found = {column for column, _ in self._levels().values()}
        for node in self.nodes:
            if node.kind in ("==", "!="):
                sides = [self.nodes[i] for i in node.operands]
                if any(side.kind == "text" for side in sides):
                    found |= {side.text for side in sides if side.kind == "name"}
        return found

    def _arguments(self) -> list[str]:
        known = {*self._slots(), *self._levels()}
        return [name for name in self.names if name not in known]

    def _constants(self) -> list[str]:
        slots = self._slots()
        return [
            self.language.constant(self.names[name], slots[name])
            for name in self.names
            if name in slots
        ]

    def _indexed(self) -> list[str]:
        lines = []
        for name, (column, values) in self._levels().items():
            lines += self.language.by_level(
                self.names[name], self.names[column], values
            )
        return lines


def _written(node: Node) -> str:
    return f"{node.text}[{node.level}]" if node.level else node.text


def _inside(piece: Piece, binding: int) -> str:
    return piece.text if piece.binding >= binding else f"({piece.text})"


def _compare(kind: str, left: str, right: str) -> str:
    return f"{left} {kind} {right}"


def _identifiers(names: Iterable[str]) -> dict[str, str]:
    """Return a name for code for each name, all different."""
    found: dict[str, str] = {}
    reserved = {*TAKEN, *functions(), *(name for name in dir(math))}
    for name in names:
        base = re.sub(r"\W|[^\x00-\x7f]", "_", name.partition("[")[0]) or "_"
        if base[0].isdigit() or base[0] == "_":
            base = f"v{base}"
        word, count = base, 1
        while word in reserved or word in found.values():
            count += 1
            word = f"{base}_{count}" if base not in reserved else f"{base}_{count - 1}"
        found[name] = word
    return found
