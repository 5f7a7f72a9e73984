"""Which names of a formula are columns, levels and parameters.

A name that is a column is data; every other name is a parameter. What compares a column
with a word, and what tells apart a level that is fixed or tied by itself, becomes a
column of zeros and ones: a solver meets numbers only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from autodiff.fit.binding.kinds import level_parameter
from autodiff.fit.data.cells import is_number
from autodiff.fit.data.columns import Columns
from autodiff.fit.errors import FormulaError, name_list, suggestion
from autodiff.fit.formula.evaluate import names_in
from autodiff.fit.formula.functions import CONSTANTS
from autodiff.fit.formula.parse import Formula, Node
from autodiff.fit.formula.printing import to_text

__all__ = ["Indicator", "Side", "check_names", "fault", "resolve", "with_response"]


NO_NUMBERS = frozenset(
    ("inf", "infinity", "nan", "na", "none", "null", "true", "false")
)


class Indicator(NamedTuple):
    """A column of ones where `column` has (or with `negated`, has not) a level."""

    column: str
    level: str
    negated: bool = False

    @property
    def name(self) -> str:
        """What the column of zeros and ones is called: as a formula would say it."""
        quote = '"' if "'" in self.level else "'"
        return (
            f"{self.column} {'!=' if self.negated else '=='} {quote}{self.level}{quote}"
        )


class Side(NamedTuple):
    """A side of a formula whose names are decided.

    Attributes
    ----------
    nodes : tuple of Node
        With indicators as names of columns.
    numbers : tuple of str
        Columns that are read as numbers.
    indicators : dict of str to Indicator
        Columns of zeros and ones, by name.
    parameters : dict of str to Node
        Names that are no column, in order of first use, each with its first node.
    levels : dict of str to str
        The column of levels of each parameter that has one.
    """

    nodes: tuple[Node, ...]
    numbers: tuple[str, ...]
    indicators: dict[str, Indicator]
    parameters: dict[str, Node]
    levels: dict[str, str]

    @property
    def level_columns(self) -> tuple[str, ...]:
        """Columns that are read as levels."""
        compared = (indicator.column for indicator in self.indicators.values())
        return tuple(dict.fromkeys((*self.levels.values(), *compared)))


def fault(
    code: str, message: str, text: str, node: Node, source: str = "formula"
) -> FormulaError:
    """Return an error at a node of a text."""
    return FormulaError(code, message, text, node.start, node.stop, source)


def with_response(formula: Formula, table: Columns, used: Collection[str]) -> Formula:
    """Return a formula with a left side: the one column that is not used."""
    if formula.lhs:
        return formula
    taken = {*used, *names_in(formula.rhs)} | {node.level for node in formula.rhs}
    free = [name for name in table.names if name not in taken]
    if len(free) == 1:
        return formula._replace(lhs=(Node("name", free[0], 0.0, (), 0, 0),))
    what = f"columns {name_list(free)} are" if free else "no column is"
    message = f"{what} left for the response; write it in front, as in 'y ~ ...'"
    raise FormulaError("F115", message, formula.text, 0, 1)


def resolve(
    nodes: Sequence[Node],
    table: Columns,
    text: str,
    source: str = "formula",
    apart: Mapping[str, Collection[str]] | None = None,
) -> Side:
    """Decide the names of a side.

    Parameters
    ----------
    nodes : sequence of Node
        As parsed.
    table : Columns
        Whose names are data.
    text, source : str
        Of the formula or expression, for messages.
    apart : mapping of str to collection of str, optional
        Levels of indexed parameters that have a slot of their own.

    Raises
    ------
    FormulaError
        If levels or words are used for what they are not.
    """
    words = _compared_with_words(nodes, table, text, source)
    found = Side((), (), {}, {}, {})
    place: list[int] = []
    out: list[Node] = []
    numbers: dict[str, None] = {}
    compared = {i for indices in words.values() for i in indices}
    for index, node in enumerate(nodes):
        if index in words:
            column, word = (nodes[i] for i in words[index])
            indicator = Indicator(column.text, word.text, node.kind == "!=")
            found.indicators[indicator.name] = indicator
            node = node._replace(kind="name", text=indicator.name, operands=())
        elif node.kind == "name" and index not in compared:
            if node.text in table.names:
                if node.level:
                    message = (
                        f"{node.text!r} is a column; brackets give a parameter one "
                        "value for each level"
                    )
                    raise fault("F114", message, text, node, source)
                numbers[node.text] = None
            else:
                _note_parameter(found, node, table, text, source)
        node = node._replace(operands=tuple(place[i] for i in node.operands))
        if index not in compared:
            out.append(node)
        place.append(len(out) - 1)
        if node.kind == "name" and node.level and apart:
            for level in apart.get(node.text, ()):
                place[-1] = _set_apart(found, out, node, level, place[-1])
    return found._replace(nodes=tuple(out), numbers=tuple(numbers))


def _set_apart(
    found: Side, out: list[Node], node: Node, level: str, otherwise: int
) -> int:
    """Append ``Vm[treated] if state == 'treated' else Vm``; return its index."""
    indicator = Indicator(node.level, level)
    found.indicators[indicator.name] = indicator
    plain = node._replace(level="")
    out.append(plain._replace(text=indicator.name))
    out.append(plain._replace(text=level_parameter(node.text, level)))
    n = len(out)
    out.append(plain._replace(kind="if", text="if", operands=(n - 2, n - 1, otherwise)))
    return n


def _compared_with_words(
    nodes: Sequence[Node], table: Columns, text: str, source: str
) -> dict[int, tuple[int, int]]:
    """Return the comparisons with words: index -> indices of column and word."""
    found = {}
    for index, node in enumerate(nodes):
        kinds = [nodes[i].kind for i in node.operands]
        if node.kind not in ("==", "!=") or "text" not in kinds:
            continue
        at = kinds.index("text")
        column = nodes[node.operands[1 - at]]
        if column.text not in table.names or column.level:
            raise unknown_column(column, table, text, source)
        found[index] = (node.operands[1 - at], node.operands[at])
    _check_alone(found, nodes, text, source)
    return found


def _check_alone(
    words: Mapping[int, tuple[int, int]], nodes: Sequence[Node], text: str, source: str
) -> None:
    """Refuse a chain such as ``x < state == 'a'``, where `state` is word and number."""
    compared = {i for indices in words.values() for i in indices}
    for index, node in enumerate(nodes):
        if index not in words and compared.intersection(node.operands):
            message = "a comparison with a word stands by itself; combine with 'and'"
            raise fault("F113", message, text, node, source)


def _note_parameter(
    found: Side, node: Node, table: Columns, text: str, source: str
) -> None:
    first = found.parameters.setdefault(node.text, node)
    if first.level != node.level:
        one, other = to_text([first]), to_text([node])
        message = (
            f"{other} here but {one} before; a parameter has the same levels wherever "
            "it stands"
        )
        raise fault("F114", message, text, node, source)
    if not node.level:
        return
    if node.level not in table.names:
        close = suggestion(node.level, table.names)
        known = name_list(table.names)
        message = (
            f"there is no column {node.level!r} among {known}{close}; brackets hold "
            "the column of levels, as in Vm[state]"
        )
        raise fault("F114", message, text, node, source)
    found.levels[node.text] = node.level


def unknown_column(
    node: Node, table: Columns, text: str, source: str = "formula"
) -> FormulaError:
    """Return the error of a name that should be a column."""
    close = suggestion(node.text, table.names)
    if not close and any(is_number(name) for name in table.names):
        close = "; if the first line is no header, name the columns with --columns"
    message = f"there is no column {node.text!r} among {name_list(table.names)}{close}"
    return fault("F116", message, text, node, source)


def check_names(
    formula: Formula, left: Side, right: Side, table: Columns, meant: Iterable[str]
) -> None:
    """Refuse names that clash, or that look like a slip.

    Parameters
    ----------
    formula : Formula
        For messages.
    left, right : Side
        Its sides.
    table : Columns
        Whose names are data.
    meant : iterable of str
        Parameters that were given something, which are no slips.
    """
    for node in formula.lhs + formula.rhs:
        if node.kind == "constant" and node.text in table.names:
            message = (
                f"{node.text!r} is both the constant {CONSTANTS[node.text]:.6g} and "
                f"a column; write `{node.text}` in backquotes for the column"
            )
            raise fault("F109", message, formula.text, node)
    for node in left.parameters.values():
        raise unknown_column(node, table, formula.text)
    if not left.numbers and not left.indicators:
        message = "the left side of '~' uses no column; put the response there"
        raise fault("F115", message, formula.text, formula.lhs[-1])
    used = {*left.numbers, *right.numbers, *left.level_columns, *right.level_columns}
    spare = [name for name in table.names if name not in used]
    meant = set(meant)
    for name, node in right.parameters.items():
        if name.casefold() in NO_NUMBERS and name not in meant:
            message = (
                f"{name!r} is no number of a formula (for a parameter of that name, "
                f"give a start: -p {name}=1)"
            )
            raise fault("F117", message, formula.text, node)
        close = _close(name, spare)
        if close and name not in meant:
            message = (
                f"there is no column {name!r}{close} "
                f"(for a parameter of that name, give a start: -p {name}=1)"
            )
            raise fault("F117", message, formula.text, node)


def _close(name: str, spare: Sequence[str]) -> str:
    """Return a suggestion; a single letter is close to its other case only."""
    if len(name) > 1:
        return suggestion(name, spare)
    return suggestion(name, [n for n in spare if n.lower() == name.lower()])
