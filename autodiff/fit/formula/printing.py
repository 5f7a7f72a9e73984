"""Write the nodes of a formula: as a formula, as Python, as C.

A dialect says how each kind of node looks; parentheses stand only where the grammar
needs them, so that reading what was written gives the same value, bit for bit.
`latex.py` is one more dialect.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence

from autodiff.fit.errors import FormulaError
from autodiff.fit.formula.functions import CONSTANTS, KEYWORDS, functions
from autodiff.fit.formula.parse import COMPARISONS, Node

__all__ = ["Dialect", "identifier", "plain_name", "to_python", "to_text", "write"]

MAX_NODES = 20_000

# How tightly a piece binds; a piece in a place that needs more gets parentheses.
IF, OR, AND, NOT, COMPARE, SUM, PRODUCT, SIGN, POWER, ATOM = range(10)

Piece = tuple[str, int]


def write(nodes: Sequence[Node], dialect: Dialect) -> str:
    """Return a side as text.

    Parameters
    ----------
    nodes : sequence of Node
        One side of a formula.
    dialect : Dialect
        How each kind of node looks.

    Raises
    ------
    FormulaError
        If the text would be longer than anybody reads.
    """
    sizes: list[int] = []
    for node in nodes:
        sizes.append(1 + sum(sizes[index] for index in node.operands))
    if sizes[-1] > MAX_NODES:
        message = f"written out it has {sizes[-1]} terms, more than {MAX_NODES}"
        raise FormulaError("F121", message, "", 0, 0)
    uses = [0] * len(nodes)
    for node in nodes:
        for index in node.operands:
            uses[index] += 1
    pieces: dict[int, Piece] = {}
    for index, node in enumerate(nodes):
        pieces[index] = dialect.piece(node, [pieces[i] for i in node.operands])
        for i in node.operands:
            uses[i] -= 1
            if not uses[i]:
                pieces.pop(i, None)  # texts of a long sum are not all kept
    return pieces[len(nodes) - 1][0]


def within(piece: Piece, level: int) -> str:
    """Return a piece for a place that needs `level`, in parentheses if need be."""
    text, own = piece
    return text if own >= level else f"({text})"


def unsigned(piece: Piece, level: int) -> str:
    """Return a piece for a place where a leading sign would look odd."""
    return f"({piece[0]})" if piece[0].startswith("-") else within(piece, level)


class Dialect:
    """The formula language itself; others change what differs."""

    power = "^"

    def piece(self, node: Node, operands: list[Piece]) -> Piece:
        """Return a node as text, and how tightly that binds."""
        kind = node.kind
        if kind == "number":
            return self.number(node.value), ATOM
        if kind in ("constant", "name", "text"):
            return getattr(self, kind)(node), ATOM
        if kind == "call":
            return self.call(
                functions()[node.text].name, [text for text, _ in operands]
            )
        if kind == "neg":
            return self.negative(operands[0])
        if kind in ("+", "-"):
            left, right = within(operands[0], SUM), unsigned(operands[1], PRODUCT)
            return f"{left} {kind} {right}", SUM
        if kind in ("*", "/"):
            left, right = within(operands[0], PRODUCT), unsigned(operands[1], SIGN)
            return f"{left}{kind}{right}", PRODUCT
        if kind == "^":
            return self.raised(*operands)
        if kind in COMPARISONS:
            left, right = (within(operand, SUM) for operand in operands)
            return f"{left} {kind} {right}", COMPARE
        return self.logic(kind, operands)

    def number(self, value: float) -> str:
        """Return a number that reads back as itself."""
        whole = value == int(value) and abs(value) < 1e16
        return str(int(value)) if whole else repr(value)

    def constant(self, node: Node) -> str:
        """Return a constant."""
        return node.text

    def name(self, node: Node) -> str:
        """Return a name, between backquotes where it needs them."""
        reserved = {*KEYWORDS, *CONSTANTS, *functions()}
        plain = node.text.isidentifier() and node.text not in reserved
        level = f"[{node.level}]" if node.level else ""
        return (node.text if plain else f"`{node.text}`") + level

    def text(self, node: Node) -> str:
        """Return a word in quotes."""
        return f'"{node.text}"' if "'" in node.text else f"'{node.text}'"

    def call(self, name: str, arguments: list[str]) -> Piece:
        """Return a call of a function."""
        return f"{name}({', '.join(arguments)})", ATOM

    def negative(self, operand: Piece) -> Piece:
        """Return the negative; of a product, the sign goes to its first factor."""
        text = unsigned(operand, PRODUCT)
        return f"-{text}", PRODUCT if operand[1] == PRODUCT else SIGN

    def raised(self, base: Piece, exponent: Piece) -> Piece:
        """Return a power."""
        return f"{within(base, ATOM)}{self.power}{within(exponent, SIGN)}", POWER

    def logic(self, kind: str, operands: list[Piece]) -> Piece:
        """Return a choice, or a combination of conditions."""
        if kind == "if":
            condition, yes, no = operands
            text = f"{within(yes, OR)} if {within(condition, OR)} else {no[0]}"
            return text, IF
        if kind == "not":
            return f"not {within(operands[0], NOT)}", NOT
        level = OR if kind == "or" else AND
        left, right = within(operands[0], level), within(operands[1], level + 1)
        return f"{left} {kind} {right}", level


def to_text(nodes: Sequence[Node]) -> str:
    """Return a side as a formula; parsing it gives the same values.

    Examples
    --------
    >>> from autodiff.fit.formula.parse import parse
    >>> to_text(parse("(a) * (b + -c) ** (2)").rhs)
    'a*(b + (-c))^2'
    """
    return write(nodes, Dialect())


def plain_name(node: Node) -> str:
    """Return a name with its level, as results call it: ``Vm[treated]``."""
    return f"{node.text}[{node.level}]" if node.level else node.text


def identifier(name: str) -> str:
    """Return a name that Python and C accept, as like the given one as can be.

    Examples
    --------
    >>> identifier("Vm[treated]"), identifier("dose (mg)"), identifier("1st")
    ('Vm_treated', 'dose_mg', '_1st')
    """
    letters = [c if c.isascii() and c.isalnum() else "_" for c in name]
    parts = [part for part in "".join(letters).split("_") if part]
    text = "_".join(parts) or "_"
    if name.isidentifier() and name.isascii():
        text = name
    if text[0].isdigit():
        text = f"_{text}"
    return f"{text}_" if keyword.iskeyword(text) else text


# NumPy has the rest under our names; scipy.special, as `special`, has these.
_NUMPY = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "atan2": "arctan2",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
}
_SPECIAL = {
    "sigmoid": "expit",
    "logit": "logit",
    "erf": "erf",
    "erfc": "erfc",
    "ndtr": "ndtr",
    "log_ndtr": "log_ndtr",
    "lgamma": "gammaln",
    "digamma": "digamma",
    "polygamma": "polygamma",
    "xlogy": "xlogy",
    "xlog1py": "xlog1py",
}
_WRITTEN = {
    "rsqrt": "(1/np.sqrt({0}))",
    "fma": "({0}*{1} + {2})",
    "softplus": "np.logaddexp(0, {0})",
    "relu": "np.maximum({0}, 0)",
}


class _Python(Dialect):
    power = "**"

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def constant(self, node: Node) -> str:
        return f"np.{node.text}"

    def name(self, node: Node) -> str:
        name = plain_name(node)
        return self.names.get(name, identifier(name))

    def text(self, node: Node) -> str:
        return repr(node.text)

    def call(self, name: str, arguments: list[str]) -> Piece:
        if name in _WRITTEN:
            bracketed = [f"({text})" for text in arguments]
            return _WRITTEN[name].format(*bracketed), ATOM
        prefix = "special." if name in _SPECIAL else "np."
        return super().call(
            prefix + _SPECIAL.get(name, _NUMPY.get(name, name)), arguments
        )

    def logic(self, kind: str, operands: list[Piece]) -> Piece:
        texts = ", ".join(text for text, _ in operands)
        name = "where" if kind == "if" else f"logical_{kind}"
        return f"np.{name}({texts})", ATOM


def to_python(nodes: Sequence[Node], names: Mapping[str, str] | None = None) -> str:
    """Return a side as Python over NumPy (``np``) and ``scipy.special`` (``special``).

    Parameters
    ----------
    nodes : sequence of Node
        One side of a formula.
    names : mapping of str to str, optional
        What names are called there; by default what `identifier` makes of them.

    Examples
    --------
    >>> from autodiff.fit.formula.parse import parse
    >>> to_python(parse("a*x^2 if x < x0 else ln(b)").rhs)
    'np.where(x < x0, a*x**2, np.log(b))'
    """
    return write(nodes, _Python(names or {}))
