"""From starts, bounds, fixed values and ties to parameters and slots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from autodiff.fit.binding.kinds import Parameter, Slot, level_parameter
from autodiff.fit.binding.names import Side, fault
from autodiff.fit.data.columns import Columns
from autodiff.fit.errors import FormulaError, UsageError, name_list, suggestion
from autodiff.fit.formula.evaluate import names_in
from autodiff.fit.formula.functions import CONSTANTS
from autodiff.fit.formula.parse import Node, parse_expression
from autodiff.fit.formula.printing import plain_name

__all__ = [
    "Given",
    "as_mapping",
    "check_given",
    "check_inside",
    "given",
    "parameters_and_slots",
]

Bound = tuple[float, float]


class Given(NamedTuple):
    """What was said of parameters, each by name; ties are parsed."""

    start: dict[str, float]
    bounds: dict[str, Bound]
    fix: dict[str, float]
    tie: dict[str, tuple[Node, ...]]
    tie_texts: dict[str, str]

    def names(self) -> set[str]:
        """Return every name that something was said of."""
        return {*self.start, *self.bounds, *self.fix, *self.tie}

    def apart(self) -> dict[str, tuple[str, ...]]:
        """Return the levels that have a slot of their own, by parameter."""
        found: dict[str, tuple[str, ...]] = {}
        for name in self.levels_named():
            base, level = split_level(name)
            found[base] = (*found.get(base, ()), level)
        return found

    def levels_named(self) -> list[str]:
        """Return the names of single levels that are fixed, tied, or tied to."""
        named = [*self.fix, *self.tie]
        named += [name for nodes in self.tie.values() for name in names_in(nodes)]
        return [name for name in dict.fromkeys(named) if split_level(name)[1]]


def split_level(name: str) -> tuple[str, str]:
    """Return ``('Vm', 'treated')`` of ``'Vm[treated]'``; no level is ``''``."""
    if not name.endswith("]") or "[" not in name:
        return name, ""
    base, _, level = name[:-1].partition("[")
    return base.strip(), level.strip()


_EXAMPLES = {
    "start": "{'b': 1.0}",
    "bounds": "{'b': (0, inf)}",
    "fix": "{'b': 1.0}",
    "tie": "{'tau': '1/b'}",
    "derive": "{'t_half': 'log(2)/b'}",
}


def as_mapping(word: str, value: Any) -> Mapping[str, Any]:
    """Return what an option says of names, nothing for None; refuse all but a dict."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    raise UsageError(
        "U198",
        f"{word} is of type {type(value).__name__}; a dict is expected, as {word}="
        f"{_EXAMPLES[word]}",
    )


def given(
    start: Mapping[str, Any] | None,
    bounds: Mapping[str, Any] | None,
    fix: Mapping[str, Any] | None,
    tie: Mapping[str, str] | None,
) -> Given:
    """Check each value by itself, and that no name has two that contradict.

    Raises
    ------
    UsageError
        If a value is no number, bounds are reversed, or a start is outside.
    """
    starts = {
        _plain(n): _number("start", n, v) for n, v in as_mapping("start", start).items()
    }
    fixed = {_plain(n): _number("fix", n, v) for n, v in as_mapping("fix", fix).items()}
    limits = {_plain(n): _bounds(n, v) for n, v in as_mapping("bounds", bounds).items()}
    texts = {_plain(n): v for n, v in as_mapping("tie", tie).items()}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise UsageError(
                "U117", f"tie {name}: {text!r}; an expression is expected, as '1/b'"
            )
    ties = {n: _tie(text, f"--tie {n}") for n, text in texts.items()}
    found = Given(starts, limits, fixed, ties, texts)
    _check_conflicts(found)
    for name, value in starts.items():
        lower, upper = limits.get(name) or limits.get(split_level(name)[0]) or _FREE
        check_inside(name, value, lower, upper)
    return found


_FREE: Bound = (-math.inf, math.inf)


def _plain(name: Any) -> str:
    if not isinstance(name, str):
        raise UsageError(
            "U113", f"{name!r} is no name of a parameter; a str is expected"
        )
    base, level = split_level(name.strip())
    base = base[1:-1] if len(base) > 2 and base[0] == base[-1] == "`" else base
    return level_parameter(base, level) if level else base


def _tie(text: str, source: str) -> tuple[Node, ...]:
    """Parse a tie; ``Vm[treated]`` in it is the name of a parameter."""
    nodes = parse_expression(text, source)
    return tuple(node._replace(text=plain_name(node), level="") for node in nodes)


def _number(what: str, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(
            "U111", f"{what} of {name!r}: {value!r} is not a number"
        ) from None
    if not math.isfinite(number):
        raise UsageError("U111", f"{what} of {name!r}: {value!r} is not finite")
    return number


def _bounds(name: str, value: Any) -> Bound:
    try:
        low, high = value
        lower = -math.inf if low is None else float(low)
        upper = math.inf if high is None else float(high)
    except (TypeError, ValueError):
        raise UsageError(
            "U116",
            f"bounds of {name!r}: {value!r}; a lower and an upper number are expected, "
            "as (0, inf)",
        ) from None
    if not lower < upper:
        cure = "; the lower one comes first" if lower > upper else ""
        cure = "; to hold it there, fix it" if lower == upper else cure
        raise UsageError(
            "U116",
            f"bounds of {name!r}: {lower:g}..{upper:g} has nothing between{cure}",
        )
    return lower, upper


def check_inside(name: str, value: float, lower: float, upper: float) -> None:
    """Refuse a start outside its bounds."""
    if not lower <= value <= upper:
        raise UsageError(
            "U116",
            f"start of {name!r}: {value:g} is outside its bounds {lower:g}..{upper:g}",
        )


def _check_conflicts(found: Given) -> None:
    for name in found.names():
        said = [
            word
            for word, names in (
                ("fixed", found.fix),
                ("tied", found.tie),
                ("given a start", found.start),
                ("given bounds", found.bounds),
            )
            if name in names
        ]
        if len(said) > 1 and said[0] in ("fixed", "tied"):
            raise UsageError(
                "U115", f"{name!r} is {said[0]} and {said[1]}; choose one of the two"
            )


def check_given(
    found: Given, right: Side, levels: Mapping[str, Sequence[str]], table: Columns
) -> None:
    """Refuse what was said of names that are no parameters.

    Parameters
    ----------
    found : Given
        What was said.
    right : Side
        The right-hand side.
    levels : mapping of str to sequence of str
        The levels of each indexed parameter.
    table : Columns
        Whose names are data.
    """
    known = dict.fromkeys(right.parameters)
    for name, nodes in found.tie.items():
        _check_tie(name, nodes, found.tie_texts[name], levels, table)
        known |= dict.fromkeys(names_in(nodes))
    for name, nodes in found.tie.items():
        for node in names_in(nodes).values():
            _check_tie_spelling(name, node, found, right)
    for name in found.names():
        base, level = split_level(name)
        if level and base in levels:
            _check_level(_said(name, found), level, levels[base])
        elif name not in known:
            raise _no_parameter(_said(name, found), name, list(known), table)


def _said(name: str, found: Given) -> str:
    """Return the option by which something was said of a name, and the name."""
    if name in found.fix:
        return f"--fix {name}"
    if name in found.tie:
        return f"--tie {name}"
    return f"-p {name}" if name in found.start else f"-p '{name} in ...'"


def _no_parameter(
    said: str, name: str, known: Sequence[str], table: Columns
) -> UsageError:
    why = "a column" if name in table.names else "not in the formula"
    why = "a reserved constant" if name in CONSTANTS else why
    base, level = split_level(name)
    if level and base in known:
        why = f"one level, but {base!r} has none in the formula (write {base}[column])"
    close = suggestion(name, known)
    return UsageError(
        "U113",
        f"{said}: {name!r} is {why}, not a parameter{close}"
        f" (parameters: {name_list(known) or 'none'})",
    )


def _check_level(said: str, level: str, known: Sequence[str]) -> None:
    if level not in known:
        close = suggestion(level, known)
        raise UsageError(
            "U113",
            f"{said}: there is no level {level!r} among {name_list(known)}{close}",
        )


def _check_tie(
    name: str,
    nodes: tuple[Node, ...],
    text: str,
    levels: Mapping[str, Sequence[str]],
    table: Columns,
) -> None:
    source = f"--tie {name}"
    for node in nodes:
        if node.kind == "text":
            message = "a tie computes with parameters; words belong into the formula"
            raise fault("F113", message, text, node, source)
        if node.kind != "name":
            continue
        if node.text in table.names:
            message = (
                f"{node.text!r} is a column; a tie computes from parameters, what "
                "depends on rows belongs into the formula"
            )
            raise fault("U117", message, text, node, source)
        base, level = split_level(node.text)
        if node.text in levels:
            message = (
                f"{node.text} differs between levels; name one, as in "
                f"{level_parameter(node.text, levels[node.text][0])}"
            )
            raise fault("U117", message, text, node, source)
        if base in levels and level not in levels[base]:
            close = suggestion(level, levels[base])
            message = (
                f"there is no level {level!r} among {name_list(levels[base])}{close}"
            )
            raise fault("U117", message, text, node, source)
        if level and base not in levels:
            message = f"{base!r} has no levels in the formula"
            raise fault("U117", message, text, node, source)


def _check_tie_spelling(name: str, node: Node, found: Given, right: Side) -> None:
    """Refuse a new parameter that looks like one of the formula."""
    if node.text in right.parameters or node.text in found.names():
        return
    if split_level(node.text)[1]:
        return
    same = [n for n in right.parameters if n.casefold() == node.text.casefold()]
    close = suggestion(node.text, same if len(node.text) < 3 else right.parameters)
    if close:
        text = found.tie_texts[name]
        message = f"there is no parameter {node.text!r}{close}"
        raise fault("U117", message, text, node, f"--tie {name}")


def parameters_and_slots(
    found: Given, right: Side, levels: Mapping[str, Sequence[str]]
) -> tuple[tuple[Parameter, ...], tuple[Slot, ...]]:
    """Return the free parameters, and the slots in an order that ties allow.

    Indexed slots have no positions yet.
    """
    parameters: list[Parameter] = []
    slots: dict[str, Slot] = {}

    def add(name: str, base: str) -> int:
        start = found.start.get(name, found.start.get(base))
        lower, upper = found.bounds.get(name) or found.bounds.get(base) or _FREE
        if start is not None:
            check_inside(name, start, lower, upper)
        parameters.append(Parameter(name, start, lower, upper))
        return len(parameters) - 1

    own = [n for n in found.levels_named() if split_level(n)[0] in levels]
    for name in _in_order([*right.parameters, *own], found):
        if name in found.fix:
            slots[name] = Slot(name, "fixed", value=found.fix[name])
        elif name in found.tie:
            slots[name] = Slot(name, "tied", nodes=found.tie[name])
        elif name in levels:
            apart = found.apart().get(name, ())
            own = [level for level in levels[name] if level not in apart]
            for level in own:
                add(level_parameter(name, level), name)
            slot = Slot(name, "indexed", level_column=right.levels[name])
            slots[name] = slot if own else replace(slot, kind="apart", value=0.0)
        else:
            slots[name] = Slot(name, "free", add(name, split_level(name)[0]))
    if not parameters:
        raise UsageError(
            "U119",
            f"nothing is left to fit: {name_list(slots)} are all fixed or tied",
        )
    return tuple(parameters), tuple(slots.values())


def _in_order(names: Sequence[str], found: Given) -> list[str]:
    """Return names and those they are tied to, what is named first.

    Raises
    ------
    FormulaError
        If ties go round in a circle.
    """
    order: dict[str, None] = {}
    for first in names:
        path = [first]
        while path:
            name = path[-1]
            waiting = [n for n in names_in(found.tie.get(name, ())) if n not in order]
            if not waiting:
                order[name] = None
                path.pop()
            elif waiting[0] in path:
                circle = " -> ".join([*path[path.index(waiting[0]) :], waiting[0]])
                message = f"ties go round in a circle: {circle}; leave one free"
                text = found.tie_texts[name]
                node = names_in(found.tie[name])[waiting[0]]
                place = (text, node.start, node.stop)
                raise FormulaError("U117", message, *place, f"--tie {name}")
            else:
                path.append(waiting[0])
    return list(order)
