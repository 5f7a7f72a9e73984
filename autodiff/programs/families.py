"""Bodies of loops that choose: the ways through a body, as one body without choices.

A body is recorded once for each way through its choices that is met; the ways are then
merged: all are computed, and each result is that of the way whose choices come out as
recorded. A step on which none does is *unknown*: from there on the loop stands still
and counts no further. Whether that happened is a value of the program around the loop,
and so a guard there: where it comes out otherwise the function is recorded once more,
as for every other guard, and finds out here which ways this run takes.

What is found is kept with the function that is being recorded (`Recording.families`),
by the place of the loop: the same choices before it, and the same number of recordings
within them, is the same moment of the function. Tensors that a body closes over are
known again by the variable that holds them; a way that cannot be bound again is left
out until a run meets it.

Invariant: a merged body never takes a way whose choices came out otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from autodiff import _core
from autodiff._core import FUNCTIONS, Program, Tensor
from autodiff._core import apply_row as _row
from autodiff.creation import as_tensor
from autodiff.errors import TraceError
from autodiff.programs.choosing import KNOWN, UNKNOWN, Way, choose, way_of
from autodiff.programs.recording import Leaves, Recorded, record

MAX_WAYS = 256

_where = FUNCTIONS["where"]


class Merged(NamedTuple):
    """A body, its shared operands, and whether it counts its steps."""

    program: Program
    shared: list[Tensor]
    counts: bool


class Family:
    """The ways through the body of one loop of the innermost recording.

    Parameters
    ----------
    function
        The body: takes a list of tensors, returns a tree.
    sources
        The user's functions in it, whose variables name what they close over.
    name
        Of the loop, for errors.
    """

    def __init__(
        self,
        function: Callable[[list[Tensor]], Any],
        sources: Sequence[Any],
        name: str,
    ):
        recording = _core.innermost_recording()
        assert recording is not None
        self._recording, self._function, self.name = recording, function, name
        self._place = recording.next_place()
        self._names = dict(_variables(sources))
        self._stored: list[tuple[Recorded, list[Any]]] = recording.families.setdefault(
            self._place, []
        )
        self.ways: list[Recorded] = []
        self._last = -1
        for way, roles in self._stored:
            captured = [self._bound(role) for role in roles]
            shapes = way.program.input_shapes
            shapes = shapes[len(shapes) - len(roles) :]
            pairs = zip(captured, shapes, strict=True)
            if all(x is not None and x.shape == shape for x, shape in pairs):
                self.ways.append(way._replace(captured=captured))

    def add(self, leaves: Leaves, index: int = -1) -> Recorded:
        """Record the way that the body takes at these values, those of step `index`."""
        with _core.recording_at(self._recording, self._place):
            way = record(self._function, leaves, f"the body of {self.name}")
        guards = way.program.guards
        if index >= 0 and index == self._last:
            raise TraceError(
                f"{self.name}: the body does not choose the same way twice at the same "
                f"values, at {guards[-1][1]}; what it decides by must depend on its "
                "arguments alone, not on random numbers, time or state"
            )
        self._last = index
        if self.ways:
            self._check(way, self.ways[0])
        text = way.program.to_bytes()
        self.ways = [w for w in self.ways if w.program.to_bytes() != text]
        self.ways.append(way)
        self._store(way, text)
        return way

    def _store(self, way: Recorded, text: bytes) -> None:
        roles = [self._role(x) for x in way.captured]
        if all(role is not None for role in roles):
            self._stored[:] = [
                s for s in self._stored if s[0].program.to_bytes() != text
            ]
            self._stored.append((way._replace(captured=[]), roles))

    def _check(self, way: Recorded, first: Recorded) -> None:
        if len(self.ways) >= MAX_WAYS:
            raise TraceError(
                f"{self.name}: the body has taken more than {MAX_WAYS} ways through "
                f"its choices; one is at {way.program.guards[-1][1]}. Choose with "
                "autodiff.where"
            )
        same = way.program.output_shapes == first.program.output_shapes
        if way.structure != first.structure or not same:
            raise TraceError(
                f"{self.name}: the body returns {way.structure!r} with shapes "
                f"{way.program.output_shapes} on one way through its choices and "
                f"{first.structure!r} with shapes {first.program.output_shapes} on "
                "another; they must be alike"
            )

    # ---- What is closed over ---------------------------------------------------------

    def _role(self, x: Tensor) -> Any:
        """Return what to know a tensor by in another recording, or None."""
        if x.is_leaf and not _core.is_recorded(x):
            return x
        return next((name for name, y in self._names.items() if y is x), None)

    def _bound(self, role: Any) -> Tensor | None:
        return role if isinstance(role, Tensor) else self._names.get(role)

    # ---- One body --------------------------------------------------------------------

    def merged(
        self, leaves: Leaves, n_carry: int, *, has_exit: bool, exit_chooses: bool = True
    ) -> Merged:
        """Return a body for all ways, with what they capture as its first inputs.

        Parameters
        ----------
        leaves
            Values of the body's own inputs at the first step: the carry, rows.
        has_exit
            Whether the first output says to go on.
        exit_chooses
            Whether that may hang on a choice.

        Returns
        -------
        Where the body `counts`, one more number stands behind the carry: how many steps
        were known, or -1 - that once one was not.
        """
        shared, places = union([way.captured for way in self.ways])
        n = len(shared)
        counts = len(self.ways) > 1 or bool(self.ways[0].program.guards)

        def run(tensors: list[Tensor]) -> list[Any]:
            seen, carry = tensors[:n], tensors[n : n + n_carry]
            rows = tensors[n + n_carry + counts :]
            return self._join(
                [
                    way_of(way.program, [*carry, *rows, *[seen[k] for k in at]])
                    for way, at in zip(self.ways, places, strict=True)
                ],
                carry,
                tensors[n + n_carry] if counts else None,
                has_exit,
                exit_chooses,
            )

        count = [0.0] * counts
        first = [*[_core.peek(x) for x in shared], *leaves[:n_carry], *count]
        with _core.recording_at(self._recording, self._place):
            recorded = record(run, [*first, *leaves[n_carry:]], self.name, is_open=True)
        program = recorded.program
        return Merged(
            program.with_inputs(range(len(program.input_shapes))), shared, counts
        )

    def _join(
        self,
        ways: list[Way],
        carry: list[Tensor],
        count: Tensor | None,
        has_exit: bool,
        exit_chooses: bool,
    ) -> list[Any]:
        """Choose each output from that of the way that is taken."""
        if count is None:
            return ways[0].outputs
        chosen, mask = choose(ways)
        known: Any = 1.0 if mask is None else mask
        going: list[Any] = []
        if has_exit:
            otherwise = 1.0 if exit_chooses else ways[0].outputs[0]
            going = [_where(known, chosen[0], otherwise)]
            going = [_where(_row("_lt", count, 0.0), 0.0, going[0])]
        moves = known * _row("_ge", count, 0.0)
        pairs = zip(chosen[has_exit:], carry, strict=False)
        moved = [_where(moves, new, old) for new, old in pairs]
        further = _where(known, count + 1.0, -1.0 - count)
        counted = _where(_row("_lt", count, 0.0), count, further)
        return [*going, *moved, counted, *chosen[has_exit + len(carry) :]]


def union(lists: Sequence[list[Tensor]]) -> tuple[list[Tensor], list[list[int]]]:
    """Return the tensors of all lists, each once, and where those of each stand."""
    at: dict[int, int] = {}
    found: list[Tensor] = []
    for x in (x for tensors in lists for x in tensors):
        if id(x) not in at:
            at[id(x)] = len(found)
            found.append(x)
    return found, [[at[id(x)] for x in tensors] for tensors in lists]


def guard_known(is_unknown: Any) -> None:
    """Record the guard that a loop met no unknown step."""
    _core.guard_value(_where(is_unknown, UNKNOWN, KNOWN))


def _variables(sources: Sequence[Any]) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    """Yield tensors that functions close over, by the variables that lead to them."""
    waiting: list[tuple[tuple[str, ...], Any]] = [
        ((str(k),), f) for k, f in enumerate(sources)
    ]
    seen: set[int] = set()
    while waiting:
        name, found = waiting.pop()
        if isinstance(found, Tensor):
            yield name, found
        if id(found) in seen:
            continue
        seen.add(id(found))
        wrapped = getattr(found, "__wrapped__", None)  # by grad, compile, ...
        if wrapped is not None:
            waiting.append(((*name, "__wrapped__"), wrapped))
        cells = getattr(found, "__closure__", None)
        for variable, cell in zip(
            found.__code__.co_freevars if cells else (), cells or (), strict=True
        ):
            try:
                waiting.append(((*name, variable), cell.cell_contents))
            except ValueError:  # not assigned yet
                continue


def value_at(x: Any) -> Any:
    """Return the value that a tensor has this time, as a leaf to record at."""
    return as_leaf(_core.peek(as_tensor(x)))


def as_leaf(value: Any) -> Any:
    """Return a value as a float, or a contiguous array of its own."""
    return np.ascontiguousarray(value) if np.ndim(value) else float(value)
