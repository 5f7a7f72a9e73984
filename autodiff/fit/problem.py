"""Decide what each name of a formula is, and gather its rows.

A name that is a column is data; every other name is a parameter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.data.columns import Columns
from autodiff.fit.errors import (
    DataError,
    FormulaError,
    UsageError,
    name_list,
    suggestion,
)
from autodiff.fit.formula.evaluate import degree_in, evaluate, names_in
from autodiff.fit.formula.functions import CONSTANTS
from autodiff.fit.formula.parse import Formula, Node, parse

__all__ = ["Parameter", "Problem", "Slot", "pose", "rows_of"]

Array = npt.NDArray[np.float64]

LARGEST = 1e140  # of responses: squares, and squares of their last digits, fit


@dataclass(frozen=True)
class Parameter:
    """A free parameter: what the solver may move.

    Attributes
    ----------
    name : str
        As in the formula; ``Vm[treated]`` for one level of an indexed parameter.
    start : float or None
        The start value that was given.
    lower, upper : float
        Bounds; infinite where there is none. ``lower < upper``.
    """

    name: str
    start: float | None = None
    lower: float = -math.inf
    upper: float = math.inf


@dataclass(frozen=True)
class Slot:
    """A name of the formula that is no column, and where its value comes from.

    Attributes
    ----------
    name : str
        As the formula has it: ``Vm``, also where it stands as ``Vm[state]``.
    kind : {'free', 'indexed', 'fixed', 'tied'}
        One of `Problem.parameters`; one of them for each level of a column; a number;
        an expression in other slots.
    position : int
        Of a free slot: which of `Problem.parameters`.
    positions : array of int, shape (n,), or None
        Of an indexed slot: which of `Problem.parameters` in each row.
    level_column : str
        Of an indexed slot: the column of levels.
    value : float
        Of a fixed slot.
    nodes : tuple of Node
        Of a tied slot; they name slots that stand earlier.
    """

    name: str
    kind: str
    position: int = -1
    positions: npt.NDArray[np.intp] | None = None
    level_column: str = ""
    value: float = math.nan
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Problem:
    """A formula bound to data: every name is decided.

    Attributes
    ----------
    formula : Formula
        What was parsed.
    parameters : tuple of Parameter
        The free parameters, in order of first use; a point has one entry for each.
    slots : tuple of Slot
        Every name of the right-hand side that is no column; a tied slot stands after
        the slots that its expression names.
    columns : dict of str to array of shape (n,)
        The numeric data the right-hand side uses.
    response : array of shape (n,)
        The left-hand side, evaluated.
    sigma : array of shape (n,) or None
        Absolute standard deviations, in the unit of the response.
    weight : array of shape (n,) or None
        Relative weights of the squared residuals; not together with `sigma`.
    trials : array of shape (n,) or None
        Numbers of trials, for binomial data.
    rows : array of int, shape (n,)
        The number of each row in its source, from 1, for messages.
    is_linear : bool
        Whether the model is linear in its free parameters.
    n_dropped : int
        Rows left out because a value was missing.
    """

    formula: Formula
    parameters: tuple[Parameter, ...]
    slots: tuple[Slot, ...]
    columns: dict[str, Array]
    response: Array
    rows: npt.NDArray[np.intp]
    is_linear: bool
    n_dropped: int = 0
    sigma: Array | None = None
    weight: Array | None = None
    trials: Array | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def given(self) -> dict[str, float]:
        """Start values that were given, by parameter."""
        return {p.name: p.start for p in self.parameters if p.start is not None}


def pose(text: str, table: Columns, given: Mapping[str, float]) -> Problem:
    """Bind a formula to a table.

    Parameters
    ----------
    text : str
        The formula.
    table : Columns
        Where its data are.
    given : mapping of str to float
        Start values.

    Returns
    -------
    Problem
        Ready to be fitted.

    Raises
    ------
    FormulaError, UsageError, DataError
        If names, starts or data do not fit together.
    """
    formula = parse(text)
    if not formula.lhs:
        formula = formula._replace(lhs=(_implied_response(formula, table),))
    _check_reserved(formula, table)
    _check_left_side(formula, table)
    used = names_in(formula.rhs)
    data_names = [name for name in used if name in table.names]
    parameters = tuple(name for name in used if name not in table.names)
    _check_parameters(formula, table, parameters, data_names, given)
    left_names = list(names_in(formula.lhs))
    wanted = list(dict.fromkeys(left_names + data_names))
    columns, n_dropped = table.numbers(wanted)
    response = _response(formula, columns)
    return Problem(
        formula=formula,
        parameters=tuple(Parameter(name, given.get(name)) for name in parameters),
        slots=tuple(Slot(name, "free", i) for i, name in enumerate(parameters)),
        columns={name: columns[name] for name in data_names},
        response=response,
        rows=np.arange(1, len(response) + 1),
        is_linear=degree_in(formula.rhs, frozenset(parameters)) <= 1,
        n_dropped=n_dropped,
    )


def _implied_response(formula: Formula, table: Columns) -> Node:
    """Return the one column the formula does not use, as a node."""
    used = names_in(formula.rhs)
    free = [name for name in table.names if name not in used]
    if len(free) == 1:
        return Node("name", free[0], 0.0, (), 0, 0)
    what = f"columns {name_list(free)} are" if free else "no column is"
    message = f"{what} left for the response; write it in front, as in 'y ~ ...'"
    raise FormulaError("F115", message, formula.text, 0, 1)


def _fault(code: str, formula: Formula, node: Node, message: str) -> FormulaError:
    return FormulaError(code, message, formula.text, node.start, node.stop)


def _check_reserved(formula: Formula, table: Columns) -> None:
    for node in formula.lhs + formula.rhs:
        if node.kind == "constant" and node.text in table.names:
            message = (
                f"{node.text!r} is both the constant {CONSTANTS[node.text]:.6g} and "
                f"a column; write `{node.text}` in backquotes for the column"
            )
            raise _fault("F109", formula, node, message)


def _check_left_side(formula: Formula, table: Columns) -> None:
    names = names_in(formula.lhs)
    for name, node in names.items():
        if name not in table.names:
            close = suggestion(name, table.names)
            known = name_list(table.names)
            message = f"there is no column {name!r} among {known}{close}"
            raise _fault("F116", formula, node, message)
    if not names:
        message = "the left side of '~' uses no column; put the response there"
        raise _fault("F115", formula, formula.lhs[-1], message)


def _check_starts(
    table: Columns, parameters: Sequence[str], given: Mapping[str, float]
) -> None:
    for name in given:
        if name not in parameters:
            why = "a column" if name in table.names else "not in the formula"
            why = "a reserved constant" if name in CONSTANTS else why
            close = suggestion(name, parameters)
            raise UsageError(
                "U113",
                f"-p {name}: {name!r} is {why}, not a parameter{close}"
                f" (parameters: {name_list(parameters) or 'none'})",
            )


def _check_spelling(
    formula: Formula,
    table: Columns,
    parameters: Sequence[str],
    given: Mapping[str, float],
) -> None:
    """Refuse a parameter that looks like a column nobody uses."""
    nodes = names_in(formula.rhs)
    used = {*nodes, *names_in(formula.lhs)}
    spare = [name for name in table.names if name not in used]
    for name in parameters:
        close = suggestion(name, spare) if len(name) > 1 else ""
        close = close or suggestion(
            name, [n for n in spare if n.lower() == name.lower()]
        )
        if close and name not in given:
            message = (
                f"there is no column {name!r}{close} "
                f"(for a parameter of that name, give a start: -p {name}=1)"
            )
            raise _fault("F117", formula, nodes[name], message)


def _check_parameters(
    formula: Formula,
    table: Columns,
    parameters: Sequence[str],
    data_names: Sequence[str],
    given: Mapping[str, float],
) -> None:
    _check_starts(table, parameters, given)
    _check_spelling(formula, table, parameters, given)
    nodes = names_in(formula.rhs)
    if not parameters:
        message = f"no parameter to fit: every name is a column ({name_list(nodes)})"
        raise FormulaError("F118", message, formula.text, 0, len(formula.text))
    if not data_names and len(parameters) > 1:
        message = (
            f"the right side uses no column, so {name_list(parameters)} cannot be "
            f"told apart; the columns are {name_list(table.names)}"
        )
        raise _fault("F118", formula, nodes[parameters[0]], message)


def _response(formula: Formula, columns: Mapping[str, Array]) -> Array:
    with np.errstate(all="ignore"), ad.no_grad():
        value = evaluate(formula.lhs, columns)
    numbers = value.numpy() if isinstance(value, ad.Tensor) else value
    n = len(next(iter(columns.values())))
    response = np.array(np.broadcast_to(numbers, (n,)), dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(response))
    if bad.size:
        row = int(bad[0])
        cells = ", ".join(
            f"{name} = {columns[name][row]:.6g}" for name in names_in(formula.lhs)
        )
        raise DataError(
            "D116",
            f"the left side is {response[row]} in row {row + 1} ({cells}); "
            "leave such rows out or change the left side",
        )
    largest = float(np.max(np.abs(response), initial=0.0))
    if largest > LARGEST or 0.0 < largest < 1.0 / LARGEST:
        raise DataError(
            "D116",
            f"the response reaches {largest:g}; sums of its squares leave the range of "
            f"numbers beyond {LARGEST:g} and below {1.0 / LARGEST:g}; use another unit",
        )
    return response


def rows_of(problem: Problem, table: Columns) -> Problem:
    """Return a problem with the rows of another table, for prediction.

    Parameters
    ----------
    problem : Problem
        Whose names are bound.
    table : Columns
        With the columns that the right-hand side uses.

    Returns
    -------
    Problem
        Of those rows; its response is zero.
    """
    wanted = list(problem.columns)
    for name in wanted:
        if name not in table.names:
            close = suggestion(name, table.names)
            known = name_list(table.names)
            raise DataError(
                "D173", f"{table.source}: no column {name!r} among {known}{close}"
            )
    columns, n_dropped = table.numbers(wanted)
    n = len(next(iter(columns.values()))) if columns else 0
    return replace(
        problem,
        columns=columns,
        response=np.zeros(n),
        rows=np.arange(1, n + 1),
        n_dropped=n_dropped,
        sigma=None,
        weight=None,
        trials=None,
    )
