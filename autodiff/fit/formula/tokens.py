"""Cut a formula into tokens.

The only characters a formula may hold are those of numbers, names, the
operators ``+ - * / ^ **``, the tilde, commas and parentheses. A name with other
characters (a column called ``dose mg``) stands between backquotes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from autodiff.fit.errors import FormulaError, excerpt

__all__ = ["Token", "tokenize"]

MAX_CHARACTERS = 20_000

_TOKEN = re.compile(
    r"""
      (?P<number> (?: [0-9]+ (?: \.[0-9]* )? | \.[0-9]+ ) (?: [eE][+-]?[0-9]+ )? )
    | (?P<name>   [^\W\d]\w* )
    | (?P<quoted> `[^`\r\n]*` )
    | (?P<op>     \*\* | [-+*/^(),~] )
    | (?P<space>  [ \t\r\n]+ )
    """,
    re.VERBOSE,
)

_CURES = {
    "=": "a formula relates the two sides with '~', as in 'y ~ w*x + b'",
    "%": "there is no remainder operator; use a function",
    "[": "indexing is not part of the formula language",
    "]": "indexing is not part of the formula language",
    ".": "a name holds letters, digits and '_'; quote others: `dose.mg`",
    "'": "no strings here; quote an unusual column name with `backquotes`",
    '"': "no strings here; quote an unusual column name with `backquotes`",
    "`": "the backquote is not closed",
    "<": "comparisons are not part of the formula language",
    ">": "comparisons are not part of the formula language",
    "!": "a factorial is exp(lgamma(n + 1))",
}
_FALLBACK_CURE = "a formula holds numbers, names, + - * / ^ ( ) , and ~"


class Token(NamedTuple):
    """One piece of a formula: its kind, its text and where it stands."""

    kind: str  # "number", "name", "op" or "end"
    text: str
    start: int
    stop: int


def tokenize(formula: str) -> list[Token]:
    """Return the tokens of a formula, closed by one of kind ``end``.

    Parameters
    ----------
    formula : str
        The formula as typed.

    Returns
    -------
    list of Token
        In reading order; blanks are left out.

    Raises
    ------
    FormulaError
        If a character is not part of the language, or the formula is too long.
    """
    if len(formula) > MAX_CHARACTERS:
        message = (
            f"{len(formula)} characters, but at most {MAX_CHARACTERS} are read; "
            "shorten the formula"
        )
        raise FormulaError("F103", message, formula, MAX_CHARACTERS, MAX_CHARACTERS + 1)
    tokens: list[Token] = []
    at = 0
    while at < len(formula):
        match = _TOKEN.match(formula, at)
        if match is None:
            raise _unexpected(formula, at)
        kind, text, stop = str(match.lastgroup), match.group(), match.end()
        if kind == "number":
            _check_number(formula, at, stop)
        elif kind == "quoted":
            kind, text = "name", text[1:-1].strip()
            if not text:
                raise FormulaError("F112", "an empty name", formula, at, stop)
        if kind != "space":
            tokens.append(Token(kind, text, at, stop))
        at = stop
    tokens.append(Token("end", "", len(formula), len(formula)))
    return tokens


def _check_number(formula: str, start: int, stop: int) -> None:
    following = formula[stop : stop + 1]
    if following.isalnum() or following in ("_", "."):
        message = (
            f"{excerpt(formula[start : stop + 1])} is neither a number nor a name; "
            "write a product with '*'"
        )
        raise FormulaError("F106", message, formula, start, stop + 1)
    if float(formula[start:stop]) == float("inf"):
        message = f"{excerpt(formula[start:stop])} is too large for a double"
        raise FormulaError("F111", message, formula, start, stop)


def _unexpected(formula: str, at: int) -> FormulaError:
    character = formula[at]
    code = "F102" if character == "=" else "F101"
    cure = _CURES.get(character, _FALLBACK_CURE)
    message = f"unexpected character {character!r}; {cure}"
    return FormulaError(code, message, formula, at, at + 1)
