"""Decide what each name of a formula is, and gather its rows.

A name that is a column is data; every other name is a parameter. `pose` binds a formula
to a table for a fit, `rows_of` binds a fitted one to other rows. The parts are in
`binding/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from autodiff.fit.binding.kinds import Parameter, Slot, level_parameter
from autodiff.fit.binding.names import (
    Side,
    check_names,
    fault,
    resolve,
    with_response,
)
from autodiff.fit.binding.rows import (
    Expression,
    Rows,
    expression,
    largest_size,
    select,
)
from autodiff.fit.binding.slots import (
    check_given,
    given,
    parameters_and_slots,
    split_level,
)
from autodiff.fit.data.columns import Columns, alike, row_place
from autodiff.fit.errors import (
    DataError,
    FormulaError,
    Note,
    UsageError,
    name_list,
    suggestion,
)
from autodiff.fit.formula.evaluate import degree_in, names_in
from autodiff.fit.formula.parse import Formula, Node, parse, parse_expression

__all__ = ["Parameter", "Problem", "Slot", "pose", "rows_of"]

Array = npt.NDArray[np.float64]

LARGEST = 1e140  # of responses: squares, and squares of their last digits, fit


@dataclass(frozen=True)
class Problem:
    """A formula bound to data: every name is decided.

    Attributes
    ----------
    formula : Formula
        What was parsed; in its sides, a comparison with a word is the name of a column
        of zeros and ones.
    parameters : tuple of Parameter
        The free parameters, in order of first use; a point has one entry for each.
    slots : tuple of Slot
        Every name of the right-hand side that is no column; a tied slot stands after
        the slots that its expression names.
    columns : dict of str to array of shape (n,)
        The numeric data the right-hand side uses. Not to be written to.
    response : array of shape (n,)
        The left-hand side, evaluated.
    sigma : array of shape (n,) or None
        Absolute standard deviations, in the unit of the response.
    weight : array of shape (n,) or None
        Relative weights of the squared residuals; not together with `sigma`.
    scale : (str, str) or None
        Which of ``sigma`` and ``weight`` was given, and its expression, empty if it was
        an array; None if neither was.
    trials : array of shape (n,) or None
        Numbers of trials, for binomial data.
    index : array of int, shape (n,), or None
        Which rows of the source they are, counted from 0; None for all.
    is_linear : bool
        Whether the model is linear in its free parameters.
    n_dropped : int
        Rows left out because a value was missing.
    notes : tuple of Note
        What is remarkable about the data: rows left out, decimal commas.
    places : callable
        What messages call a row of the source, counted from 0.
    """

    formula: Formula
    parameters: tuple[Parameter, ...]
    slots: tuple[Slot, ...]
    columns: dict[str, Array]
    response: Array
    index: npt.NDArray[np.intp] | None
    is_linear: bool
    n_dropped: int = 0
    sigma: Array | None = None
    weight: Array | None = None
    scale: tuple[str, str] | None = None
    trials: Array | None = None
    notes: tuple[Note, ...] = ()
    places: Callable[[int], str] = row_place

    def place(self, row: int) -> str:
        """Return what messages call a used row, counted from 0."""
        return self.places(row if self.index is None else int(self.index[row]))

    @property
    def rows(self) -> npt.NDArray[np.intp]:
        """The number of each row in its source, from 1, shape (n,)."""
        n = len(self.response)
        return 1 + (np.arange(n) if self.index is None else self.index)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def given(self) -> dict[str, float]:
        """Start values that were given, by parameter."""
        return {p.name: p.start for p in self.parameters if p.start is not None}

    @property
    def ties(self) -> dict[str, tuple[Node, ...]]:
        """Expressions of the tied slots, each in those before, by name."""
        return {slot.name: slot.nodes for slot in self.slots if slot.kind == "tied"}

    def degree_in(self, slots: Iterable[str]) -> int:
        """Return 0, 1 or 2: free of, linear in, or not known linear in free slots.

        Parameters
        ----------
        slots : iterable of str
            Names of free or indexed slots; slots tied to them count.
        """
        degrees = dict.fromkeys(slots, 1)
        for slot in self.slots:
            if slot.kind == "tied":
                degrees[slot.name] = degree_in(slot.nodes, degrees)
        return degree_in(self.formula.rhs, degrees)


def pose(
    text: str,
    table: Columns,
    start: Mapping[str, float] | None = None,
    *,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    fix: Mapping[str, float] | None = None,
    tie: Mapping[str, str] | None = None,
    sigma: Any = None,
    weight: Any = None,
    trials: Any = None,
    where: Any = None,
) -> Problem:
    """Bind a formula to a table.

    Parameters
    ----------
    text : str
        The formula.
    table : Columns
        Where its data are.
    start : mapping of str to float, optional
        Start values; ``'Vm'`` for all levels of an indexed parameter, ``'Vm[treated]'``
        for one, also below.
    bounds : mapping of str to (float, float), optional
        Lower and upper bounds; None or infinite for none.
    fix : mapping of str to float, optional
        Values of parameters that are not fitted.
    tie : mapping of str to str, optional
        Expressions from which parameters are computed; they may name new ones.
    sigma, weight, trials : str, float or array of shape (n,), optional
        Absolute standard deviations; relative weights; numbers of trials: expressions
        in columns, or numbers.
    where : str or array of shape (n,), optional
        A condition that rows have to meet.

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
    said = given(start, bounds, fix, tie)
    if sigma is not None and weight is not None:
        raise UsageError(
            "U118", "sigma is absolute and weight is relative: give one of them"
        )
    condition = expression("where", where, table)
    scales = {
        word: expression(word, value, table)
        for word, value in (("sigma", sigma), ("weight", weight), ("trials", trials))
    }
    extra = [e.side for e in (*scales.values(), condition) if e is not None]
    formula = with_response(formula, table, _columns_of(extra))
    left = resolve(formula.lhs, table, text)
    right = resolve(formula.rhs, table, text, apart=said.apart())
    check_names(formula, left, right, table, {split_level(n)[0] for n in said.names()})
    _check_can_fit(formula, right, table)
    _prepare(table, [left, right, *extra])
    needed = [left, right, *([scales["trials"].side] if scales["trials"] else [])]
    rows, n_dropped, notes = select(
        table, _numbers_of(needed), _levels_of(needed), condition
    )
    labels = _levels_of([left, right, *extra])
    twins = [note for name in labels for note in alike(name, table.levels(name))]
    levels = _levels(right, rows)
    check_given(said, right, levels, table)
    parameters, slots = parameters_and_slots(said, right, levels)
    bound = formula._replace(lhs=left.nodes, rhs=right.nodes)
    problem = Problem(
        formula=bound,
        parameters=parameters,
        slots=tuple(_positioned(slot, parameters, slots, rows) for slot in slots),
        columns=rows.columns(right),
        response=_response(left, rows),
        index=rows.index,
        is_linear=False,
        n_dropped=n_dropped,
        notes=(*table.notes, *twins, *notes, *_on_both_sides(left, right)),
        places=table.places(),
        scale=next(
            ((w, e.source) for w, e in scales.items() if e and w != "trials"), None
        ),
        **{word: _scale(wanted, rows) for word, wanted in scales.items() if wanted},
    )
    _check_trials(problem, rows)
    moving = [slot.name for slot in slots if slot.kind in ("free", "indexed")]
    return replace(problem, is_linear=problem.degree_in(moving) <= 1)


def rows_of(problem: Problem, table: Columns, where: Any = None) -> Problem:
    """Return a problem with its right-hand side bound to the rows of another table.

    Parameters
    ----------
    problem : Problem
        Of a fit.
    table : Columns
        With the columns that the right-hand side uses, and levels it knows.
    where : str or array of shape (n,), optional
        A condition that rows have to meet.

    Returns
    -------
    Problem
        With the same parameters; the response is NaN. `sigma` or `weight` are there if
        the table has the columns of their expression, NaN where they are not positive.

    Raises
    ------
    FormulaError, DataError
        If a column is missing or holds a level that was not fitted.
    """
    formula = parse(problem.formula.text)
    names = {slot.name for slot in problem.slots}
    apart: dict[str, tuple[str, ...]] = {}
    for slot in problem.slots:
        base, level = split_level(slot.name)
        if level and base in names:
            apart[base] = (*apart.get(base, ()), level)
    right = resolve(formula.rhs, table, formula.text, apart=apart)
    for name, node in right.parameters.items():
        if name not in names:
            close = suggestion(name, table.names)
            message = (
                f"the model uses column {name!r}, the table has "
                f"{name_list(table.names)}{close}"
            )
            raise fault("F116", message, formula.text, node)
    condition = expression("where", where, table)
    scale = _scale_in(table, problem.scale)
    _prepare(table, [right, *(e.side for e in (condition, scale) if e is not None)])
    if not right.numbers and not right.level_columns and table.names:
        table.levels(table.names[0])  # its length is the number of rows
    rows, n_dropped, notes = select(
        table, right.numbers, right.level_columns, condition
    )
    return replace(
        problem,
        formula=formula._replace(lhs=problem.formula.lhs, rhs=right.nodes),
        slots=tuple(
            _positioned(slot, problem.parameters, problem.slots, rows)
            for slot in problem.slots
        ),
        columns=rows.columns(right),
        response=np.full(rows.n, np.nan),
        index=rows.index,
        n_dropped=n_dropped,
        notes=(*table.notes, *notes),
        places=table.places(),
        sigma=_scale_at(rows, scale, "sigma"),
        weight=_scale_at(rows, scale, "weight"),
        trials=None,
    )


def _scale_in(table: Columns, scale: tuple[str, str] | None) -> Expression | None:
    """Return the sigma or weight of a fit for another table; None if it lacks it."""
    if scale is None or not scale[1]:
        return None
    word, text = scale
    known = {*table.names}
    nodes = parse_expression(text, f"--{word}")
    if not all(name in known for name in names_in(nodes)):
        return None
    return expression(word, text, table)


def _scale_at(rows: Rows, scale: Expression | None, word: str) -> Array | None:
    """Return it in some rows if it is that; NaN where it is no positive number."""
    if scale is None or scale.word != word:
        return None
    values = scale.at(rows)
    known = values > 0.0
    for name in scale.side.level_columns:
        known &= rows.codes(name) >= 0
    return np.where(known, values, np.nan)


def _columns_of(sides: Iterable[Side]) -> set[str]:
    return {*_numbers_of(sides), *_levels_of(sides)}


def _numbers_of(sides: Iterable[Side]) -> list[str]:
    return list(dict.fromkeys(name for side in sides for name in side.numbers))


def _levels_of(sides: Iterable[Side]) -> list[str]:
    return list(dict.fromkeys(name for side in sides for name in side.level_columns))


def _prepare(table: Columns, sides: list[Side]) -> None:
    """Have all columns read in one pass."""
    numbers, levels = _numbers_of(sides), _levels_of(sides)
    table.check_unique((*numbers, *levels))
    table.prepare(numbers, levels)
    for name in numbers:
        table.column(name)
    for name in levels:
        table.levels(name)


def _check_can_fit(formula: Formula, right: Side, table: Columns) -> None:
    parameters = right.parameters
    if not parameters:
        what = "the right side has no name"
        if right.numbers:
            what = f"every name is a column ({name_list(right.numbers)})"
        message = f"no parameter to fit: {what}; parameters are written out: a + b*x"
        raise FormulaError("F118", message, formula.text, 0, len(formula.text))
    if not right.numbers and not right.level_columns and len(parameters) > 1:
        message = (
            f"the right side uses no column, so {name_list(parameters)} cannot be "
            f"told apart; the columns are {name_list(table.names)}"
        )
        raise fault("F118", message, formula.text, next(iter(parameters.values())))


def _on_both_sides(left: Side, right: Side) -> tuple[Note, ...]:
    """Return a note if the formula explains a response by itself."""
    used = (*right.numbers, *right.level_columns)
    both = [name for name in (*left.numbers, *left.level_columns) if name in used]
    if not both:
        return ()
    text = (
        f"{name_list(both)} is on both sides of '~': the response is explained by "
        "itself, so its errors are in the predictor too and estimates are biased; "
        "take it out of the right side if that is not meant"
    )
    return (Note("W107", text),)


def _levels(right: Side, rows: Rows) -> dict[str, tuple[str, ...]]:
    """Return the levels that occur in the rows, by indexed parameter."""
    found = {}
    for name, column in right.levels.items():
        known = rows.table.levels(column).names
        used = np.bincount(rows.codes(column), minlength=len(known))
        found[name] = tuple(known[i] for i in np.flatnonzero(used))
    return found


def _positioned(
    slot: Slot, parameters: tuple[Parameter, ...], slots: tuple[Slot, ...], rows: Rows
) -> Slot:
    """Return an indexed slot with the parameter of each row; others as they are."""
    if not slot.level_column:
        return slot
    place = {parameter.name: i for i, parameter in enumerate(parameters)}
    apart = {other.name for other in slots}
    known = rows.table.levels(slot.level_column).names
    table = np.full(len(known), -1, dtype=np.intp)
    own = [i for n, i in place.items() if split_level(n)[0] == slot.name]
    any_place = min(own, default=0)
    for code, level in enumerate(known):
        name = level_parameter(slot.name, level)
        # Rows of a level with a slot of its own do not look: any parameter will do.
        table[code] = place.get(name, any_place if name in apart else -1)
    positions = table[rows.codes(slot.level_column)]
    unknown = np.flatnonzero(positions < 0)
    if unknown.size:
        row = int(unknown[0])
        level = known[rows.codes(slot.level_column)[row]]
        fitted = name_list(
            split_level(n)[1] for n in (*place, *apart) if split_level(n)[1]
        )
        raise DataError(
            "D125",
            f"{rows.table.source}, {rows.place(row)}, column {slot.level_column!r}: "
            f"level {level!r} was not fitted (levels: {fitted})",
        )
    return replace(slot, positions=positions) if own else slot


def _scale(wanted: Expression, rows: Rows) -> Array:
    """Return sigma, weight or trials, positive numbers all."""
    values = wanted.at(rows)
    bad = np.flatnonzero(~((values > 0.0) & np.isfinite(values)))
    if bad.size:
        row = int(bad[0])
        raise DataError(
            "D120",
            f"{wanted.word} is {values[row]:g} in {rows.place(row)}; it must be a "
            "positive number in every row: correct it, or leave the row out with "
            "--where",
        )
    largest, smallest = float(values.max()), float(values.min())
    if largest > LARGEST or smallest < 1.0 / LARGEST:
        raise DataError(
            "D120",
            f"{wanted.word} goes from {smallest:g} to {largest:g}; beyond {LARGEST:g} "
            "squares are lost: use another unit",
        )
    return values


def _check_trials(problem: Problem, rows: Rows) -> None:
    """Refuse counts that are none, and more successes than trials."""
    trials, response = problem.trials, problem.response
    if trials is None:
        return
    fraction = np.flatnonzero(trials != np.floor(trials))
    if fraction.size:
        row = int(fraction[0])
        raise DataError(
            "D123",
            f"trials is {trials[row]:g} in {rows.place(row)}; a whole number is "
            "expected",
        )
    bad = np.flatnonzero(~((response >= 0.0) & (response <= trials)))
    if bad.size:
        row = int(bad[0])
        raise DataError(
            "D123",
            f"{response[row]:g} successes of {trials[row]:g} trials in "
            f"{rows.place(row)}; the response counts successes",
        )


def _response(left: Side, rows: Rows) -> Array:
    response = rows.evaluate(left)
    largest = largest_size(response)
    if not np.isfinite(largest):
        row = int(np.flatnonzero(~np.isfinite(response))[0])
        cells = ", ".join(
            f"{name} = {rows.column(name)[row]:.6g}" for name in left.numbers
        )
        raise DataError(
            "D116",
            f"the left side is {response[row]} in {rows.place(row)} ({cells}); "
            "leave such rows out or change the left side",
        )
    if largest > LARGEST or 0.0 < largest < 1.0 / LARGEST:
        raise DataError(
            "D116",
            f"the response reaches {largest:g}; sums of its squares leave the range of "
            f"numbers beyond {LARGEST:g} and below {1.0 / LARGEST:g}; use another unit",
        )
    return response
