"""Cut a formula into tokens.

The only characters a formula may hold are those of numbers, names, the operators
``+ - * / ^ **`` and ``< <= > >= == !=``, the tilde, commas, parentheses, brackets
around levels and quotes around words. A name with other characters (a column called
``dose mg``) stands between backquotes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from autodiff.fit.errors import FormulaError, excerpt
from autodiff.fit.formula.functions import KEYWORDS

__all__ = ["Token", "skeleton", "tokenize"]

MAX_CHARACTERS = 20_000

_TOKEN = re.compile(
    r"""
      (?P<number> (?: [0-9]+ (?: \.[0-9]* )? | \.[0-9]+ ) (?: [eE][+-]?[0-9]+ )? )
    | (?P<name>   [^\W\d]\w* )
    | (?P<quoted> `[^`\r\n]*` )
    | (?P<text>   '[^'\r\n]*' | "[^"\r\n]*" )
    | (?P<level>  \[ [^\[\]\r\n]* \] )
    | (?P<op>     \*\* | [<>=!]= | [-+*/^(),~<>] )
    | (?P<space>  [ \t\r\n]+ )
    """,
    re.VERBOSE,
)

_CURES = {
    "=": "a formula relates the two sides with '~', as in 'y ~ w*x + b'",
    "%": "the remainder of x/y is mod(x, y)",
    "[": "the bracket is not closed; levels are written as Vm[state]",
    "]": "this bracket closes nothing; levels are written as Vm[state]",
    ".": "a name holds letters, digits and '_'; quote others: `dose.mg`",
    "'": "the quote is not closed",
    '"': "the quote is not closed",
    "`": "the backquote is not closed",
    "!": "'not' negates, '!=' compares, and a factorial is exp(lgamma(n + 1))",
    "&": "write 'and'",
    "|": "write 'or'; an absolute value is abs(x)",
    "?": "a choice is written as: a if x < x0 else b",
    ":": "a choice is written as: a if x < x0 else b",
    "\\": "there are no escapes; type the formula as plain text",
    "{": "group with parentheses",
    "}": "group with parentheses",
    "\N{MINUS SIGN}": "type the plain '-'",
    "\N{EN DASH}": "type the plain '-'",
    "\N{EM DASH}": "type the plain '-'",
    "\N{HYPHEN}": "type the plain '-'",
    "\N{NON-BREAKING HYPHEN}": "type the plain '-'",
    "\N{MULTIPLICATION SIGN}": "write a product with '*'",
    "\N{MIDDLE DOT}": "write a product with '*'",
    "\N{DOT OPERATOR}": "write a product with '*'",
    "\N{DIVISION SIGN}": "write a quotient with '/'",
    "\N{FRACTION SLASH}": "write a quotient with '/'",
    "\N{SQUARE ROOT}": "write sqrt(x)",
    "\N{LESS-THAN OR EQUAL TO}": "write '<='",
    "\N{GREATER-THAN OR EQUAL TO}": "write '>='",
    "\N{NOT EQUAL TO}": "write '!='",
    "\N{TILDE OPERATOR}": "type the plain '~'",
    "\N{SMALL TILDE}": "type the plain '~'",
    "\N{NO-BREAK SPACE}": "type a plain space",
    "\N{SUPERSCRIPT TWO}": "write a power as x^2",
    "\N{SUPERSCRIPT THREE}": "write a power as x^3",
    "\N{SUPERSCRIPT ONE}": "write a power as x^1",
    "\N{LEFT SINGLE QUOTATION MARK}": "type the plain quote '",
    "\N{RIGHT SINGLE QUOTATION MARK}": "type the plain quote '",
    "\N{LEFT DOUBLE QUOTATION MARK}": "type the plain quote '",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "type the plain quote '",
}
_FALLBACK_CURE = "a formula holds numbers, names, + - * / ^ ( ) , and ~"

# Letters of other alphabets that cannot be told from Latin ones by eye.
_LOOKALIKES = str.maketrans(
    "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456\u0458\u0455\u0501\u04bb\u051b\u051d"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u041e\u0420\u0405\u0422\u0425\u0423"
    "\u03bf\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "aceopxyijsdhqwABCEHIJKMOPSTXYoABEZHIKMNOPTYX",
)


class Token(NamedTuple):
    """One piece of a formula: its kind, its text and where it stands.

    `kind` is ``number``, ``name``, ``quoted`` (a name between backquotes), ``text``
    (a word between quotes), ``level`` (what brackets hold), ``op``, which keywords
    are too, or ``end``. `text` is without quotes and brackets.
    """

    kind: str
    text: str
    start: int
    stop: int


def skeleton(name: str) -> str:
    """Return a name with letters that look Latin replaced by the Latin ones."""
    return name.translate(_LOOKALIKES)


def tokenize(formula: str, source: str = "formula") -> list[Token]:
    """Return the tokens of a formula, closed by one of kind ``end``.

    Parameters
    ----------
    formula : str
        The formula as typed.
    source : str
        What messages call it.

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
        at = MAX_CHARACTERS
        raise FormulaError("F103", message, formula, at, at + 1, source)
    tokens: list[Token] = []
    at = 0
    while at < len(formula):
        match = _TOKEN.match(formula, at)
        if match is None:
            raise _unexpected(formula, at, source)
        kind, text, stop = str(match.lastgroup), match.group(), match.end()
        if kind == "number":
            _check_number(formula, at, stop, source)
        elif kind == "name":
            _check_name(formula, at, text, source)
            kind = "op" if text in KEYWORDS else kind
        elif kind in ("quoted", "text", "level"):
            text = text[1:-1] if kind == "text" else text[1:-1].strip()
            if not text and kind != "text":
                raise FormulaError("F112", "an empty name", formula, at, stop, source)
        if kind != "space":
            tokens.append(Token(kind, text, at, stop))
        at = stop
    tokens.append(Token("end", "", len(formula), len(formula)))
    return tokens


def _check_name(formula: str, start: int, text: str, source: str) -> None:
    """Refuse superscripts and other signs that Unicode counts as parts of words."""
    if text.isidentifier():
        return
    for at in range(len(text)):
        if not text[: at + 1].isidentifier():
            raise _unexpected(formula, start + at, source)


def _check_number(formula: str, start: int, stop: int, source: str) -> None:
    following = formula[stop : stop + 1]
    if following in _CURES and not following.isascii():
        raise _unexpected(formula, stop, source)
    if following.isalnum() or following in ("_", "."):
        message = (
            f"{excerpt(formula[start : stop + 1])} is neither a number nor a name; "
            "write a product with '*'"
        )
        raise FormulaError("F106", message, formula, start, stop + 1, source)
    if float(formula[start:stop]) == float("inf"):
        message = f"{excerpt(formula[start:stop])} is too large for a double"
        raise FormulaError("F111", message, formula, start, stop, source)


def _unexpected(formula: str, at: int, source: str) -> FormulaError:
    character = formula[at]
    cure = _CURES.get(character, _FALLBACK_CURE)
    code = {"=": "F102", "`": "F112", "[": "F104", "]": "F104"}.get(character, "F101")
    if character == "." and formula[:at].endswith(("np", "numpy", "math", "torch")):
        cure = "call functions by their bare name, as exp(x)"
    if character == "=" and (source != "formula" or "~" in formula[:at]):
        cure = "to compare, write '=='"
    name = ""
    if not character.isascii():
        import unicodedata

        name = f" ({unicodedata.name(character, 'unnamed').lower()})"
    message = f"unexpected character {character!r}{name}; {cure}"
    return FormulaError(code, message, formula, at, at + 1, source)
